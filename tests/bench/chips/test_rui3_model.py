"""The RAK3172 model: what it says byte by byte, and what it puts on the air."""

import pytest

from bench.air.air import Air
from bench.air.transmission import on_air
from bench.chips.rui3 import DIALECTS, Rak3172
from bench.chips.rui3.modem import FACTORY
from bench.schedule import Schedule
from bench.server.crypto import session_keys
from bench.server.frames import DataFrame, FType, JoinAccept, JoinRequest

APP_KEY = bytes(range(16))
ACCEPT = JoinAccept(join_nonce=1, net_id="000013", dev_addr="26011bda", rx1_dr_offset=0, rx2_dr=0, rx_delay_s=1)
KEYS = session_keys(APP_KEY, join_nonce=1, net_id="000013", dev_nonce=0)


class Terminal:
    """Somebody who types, and a gateway that says what it is told to say."""

    def __init__(self, dialect="4.0.6", **settings):
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0)
        self.modem = Rak3172(self.schedule, self.air, "node", dialect=dialect)
        ready = {"BAND": "4", "NJM": "1", "APPKEY": APP_KEY.hex().upper(), "DR": "5", "RETY": "0"}
        self.modem.settings.update({**ready, **settings})
        self.pieces = []
        self.modem.connect(self.pieces.append)
        self.pass_s(1)
        self.pieces.clear()

    def pass_s(self, seconds):
        self.schedule.run_until(self.schedule.now_us + round(seconds * 1_000_000))

    def type(self, text, wait_s=0.5):
        """The lines that follow within `wait_s`."""
        self.pieces.clear()
        self.modem.receive(text.encode() + b"\r\n")
        self.pass_s(wait_s)
        return self.lines()

    def lines(self):
        return b"".join(self.pieces).decode().split("\r\n")[:-1]

    def last_frame(self):
        return self.air.records[-1].frame

    def answer(self, frame, delay_s):
        """A downlink `delay_s` after the end of the frame that was sent last, on its channel."""
        up = self.last_frame()
        start_us = up.end_us + round(delay_s * 1_000_000)
        self.air.transmit(
            on_air(start_us, frame, "gateway", up.freq_hz, up.sf, iq_inverted=True, crc_on=False, power_dbm=16)
        )

    def join(self):
        """AT+JOIN with an answer; the lines."""
        self.type("AT+JOIN=1:0:10:0")
        self.answer(ACCEPT.build(APP_KEY), 5)
        self.pieces.clear()
        self.pass_s(6)
        return self.lines()


def downlink(f_cnt, port=None, data=b"", **flags):
    return DataFrame(FType.UNCONFIRMED_DOWN, "26011bda", 0, f_port=port, payload=data, **flags).build(KEYS, f_cnt)


def test_banner_tells_the_mode():
    terminal = Terminal()
    terminal.modem.restart()
    terminal.pass_s(1)
    assert terminal.lines() == ["RAKwireless RAK3172 Example", "-" * 54, "Current Work Mode: LoRaWAN."]


@pytest.mark.parametrize(
    ("dialect", "version"),
    [
        ("4.0.6", ["AT+VER=RUI_4.0.6_RAK3172-E", "OK"]),
        ("3.2.0", ["3.2.0-p2_22q1_final.87", "OK"]),
        ("1.0.4", ["V1.0.4", "OK"]),
    ],
)
def test_versions_answer_in_their_own_way(dialect, version):
    assert Terminal(dialect).type("AT+VER=?") == version


@pytest.mark.parametrize(
    ("typed", "status"),
    [
        ("AT", "OK"),
        ("AT+CLASS=B", "AT_PARAM_ERROR"),
        ("AT+APPKEY=00", "AT_PARAM_ERROR"),
        ("AT+APPKEY=" + "g" * 32, "AT_PARAM_ERROR"),
        ("AT+JOIN=1:0:3:0", "AT_PARAM_ERROR"),
        ("AT+SEND=2:00", "AT_NO_NETWORK_JOINED"),
        ("AT+SEND=0:00", "AT_PARAM_ERROR"),
        ("AT+SEND=2:0", "AT_PARAM_ERROR"),
        ("AT+NONSENSE=?", "AT_COMMAND_NOT_FOUND"),
        ("AT\x01", "AT_RX_ERROR"),
    ],
)
def test_status(typed, status):
    assert Terminal().type(typed) == [status]


def test_bytes_come_in_pieces_at_the_speed_of_the_line():
    terminal = Terminal("1.0.4")
    terminal.modem.receive(b"AT+VER=?\r\n")
    terminal.pass_s(0.003)
    assert terminal.pieces == []
    terminal.pass_s(0.009)
    assert b"".join(terminal.pieces) == b"V1.0.4\r\n"


def test_join_request_is_the_devices_own_and_its_nonce_survives_a_power_cut():
    terminal = Terminal()
    for nonce in range(3):
        assert terminal.type("AT+JOIN=1:0:10:0", 0.2)[0] == "OK"
        request = JoinRequest.parse(terminal.last_frame().payload)
        assert (request.dev_eui, request.dev_nonce) == (FACTORY["DEVEUI"].lower(), nonce)
        assert request.mic_valid(APP_KEY)
        terminal.modem.set_power(False)
        terminal.pass_s(1)
        terminal.modem.set_power(True)
        terminal.pass_s(1)


@pytest.mark.parametrize(
    ("dialect", "failed"), [("4.0.6", "+EVT:JOIN_FAILED_RX_TIMEOUT"), ("1.0.4", "+EVT:JOIN FAILED")]
)
def test_join_without_an_answer_fails_after_the_second_window(dialect, failed):
    terminal = Terminal(dialect)
    assert terminal.type("AT+JOIN=1:0:10:0", 6) == ["OK"]
    terminal.pass_s(1)
    assert terminal.lines()[-1] == failed


def test_joins_are_repeated_as_often_as_asked():
    terminal = Terminal()
    assert terminal.type("AT+JOIN=1:0:10:2", 60) == ["OK"] + ["+EVT:JOIN_FAILED_RX_TIMEOUT"] * 3


def test_join_accept_opens_a_session():
    terminal = Terminal()
    assert terminal.join() == ["+EVT:JOINED"]
    assert terminal.type("AT+NJS=?") == ["AT+NJS=1", "OK"]
    assert terminal.type("AT+DEVADDR=?") == ["AT+DEVADDR=26011BDA", "OK"]


def test_join_accept_with_another_key_opens_none():
    terminal = Terminal()
    terminal.type("AT+JOIN=1:0:10:0")
    terminal.answer(ACCEPT.build(bytes(16)), 5)
    terminal.pass_s(7)
    assert terminal.type("AT+NJS=?") == ["AT+NJS=0", "OK"]


def test_uplink_is_what_was_typed_and_nothing_else_goes_meanwhile():
    terminal = Terminal()
    terminal.join()
    assert terminal.type("AT+SEND=7:C0FFEE", 0.2) == ["OK"]
    frame = DataFrame.parse(terminal.last_frame().payload)
    assert frame.mic_valid(KEYS.nwk_s_key, 0)
    assert (frame.f_port, frame.plaintext(KEYS, 0)) == (7, bytes.fromhex("c0ffee"))
    assert terminal.type("AT+SEND=7:C0FFEE", 0.2) == ["AT_BUSY_ERROR"]
    terminal.pass_s(3)
    assert terminal.lines() == ["AT_BUSY_ERROR", "+EVT:TX_DONE"]


def level(lines):
    """Lines with the levels of the bench's air left out."""
    return [line.replace(":-89:13:", ":.:.:").replace("RSSI -89, SNR 13", "RSSI ., SNR .") for line in lines]


@pytest.mark.parametrize(
    ("dialect", "told"),
    [
        ("4.0.6", ["+EVT:TX_DONE", "+EVT:RX_1:.:.:UNICAST:9:48656C6C6F"]),
        ("3.2.0", ["+EVT:RX_1:.:.:UNICAST:9:48656C6C6F", "+EVT:TX_DONE"]),
        ("1.0.4", ["+EVT:TX_DONE", "+EVT:RX_1, RSSI ., SNR .", "+EVT:9:48656C6C6F"]),
    ],
)
def test_downlink_is_told_in_the_way_of_the_version_and_kept_for_one_reading(dialect, told):
    terminal = Terminal(dialect)
    terminal.join()
    terminal.type("AT+SEND=7:00", 0.2)
    terminal.answer(downlink(0, 9, b"Hello"), 1)
    terminal.pieces.clear()
    terminal.pass_s(3)
    assert level(terminal.lines()) == told
    assert terminal.type("AT+RECV=?")[0].endswith("9:48656C6C6F")
    assert terminal.type("AT+RECV=?")[0].endswith("0:")


def test_replayed_and_forged_downlinks_are_not_told():
    terminal = Terminal()
    terminal.join()
    for frame, expected in (
        (downlink(3, 9, b"first"), True),
        (downlink(3, 9, b"first"), False),
        (downlink(4, 9, b"forged")[:-1] + b"\x00", False),
        (downlink(4, 9, b"next"), True),
    ):
        terminal.type("AT+SEND=7:00", 0.2)
        terminal.answer(frame, 1)
        terminal.pieces.clear()
        terminal.pass_s(4)
        assert any(line.startswith("+EVT:RX") for line in terminal.lines()) is expected


@pytest.mark.parametrize(
    ("dialect", "ack", "told"),
    [
        ("4.0.6", True, "+EVT:SEND_CONFIRMED_OK"),
        ("4.0.6", False, "+EVT:SEND_CONFIRMED_FAILED(4)"),
        ("3.2.0", False, "+EVT:SEND_CONFIRMED_FAILED"),
        ("1.0.4", True, "+EVT:SEND CONFIRMED OK"),
        ("1.0.4", False, "+EVT:SEND CONFIRMED FAILED"),
    ],
)
def test_confirmed_uplink(dialect, ack, told):
    terminal = Terminal(dialect, CFM="1")
    terminal.join()
    terminal.type("AT+SEND=7:00", 0.2)
    assert DataFrame.parse(terminal.last_frame().payload).confirmed
    if ack:
        terminal.answer(downlink(0, ack=True), 1)
    terminal.pass_s(4)
    assert terminal.lines()[-1] == told
    assert terminal.type("AT+CFS=?")[0].endswith(str(int(ack)))


def test_repetitions_are_the_same_frame():
    terminal = Terminal(CFM="1", RETY="2")
    terminal.join()
    before = len(terminal.air.records)
    terminal.type("AT+SEND=7:00", 30)
    frames = [record.frame.payload for record in terminal.air.records[before:]]
    assert len(frames) == 3
    assert len(set(frames)) == 1


def test_restart_in_the_middle_of_an_uplink_silences_the_radio():
    terminal = Terminal()
    terminal.join()
    terminal.type("AT+SEND=7:00", 0.01)
    terminal.modem.restart()
    terminal.pass_s(5)
    assert "+EVT:TX_DONE" not in terminal.lines()
    assert terminal.type("AT+SEND=7:01", 0.2) == ["OK"]
    assert DataFrame.parse(terminal.last_frame().payload).f_cnt16 == 1


def test_spent_airtime_is_refused_with_its_end():
    terminal = Terminal(DCS="1", DR="0")
    for _ in range(100):
        lines = terminal.type("AT+JOIN=1:0:10:0", 10)
        if lines[0] != "OK":
            break
    assert lines[0].startswith("Restricted_Wait_")
    assert lines[1] == "AT_BUSY_ERROR"
    spent_us = sum(record.frame.end_us - record.frame.start_us for record in terminal.air.records)
    assert 36_000_000 <= spent_us <= 36_000_000 + 1_483_000 + terminal.schedule.now_us // 100
    terminal.pass_s(int(lines[0].split("_")[2]) / 1000)
    assert terminal.type("AT+JOIN=1:0:10:0")[0] == "OK"


def test_sleeping_modem_loses_the_first_line():
    terminal = Terminal(LPM="1")
    terminal.pass_s(10)
    assert terminal.type("AT", 0.1) == []
    assert terminal.type("AT", 0.1) == ["OK"]


def test_other_mode_restarts_with_settings_of_its_own():
    terminal = Terminal()
    assert terminal.type("AT+NWM=0", 1)[-1] == "Current Work Mode: LoRa P2P."
    assert terminal.type("AT+BAND=?") == ["AT+BAND=5", "OK"]


@pytest.mark.parametrize("dialect", DIALECTS)
def test_keys_are_left_out_of_what_the_model_remembers(dialect):
    terminal = Terminal(dialect)
    terminal.type("AT+APPKEY=" + APP_KEY.hex())
    assert [text for _, text in terminal.modem.commands] == ["AT+APPKEY=..."]
