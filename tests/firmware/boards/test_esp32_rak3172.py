"""A whole node whose radio is an AT modem: it joins, reports, obeys, and goes on when the modem does not."""

from __future__ import annotations

import pytest

from bench.block import Block, counters, dev_nonces
from bench.boards import InterpreterMissing
from bench.chips.rui3 import DIALECTS
from bench.footprint import heap_for_board, overlay_bytes
from bench.street import Plan
from firmware.boards.esp32_rak3172 import facts
from firmware.boards.virtual import facts as virtual
from firmware.payload.commands import COMMAND_FPORT, encode_command
from provisioning import bundle

BOARD = "esp32_rak3172"
FILL_PORT, STATUS_PORT, ANSWER_PORT = 20, 30, 31
HEAP_BYTES = 80_000
"""A node without the MAC has that much less to hold: 20 kB below what all nodes must live in."""


@pytest.fixture
def block(tmp_path):
    """A block with one such node, switched on."""
    made = []

    def start(dialect="4.0.6", **options):
        settings = {"spread_percent": 0, "start_delay_s": 0}
        plan = Plan("node", "fill", board=BOARD, report_interval_s=120, settings=settings)
        try:
            block = Block(tmp_path, [plan], seed=3, **options)
        except InterpreterMissing as missing:
            pytest.skip(str(missing))
        made.append(block)
        modem = modem_of(block)
        modem.dialect = DIALECTS[dialect]
        modem.baud = modem.dialect.baud
        block.switch_on()
        return block

    yield start
    for block in made:
        block.bench.close()


def modem_of(block):
    return block.street.nodes["node"].station.radio


def board_of(block):
    return block.street.nodes["node"].board


def ports(block):
    return [reading.f_port for reading in block.readings("node")]


def told(block, since=0):
    return [text for _, text in modem_of(block).commands[since:]]


def test_facts_have_the_names_of_all_boards():
    def names(module):
        return {name for name in vars(module) if name.isupper()}

    assert names(facts) == names(virtual)
    assert facts.NAME == BOARD


def test_no_pin_has_two_uses():
    pins = [facts.I2C["sda"], facts.I2C["scl"], facts.UART["tx"], facts.UART["rx"], facts.ONEWIRE_PIN, facts.PIR_PIN]
    pins += [
        facts.BATTERY["adc"],
        facts.SENSOR_POWER["pin"],
        facts.RADIO["tx"],
        facts.RADIO["rx"],
        facts.RADIO["reset"],
    ]
    assert len(set(pins)) == len(pins)


def test_only_what_the_modem_needs_is_deployed():
    root = bundle.firmware_root()
    with_modem = set(bundle.modules_for(BOARD, "fill", "EU868", root))
    without = set(bundle.modules_for("virtual", "fill", "EU868", root))

    assert "firmware.radio.rui3" in with_modem - without
    assert {"firmware.lorawan.mac", "firmware.lorawan.crypto", "firmware.radio.sx126x"} <= without - with_modem


@pytest.mark.parametrize("dialect", DIALECTS)
def test_node_joins_reports_the_truth_takes_a_command_and_answers(block, dialect):
    city = block(dialect)
    city.bench.run_for(300)
    city.enqueue("node", COMMAND_FPORT, encode_command(17, {1: 60}))
    city.bench.run_for(600)

    assert ports(city)[:2] == [FILL_PORT, STATUS_PORT]
    (answer,) = [reading.decoded for reading in city.readings("node") if reading.f_port == ANSWER_PORT]
    assert (answer["seq"], answer["ok"]) == (17, True)
    assert ports(city).count(FILL_PORT) >= 9
    station = city.street.nodes["node"].station
    played = {entry.value for entry in station.parts["distance"].played}
    reports = [reading.decoded for reading in city.readings("node") if reading.f_port == FILL_PORT]
    assert all(report["distance"] in played for report in reports)
    assert "spatz: command seq=17 interval=60 ok" in board_of(city).console
    assert "defect" not in board_of(city).console


def test_node_goes_on_past_the_service_window_in_light_sleep(block):
    city = block()
    city.bench.run_for(3600)

    assert ports(city).count(FILL_PORT) >= 29
    assert board_of(city).console.count("spatz: start") == 1


def test_key_is_handed_over_once_in_the_life_of_node_and_modem(block):
    city = block()
    city.bench.run_for(200)
    assert told(city).count("AT+APPKEY=...") == 1
    for _ in range(3):
        since = len(told(city))
        board_of(city).power_off()
        city.bench.run_for(5)
        board_of(city).power_on()
        city.bench.run_for(200)
        assert "AT+DEVEUI=?" in told(city, since)
        assert not [text for text in told(city, since) if "APPKEY" in text]

    frames = city.sent_frames("node")
    assert dev_nonces(frames) == [0]
    seen = [(address, f_cnt) for address, f_cnt, _ in counters(frames)]
    assert len(set(seen)) == len(seen)


@pytest.mark.parametrize("dialect", DIALECTS)
def test_modem_that_restarts_by_itself_costs_no_report(block, dialect):
    city = block(dialect)
    for _ in range(5):
        city.bench.run_for(331)
        modem_of(city).restart()
    city.bench.run_for(400)

    reports = [reading for reading in city.readings("node") if reading.f_port == FILL_PORT]
    assert len(reports) >= (5 * 331 + 400) // 120
    assert "defect" not in board_of(city).console


def test_modem_that_hangs_is_reset_and_reports_come_late_but_come(block):
    city = block()
    city.bench.run_for(300)
    modem_of(city).fail("hangs")
    city.bench.run_for(600)

    assert "spatz: link fault ModemSilent" in board_of(city).console
    assert ports(city).count(FILL_PORT) >= 6


def test_node_measures_on_while_the_modem_is_silent(block):
    city = block()
    city.bench.run_for(300)
    modem_of(city).fail("silent")
    city.bench.run_for(900)
    before = ports(city).count(FILL_PORT)
    modem_of(city).heal()
    city.bench.run_for(5400)

    late = [reading for reading in city.readings("node") if "late" in reading.decoded.get("flags", ())]
    assert len(late) >= 5
    assert ports(city).count(FILL_PORT) >= before + 45


def test_console_shows_no_key(block):
    city = block()
    key = modem_of(city).settings["APPKEY"]
    city.bench.run_for(300)

    own = modem_of(city).settings["APPKEY"]
    assert own != key
    assert own.lower() not in board_of(city).console.lower()


def test_node_needs_less_memory_than_one_with_the_stack_on_board(block):
    city = block(heap_bytes=heap_for_board(HEAP_BYTES, overlay_bytes()))
    city.bench.run_for(200)
    city.enqueue("node", COMMAND_FPORT, encode_command(17, {1: 60}))
    city.bench.run_for(400)

    assert ports(city).count(ANSWER_PORT) == 1
    assert "MemoryError" not in board_of(city).console
