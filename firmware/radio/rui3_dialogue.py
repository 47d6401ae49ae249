"""What an RUI3 modem is told and what its texts mean: bytes and the time in, commands and events out. No I/O.

    command  "AT+VER=?" CR LF
    answer   [AT+VER=]RUI_4.0.6_RAK3172-E       only to a question; older firmware leaves the name away
             OK | AT_BUSY_ERROR | ...           always: the status, the end of the answer
    events   +EVT:..., at any time, also between command and status

One command is under way at a time. Spellings of old and new firmware are taken alike: spaces for underscores, commas
for colons, statuses with and without their typing errors, a downlink in one line or in two. What makes no sense is
counted and passed over. Nothing here keeps or shows what was sent after a `=`: it may be a key.

Sources: RUI3 AT command manual and the deprecated one of firmware up to 1.0.4 (RAKwireless); texts of the firmware as
users report them; section 11 of the project's LoRaWAN facts.
"""

import binascii

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


# Statuses.
OK = const(0)
FAILED = const(1)
"""The command does not exist, or cannot be carried out now."""
PARAMETER = const(2)
"""A value is wrong or too long; for `AT+SEND`: more bytes than the data rate takes."""
BUSY = const(3)
NOT_JOINED = const(4)
DAMAGED = const(5)
"""The modem did not understand the line; it did nothing."""
RESTRICTED = const(6)
"""Duty cycle; `Dialogue.wait_ms` says how long, if the modem said so."""
RESTARTED = const(7)
"""The modem came up anew instead of answering."""

_STATUSES = (  # (beginning, status), the first that fits; anything else with AT_ is FAILED
    ("AT_PARAM", PARAMETER),
    ("AT_TEST_PARAM", PARAMETER),  # AT_TEST_PARAM_OVERFLOW
    ("AT_BUSY", BUSY),
    ("AT_NO_NET", NOT_JOINED),  # AT_NO_NETWORK_JOINED, AT_NO_NET_JOINED
    ("AT_RX", DAMAGED),
    ("AT_DUTYCY", RESTRICTED),  # AT_DUTYCYCLE_RESTRICTED, AT_DUTYCYLE_RESTRICTED
    ("AT_", FAILED),
)

# Events: tuples that begin with one of these.
JOINED = const(10)
JOIN_FAILED = const(11)
DONE = const(12)
"""(DONE, acknowledged): the uplink and its windows are over; None when no acknowledgement was asked for."""
RECEIVED = const(13)
"""(RECEIVED, rssi_dbm, snr_db, multicast, port, data)."""
UNREADABLE = const(14)
"""A downlink came, but its line was damaged: `AT+RECV=?` has it."""
CHECKED = const(15)
"""(CHECKED, margin_db, gateways)."""
UP = const(16)
"""The modem has started."""

_LINE_MAX = const(600)
"""The longest line is a downlink of 242 bytes: 484 digits and some 40 characters before them."""
_EVENTS_KEPT = const(16)

BANDS = "EU433 CN470 RU864 IN865 EU868 US915 AU915 KR920 AS923-1 AS923-2 AS923-3 AS923-4 LA915"
"""Regions in the order of the numbers that AT+BAND takes."""


class Refused(Exception):
    """Raised by `set_up` when the modem does not take what the node needs; the text names command and status."""


class Dialogue:
    """One end of the line. `ask` gives the bytes of a command, `feed` takes what came; the rest is to be looked at.

    `status` is None until the answer to the last command is complete; `value` is the answer to a question as text;
    `wait_ms` how long the modem forbids to transmit, None when it said nothing. `events` is emptied by the caller.
    """

    def __init__(self):
        self._line = bytearray()
        self._too_long = False
        self._name = ""  # of the command under way, up to its `=`
        self._question = False
        self._until_ms = 0
        self._heard_half = None  # levels of a downlink in two lines
        self.status = OK
        self.value = None
        self.wait_ms = None
        self.events = []
        self.damaged = 0
        """Lines that made no sense, so far."""

    def ask(self, command, now_ms, limit_ms):
        """Begin a command; gives what to send. Its answer is waited for until `now_ms + limit_ms`."""
        self._question = command.endswith("=?")
        self._name = name_of(command)
        self._until_ms = now_ms + limit_ms
        self.status = self.value = self.wait_ms = None
        return (command + "\r\n").encode()

    def silent(self, now_ms):
        """Whether the answer should have come long ago."""
        return self.status is None and now_ms >= self._until_ms

    def feed(self, data):
        """Take bytes in whatever pieces they come."""
        for byte in data:
            if byte in b"\r\n":
                if self._line or self._too_long:
                    self._end_of_line()
            elif len(self._line) < _LINE_MAX:
                self._line.append(byte)
            else:
                self._too_long = True

    def _end_of_line(self):
        if self._too_long:
            text = None
        else:
            text = _text(self._line)
        self._line = bytearray()
        self._too_long = False
        if text is None:
            self.damaged += 1
        elif text:
            self._take(text)

    def _take(self, text):
        if text.startswith("+EVT:"):
            event = self._event(text[5:].replace(" ", "_"))
            if event is None:
                self.damaged += 1
            elif event:
                self._tell(event)
        elif text.startswith("Current Work Mode"):
            self._tell((UP,))
            if self.status is None:
                self.status = RESTARTED
        elif text.startswith("Restricted_Wait_"):
            self.wait_ms = _number(text[16:].split("_")[0])
        elif text == "OK":
            self._end(OK)
        elif text.startswith("AT_"):
            for beginning, status in _STATUSES:
                if text.startswith(beginning):
                    self._end(status)
                    break
        elif self.status is None and self._question:
            self._answer(text)

    def _end(self, status):
        if self.status is None:
            self.status = RESTRICTED if self.wait_ms is not None and status != OK else status

    def _answer(self, text):
        """The answer to a question: with the command's name before it, or without. The last line counts: an echo is
        told before it."""
        if text.startswith(self._name + "="):
            text = text[len(self._name) + 1 :]
        self.value = text

    def _tell(self, event):
        if len(self.events) >= _EVENTS_KEPT:
            self.events.pop(0)
        self.events.append(event)

    def _event(self, text):
        """The event of a line after `+EVT:`; None when it is damaged, () when it is of no interest."""
        if text.startswith("JOINED"):
            return (JOINED,)
        if text.startswith("JOIN_FAIL"):
            return (JOIN_FAILED,)
        if text.startswith("TX_DONE") or text == "SEND_OK":
            return (DONE, None)
        if text.startswith("SEND_CONFIRMED_"):
            return (DONE, text[15:].startswith(("OK", "SUCCESS")))
        if text.startswith("RX_"):
            return self._received(text)
        if text.startswith("LINKCHECK:"):
            return _checked(text[10:])
        if text[:1].isdigit():
            return self._second_half(text)
        return ()

    def _received(self, text):
        if "RSSI" in text:  # up to 1.0.4: RX_1, RSSI -66, SNR 15, and the data in a line of its own
            words = text.replace(",", "").split("_")
            self._heard_half = None
            try:
                self._heard_half = int(words[words.index("RSSI") + 1]), int(words[words.index("SNR") + 1])
            except (ValueError, IndexError):
                return (UNREADABLE,)
            return ()
        parts = text.split(":")
        try:
            rssi_dbm, snr_db, cast, port, digits = parts[1:6]
            return (RECEIVED, int(rssi_dbm), int(snr_db), cast == "MULTICAST", _port(port), _bytes(digits))
        except (ValueError, IndexError):
            return (UNREADABLE,)

    def _second_half(self, text):
        levels, self._heard_half = self._heard_half, None
        try:
            port, digits = text.split(":")
            return (RECEIVED, levels[0], levels[1], False, _port(port), _bytes(digits))
        except (ValueError, TypeError):
            return (UNREADABLE,)


def name_of(command):
    """A command without its value, for messages: `AT+APPKEY=0011..` is `AT+APPKEY`."""
    return command.split("=")[0]


def kept(value):
    """(port, bytes) of the answer to `AT+RECV=?`, or None when there is nothing or it is damaged."""
    try:
        port, digits = value.split(":")
        return _port(port), _bytes(digits)
    except (ValueError, AttributeError):
        return None


def set_up(modem, band, identity, key_known, mask=None):
    """Bring a modem to what the node needs: commands out, answers in. Reads first, writes only what differs.

    A generator of commands; None in between means: wait until the modem has started. After each, `modem` (a `Dialogue`)
    holds the answer. `identity`: DevEUI, JoinEUI, AppKey as hexadecimal text; `key_known`: this modem was given this
    very AppKey before; `mask`: for AT+MASK, where the region has fixed channels. The AppKey is written first and the
    DevEUI last, so that a DevEUI that is ours vouches for the rest; it is never read.

    At the end: True when the modem was given its identity anew, so that an older session is worth nothing.
    Raises `Refused`.
    """
    for name, wanted, needed in (
        ("NWM", "1", True),  # LoRaWAN, not point to point. Writing it restarts the modem.
        ("NJM", "1", True),  # join over the air
        ("BAND", str(band), True),
        ("MASK", mask, True),
        ("CLASS", "A", True),
        ("ADR", "1", True),
        ("DCS", "1", False),  # keep the duty cycle; absent where the region has none
        ("RETY", "0", False),  # repetitions are the node's decision
        ("LPM", "1", False),  # sleep between commands; absent in old firmware
    ):
        if wanted is None:
            continue
        yield "AT+%s=?" % name
        if modem.status != OK and not needed:
            continue
        if modem.status == OK and modem.value is not None and modem.value.split(":")[0] == wanted:
            continue
        yield "AT+%s=%s" % (name, wanted)
        if name == "NWM" and modem.status in (OK, RESTARTED):
            if modem.status == OK:
                yield None
        elif modem.status != OK and needed:
            raise Refused("AT+%s: status %d" % (name, modem.status))
    ours = key_known
    if ours:
        for name, wanted in (("AT+DEVEUI", identity[0]), ("AT+APPEUI", identity[1])):
            yield name + "=?"
            ours = ours and modem.value is not None and modem.value.lower() == wanted
    if ours:
        return False
    for name, value in (("AT+APPKEY", identity[2]), ("AT+APPEUI", identity[1]), ("AT+DEVEUI", identity[0])):
        yield "%s=%s" % (name, value)
        if modem.status != OK:
            raise Refused("%s: status %d" % (name, modem.status))
    return True


def _text(line):
    """The characters of a line without noise at its ends; None when there is noise inside."""
    start, end = 0, len(line)
    while start < end and not 32 < line[start] < 127:
        start += 1
    while end > start and not 32 < line[end - 1] < 127:
        end -= 1
    for at in range(start, end):
        if not 32 <= line[at] < 127:
            return None
    return bytes(line[start:end]).decode()


def _number(text):
    try:
        return int(text)
    except ValueError:
        return None


def _port(text):
    port = int(text)
    if not 0 < port < 256:
        raise ValueError("port")
    return port


def _bytes(digits):
    """Hexadecimal text to bytes; ValueError, on MicroPython too, where a wrong digit is no other error."""
    return binascii.unhexlify(digits)


def _checked(text):
    """State, margin, gateways, RSSI, SNR with colons, or commas in older firmware. State 0: answered."""
    parts = text.replace(",", ":").split(":")
    try:
        state, margin_db, gateways = int(parts[0]), int(parts[1]), int(parts[2])
    except (ValueError, IndexError):
        return None
    return () if state else (CHECKED, margin_db, gateways)
