"""Whole nodes on virtual boards with an SX1276 or an ESP32-S3: they join, report what their sensors said, and go on."""

import pytest

from bench.block import Block
from bench.boards import InterpreterMissing
from bench.chips.axp192 import AXP192
from bench.schedule import Schedule
from bench.stations import agrees
from bench.street import Plan
from bench.wires import HostI2C, HostTime
from firmware.boards.tbeam.pmu import Pmu
from firmware.node.clock import Clock

SETTINGS = {"spread_percent": 0, "start_delay_s": 0}


def block_with(tmp_path, board, profile):
    plan = Plan("node", profile, board=board, report_interval_s=120, settings=SETTINGS)
    try:
        return Block(tmp_path, [plan], seed=3)
    except InterpreterMissing as missing:
        pytest.skip(str(missing))


@pytest.mark.parametrize("board", ["lilygo_t3", "tbeam", "heltec_v3", "rak3312"])
@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_node_joins_and_reports_its_sensors_past_the_service_window(tmp_path, board, profile):
    with block_with(tmp_path, board, profile) as block:
        block.switch_on()
        block.bench.run_for(1800)
        node = block.street.nodes["node"]
        console, station = node.board.console, node.station
        reports = [reading for reading in block.readings("node") if 20 <= reading.f_port < 30]

        for report in reports:
            assert agrees(report.decoded, station.expected(block.sent_us(report))) == []

    assert len(reports) >= 14
    assert console.count("spatz: start") == 1
    assert "fault" not in console
    assert station.radio.remarks == set()


def test_node_obeys_a_downlink(tmp_path):
    from firmware.payload.commands import COMMAND_FPORT, INTERVAL, encode_command

    with block_with(tmp_path, "lilygo_t3", "fill") as block:
        block.switch_on()
        assert block.bench.run_until(lambda: bool(block.readings("node")), 300)
        block.enqueue("node", COMMAND_FPORT, encode_command(17, {INTERVAL: 30}))
        block.bench.run_for(600)
        console = block.street.nodes["node"].board.console

    assert "command seq=17" in console


def test_a_radio_without_its_supply_is_a_fault_and_not_the_end(tmp_path):
    with block_with(tmp_path, "tbeam", "fill") as block:
        station = block.street.nodes["node"].station
        station.radio.fail("bus")
        block.switch_on()
        block.bench.run_for(30)
        assert "link fault RadioSilent" in block.street.nodes["node"].board.console

        station.radio.heal()

        assert block.bench.run_until(lambda: bool(block.readings("node")), 300)


class TestPmu:
    @pytest.fixture
    def parts(self):
        schedule = Schedule()
        model = AXP192(schedule, lambda _: 3_801)
        return model, Pmu(HostI2C(schedule, [model]), 0x34, Clock(HostTime(schedule)))

    def test_the_radio_gets_its_supply_and_nothing_else_changes(self, parts):
        model, pmu = parts
        assert model.ldo2.level == 0

        pmu.radio_on()

        assert model.ldo2.level == 1
        model.write(b"\x12")
        assert model.read(1) == b"\x17"
        model.write(b"\x28")
        assert model.read(1) == b"\xff"

    def test_battery_is_read_to_a_step_of_the_converter(self, parts):
        model, pmu = parts
        model.write(b"\x82\x00")

        pmu.start()

        assert abs(pmu.read() - 3_801) <= 1
        assert pmu.last_mv == pmu.read()

    def test_silence_is_a_fault_word(self, parts):
        model, pmu = parts
        model.fail("bus")

        pmu.start()

        assert pmu.read() == "no-response"
        assert pmu.last_mv is None
