"""The modem dialogue, driven without modem, UART or clock; runs on CPython and on MicroPython alike."""

from firmware.radio import rui3_dialogue as said

KEY = "000102030405060708090a0b0c0d0e0f"
IDENTITY = ("70b3d57ed0000001", "70b3d57ed00000ff", KEY)

STATUSES = (
    ("OK", said.OK),
    ("AT_ERROR", said.FAILED),
    ("AT_COMMAND_NOT_FOUND", said.FAILED),
    ("AT_NO_CLASSB_ENABLE", said.FAILED),
    ("AT_PARAM_ERROR", said.PARAMETER),
    ("AT_TEST_PARAM_OVERFLOW", said.PARAMETER),
    ("AT_BUSY_ERROR", said.BUSY),
    ("AT_NO_NETWORK_JOINED", said.NOT_JOINED),
    ("AT_NO_NET_JOINED", said.NOT_JOINED),
    ("AT_RX_ERROR", said.DAMAGED),
    ("AT_DUTYCYCLE_RESTRICTED", said.RESTRICTED),
    ("AT_DUTYCYLE_RESTRICTED", said.RESTRICTED),
)

EVENTS = (
    ("+EVT:JOINED", (said.JOINED,)),
    ("+EVT:JOIN_FAILED_RX_TIMEOUT", (said.JOIN_FAILED,)),
    ("+EVT:JOIN_FAILED_TX_TIMEOUT", (said.JOIN_FAILED,)),
    ("+EVT:JOIN_FAILED_2143", (said.JOIN_FAILED,)),
    ("+EVT:JOIN FAILED", (said.JOIN_FAILED,)),
    ("+EVT:TX_DONE", (said.DONE, None)),
    ("+EVT:SEND OK", (said.DONE, None)),
    ("+EVT:SEND_CONFIRMED_OK", (said.DONE, True)),
    ("+EVT:SEND CONFIRMED OK", (said.DONE, True)),
    ("+EVT:SEND CONFIRMED SUCCESS", (said.DONE, True)),
    ("+EVT:SEND_CONFIRMED_FAILED(4)", (said.DONE, False)),
    ("+EVT:SEND_CONFIRMED_FAILED", (said.DONE, False)),
    ("+EVT:SEND CONFIRMED FAILED(4)", (said.DONE, False)),
    ("+EVT:RX_1:-28:8:UNICAST:2:00000710", (said.RECEIVED, -28, 8, False, 2, b"\x00\x00\x07\x10")),
    ("+EVT:RX_2:-120:-7:UNICAST:40:8211A1", (said.RECEIVED, -120, -7, False, 40, b"\x82\x11\xa1")),
    ("+EVT:RX_C:-38:5:MULTICAST:200:01", (said.RECEIVED, -38, 5, True, 200, b"\x01")),
    ("+EVT:RX_1, RSSI -66, SNR 15\r\n+EVT:2:48656C6C6F", (said.RECEIVED, -66, 15, False, 2, b"Hello")),
    ("+EVT:RX_1:-28:8:UNICAST:2:0000071", (said.UNREADABLE,)),
    ("+EVT:RX_1:-28:8:UNICAST:2:000007zz", (said.UNREADABLE,)),
    ("+EVT:RX_1:-28:8:UNICAST:0:00", (said.UNREADABLE,)),
    ("+EVT:RX_1:-28", (said.UNREADABLE,)),
    ("+EVT:2:48656C6C6F", (said.UNREADABLE,)),
    ("+EVT:LINKCHECK:0:21:1:-60:11", (said.CHECKED, 21, 1)),
    ("+EVT:LINKCHECK:0,21,1,-60,11", (said.CHECKED, 21, 1)),
    ("Current Work Mode: LoRaWAN.", (said.UP,)),
)

SILENT = (
    "+EVT:LINKCHECK:1:0:0:0:0",
    "+EVT:TIMEREQ_OK",
    "+EVT:SWITCH_FAILED",
    "",
    "RAKwireless RAK3172 Example",
    "-----",
)
"""Lines of which nothing follows."""


def asked(command="AT+VER=?"):
    dialogue = said.Dialogue()
    dialogue.ask(command, 0, 500)
    return dialogue


def statuses():
    for text, status in STATUSES:
        dialogue = asked("AT+SEND=2:00")
        dialogue.feed(("\r\n" + text + "\r\n").encode())
        assert dialogue.status == status, text


def events():
    for text, event in EVENTS:
        dialogue = said.Dialogue()
        dialogue.feed((text + "\r\n").encode())
        assert dialogue.events == [event], (text, dialogue.events)
    for text in SILENT:
        dialogue = said.Dialogue()
        dialogue.feed((text + "\r\n").encode())
        assert (dialogue.events, dialogue.damaged) == ([], 0), text


def answers_with_and_without_name_and_echo():
    for answer in ("AT+VER=RUI_4.0.6", "RUI_4.0.6", "AT+VER=?\r\nAT+VER=RUI_4.0.6"):
        dialogue = asked()
        dialogue.feed((answer + "\r\nOK\r\n").encode())
        assert (dialogue.status, dialogue.value) == (said.OK, "RUI_4.0.6"), answer


def pieces():
    """However the bytes are cut, and whatever comes between, the outcome is the same."""
    stream = b"\r\nAT+VER=RUI_4\r\n+EVT:RX_1:-28:8:UNICAST:2:0710\r\nOK\r\n+EVT:TX_DONE\r\n"
    for size in range(1, len(stream) + 1):
        dialogue = asked()
        for at in range(0, len(stream), size):
            dialogue.feed(stream[at : at + size])
        assert (dialogue.status, dialogue.value) == (said.OK, "RUI_4")
        assert dialogue.events == [(said.RECEIVED, -28, 8, False, 2, b"\x07\x10"), (said.DONE, None)]


def noise():
    dialogue = asked()
    dialogue.feed(b"\x00\xff\x00" + b"AT+VER=4\r\n" + b"+EVT:TX\x80DONE\r\n" + b"x" * 5000 + b"\r\n\x00OK\xff\r\n")
    assert (dialogue.status, dialogue.value, dialogue.events, dialogue.damaged) == (said.OK, "4", [], 2)


def restricted_says_how_long():
    dialogue = asked("AT+JOIN=1:0:10:0")
    dialogue.feed(b"Restricted_Wait_3343902_ms\r\nAT_BUSY_ERROR\r\n")
    assert (dialogue.status, dialogue.wait_ms) == (said.RESTRICTED, 3343902)
    dialogue.ask("AT+JOIN=1:0:10:0", 0, 500)
    dialogue.feed(b"AT_BUSY_ERROR\r\n")
    assert (dialogue.status, dialogue.wait_ms) == (said.BUSY, None)


def restart_ends_the_command():
    dialogue = asked("AT+SEND=2:00")
    dialogue.feed(b"RAKwireless RAK3172 Example\r\n-----\r\nCurrent Work Mode: LoRaWAN.\r\n")
    assert (dialogue.status, dialogue.events) == (said.RESTARTED, [(said.UP,)])


def silence_is_a_matter_of_time():
    dialogue = asked()
    assert not dialogue.silent(499)
    assert dialogue.silent(500)
    dialogue.feed(b"OK\r\n")
    assert not dialogue.silent(500)


def only_so_many_events_are_kept():
    dialogue = said.Dialogue()
    dialogue.feed(b"+EVT:JOINED\r\n" * 1000)
    assert len(dialogue.events) == 16


class Modem:
    """Answers of a modem as a table, and what it was told."""

    def __init__(self, refuses=(), **settings):
        self.refuses = refuses
        self.settings = settings
        self.told = []

    def run(self, key_known, band=4, mask=None):
        dialogue = said.Dialogue()
        steps = said.set_up(dialogue, band, IDENTITY, key_known, mask)
        try:
            while True:
                command = next(steps)
                self.told.append(command)
                if command is not None:
                    dialogue.ask(command, 0, 500)
                    dialogue.feed(self.answer(command))
        except StopIteration as end:
            return end.value

    def answer(self, command):
        name, value = command[3:].split("=")
        if name in self.refuses or (value == "?" and name not in self.settings):
            return b"AT_ERROR\r\n"
        if value == "?":
            return f"AT+{name}={self.settings[name]}\r\nOK\r\n".encode()
        self.settings[name] = value
        return b"OK\r\n"

    def written(self):
        return [command for command in self.told if command and not command.endswith("?")]


GOOD = {
    "NWM": "1",
    "NJM": "1",
    "BAND": "4",
    "CLASS": "A",
    "ADR": "1",
    "DCS": "1",
    "RETY": "0",
    "LPM": "1",
    "DEVEUI": IDENTITY[0].upper(),
    "APPEUI": IDENTITY[1].upper(),
}


def a_modem_that_is_right_is_only_read():
    modem = Modem(**GOOD)
    assert modem.run(True) is False
    assert modem.written() == []
    assert "AT+APPKEY=?" not in modem.told


def only_what_differs_is_written():
    modem = Modem(**dict(GOOD, BAND="5", LPM="0"))
    assert modem.run(True) is False
    assert modem.written() == ["AT+BAND=4", "AT+LPM=1"]


def channels_are_masked_where_the_region_has_fixed_ones():
    modem = Modem(**dict(GOOD, MASK="00FF"))
    assert modem.run(True, 5, "0002") is False
    assert modem.written() == ["AT+BAND=5", "AT+MASK=0002"]
    modem = Modem(**dict(GOOD))
    modem.run(True)
    assert "AT+MASK=?" not in modem.told


def mode_is_read_before_it_is_written_and_the_restart_awaited():
    modem = Modem(**dict(GOOD, NWM="0"))
    modem.run(True)
    assert modem.told[:3] == ["AT+NWM=?", "AT+NWM=1", None]


def another_eui_or_an_unknown_key_means_the_whole_identity():
    order = ["AT+APPKEY=" + KEY, "AT+APPEUI=" + IDENTITY[1], "AT+DEVEUI=" + IDENTITY[0]]
    modem = Modem(**dict(GOOD, DEVEUI="AC1F09FFFE000000"))
    assert (modem.run(True), modem.written()) == (True, order)
    modem = Modem(**GOOD)
    assert (modem.run(False), modem.written()) == (True, order)


def what_old_firmware_lacks_is_done_without():
    modem = Modem(refuses=("DCS", "RETY", "LPM"), **GOOD)
    assert modem.run(True) is False


def refusal_names_the_command_and_never_the_key():
    for refused in ("APPKEY", "BAND"):
        modem = Modem(refuses=(refused,), **dict(GOOD, BAND="5"))
        told = ""
        try:
            modem.run(False)
        except said.Refused as error:
            told = str(error)
        assert refused in told
        assert KEY not in told


CASES = (
    statuses,
    events,
    answers_with_and_without_name_and_echo,
    pieces,
    noise,
    restricted_says_how_long,
    restart_ends_the_command,
    silence_is_a_matter_of_time,
    only_so_many_events_are_kept,
    a_modem_that_is_right_is_only_read,
    only_what_differs_is_written,
    channels_are_masked_where_the_region_has_fixed_ones,
    mode_is_read_before_it_is_written_and_the_restart_awaited,
    another_eui_or_an_unknown_key_means_the_whole_identity,
    what_old_firmware_lacks_is_done_without,
    refusal_names_the_command_and_never_the_key,
)

if __name__ == "__main__":
    for case in CASES:
        case()
    print("passed", len(CASES))
