"""The AT side of the modem: characters in, lines out, settings in flash.

    power, RST, ATZ, AT+NWM -boot-> ready <-> at work (a join or an uplink is under way)
                                      `-- a second without characters, LPM=1 --> asleep: the next line only wakes it

What the bench has from users and could not check on hardware is marked (unverified).
"""

from __future__ import annotations

from collections.abc import Callable

from bench.air.air import Air
from bench.chips.part import Part
from bench.chips.ports import Line
from bench.chips.rui3.end_device import EndDevice, Heard, Memory
from bench.chips.rui3.texts import DIALECTS, Dialect
from bench.schedule import Event, Schedule

BOOT_US = 450_000  # (unverified)
LATENCY_US = 3_000  # from the end of a command to its answer (unverified)
FLASH_US = 40_000  # more, when a setting is written (unverified)
SLEEPY_US = 1_000_000  # (unverified)
CHUNK_BYTES = 8
LINE_MAX = 1_100
JOIN_REQUEST_BYTES = 23
FRAME_OVERHEAD_BYTES = 13
SECRET = ("APPKEY", "NWKSKEY", "APPSKEY")

FACTORY = {
    "NWM": "1",
    "NJM": "0",
    "BAND": "5",
    "CLASS": "A",
    "ADR": "0",
    "DCS": "0",
    "RETY": "1",
    "LPM": "0",
    "CFM": "0",
    "DR": "0",
    "LINKCHECK": "0",
    "DEVEUI": "AC1F09FFFE0517A2",
    "APPEUI": "AC1F09FFF9153172",
    "APPKEY": "AC1F09FFFE0517A2AC1F09FFF9153172",
}
"""Settings as delivered; several differ from what a node needs, so that a driver that writes nothing fails."""
CHOICES = {
    "NWM": ("0", "1"),
    "NJM": ("0", "1"),
    "BAND": ("4", "5"),
    "CLASS": ("A", "C"),
    "ADR": ("0", "1"),
    "DCS": ("0", "1"),
    "RETY": tuple("01234567"),
    "LPM": ("0", "1"),
    "CFM": ("0", "1"),
    "DR": tuple("0123456"),
    "LINKCHECK": ("0", "1", "2"),
}
OF_THE_STACK = ("NJM", "BAND", "CLASS", "ADR", "DCS", "DR", "DEVEUI", "APPEUI", "APPKEY")
"""Settings that cannot be written while a frame or a window is under way."""
DIGITS = {"DEVEUI": 16, "APPEUI": 16, "APPKEY": 32}


class Rak3172(Part):
    """The modem on its UART and its antenna. `dialect`: a key of `DIALECTS`. `reset` low holds it in reset.

    Settings, DevNonce and counters are in its flash: they outlive power cuts. `commands` is what it was told, as
    (time, text), with keys left out.

    Faults: `silent` (no character comes or goes), `hangs` (so too, until it is reset), `busy` (always at work on
    something), `garble` (every third line is damaged), `garble-downlinks` (the digits of each are), `echo` (as after
    ATE), `mute-events` (no line of an event comes through). `restart()` starts it anew in the middle of anything.
    """

    FAULTS = frozenset({"silent", "hangs", "busy", "garble", "garble-downlinks", "echo", "mute-events"})

    def __init__(
        self,
        schedule: Schedule,
        air: Air,
        name: str,
        *,
        dialect: str = "4.0.6",
        seed: int | str = 0,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, powered)
        self.name = name
        self.dialect: Dialect = DIALECTS[dialect]
        self.baud = self.dialect.baud
        self.settings = dict(FACTORY)
        self.memory = Memory()
        self.device = EndDevice(schedule, air, name, self.memory, seed)
        self.commands: list[tuple[int, str]] = []
        self.starts = 0
        self.reset = Line(1)
        self.reset.watch(self._reset_changed)
        self._on_bytes: Callable[[bytes], None] | None = None
        self._line = bytearray()
        self._ready = False
        self._sending: list[Event] = []
        self._free_us = 0
        self._touched_us = 0
        self._lines = 0
        self._kept_downlink = "0:"
        self._acknowledged = False
        air.add_node(self.device)
        self._start()

    # Power and reset

    def _power_on(self) -> None:
        self._boot()

    def _power_off(self) -> None:
        self._halt()

    def _reset_changed(self, level: int) -> None:
        if self.powered:
            self._halt()
            if level:
                self._boot()

    def restart(self) -> None:
        """Start anew in the middle of whatever it does: a watchdog, a brown-out."""
        if self.powered:
            self._halt()
            self._boot()

    def tell(self, line: str) -> None:
        """Say a line that nobody asked for."""
        self._say(line)

    def _halt(self) -> None:
        for event in self._sending:
            event.cancel()
        self._sending.clear()
        self._line.clear()
        self.device.stop()
        self._ready = False

    def _boot(self) -> None:
        if not self.dialect.keeps_session:
            self.memory.session = None
        if not self.reset.level:
            return
        self.faults.discard("hangs")
        self._sending.append(self._schedule.after(BOOT_US, self._come_up))

    def _come_up(self) -> None:
        self.starts += 1
        self._ready = True
        self._touched_us = self._schedule.now_us
        for line in self.dialect.banner(self.settings["NWM"] == "1"):
            self._say(line)

    # UART

    def connect(self, on_bytes: Callable[[bytes], None]) -> None:
        """Hand over where the modem's bytes go."""
        self._on_bytes = on_bytes

    def receive(self, data: bytes) -> None:
        """Characters from the board."""
        if not self._ready or self._mute:
            return
        asleep = self.settings["LPM"] == "1" and not self.device.busy
        idle_us = self._schedule.now_us - self._touched_us
        self._touched_us = self._schedule.now_us
        if asleep and idle_us > SLEEPY_US:
            return  # they only woke it
        for byte in data:
            if byte in b"\r\n":
                line, self._line = bytes(self._line), bytearray()
                if line and self._ready:
                    self._command(line)
            elif len(self._line) < LINE_MAX:
                self._line.append(byte)

    def _say(self, line: str, delay_us: int = LATENCY_US) -> None:
        """One line out, in pieces as the UART has them."""
        if self._mute or ("mute-events" in self.faults and line.startswith("+EVT")):
            return
        if "garble-downlinks" in self.faults and line.startswith("+EVT:RX"):
            line = line[:-1] + "?"
        data = bytearray(line.encode() + b"\r\n")
        self._lines += 1
        if "garble" in self.faults and self._lines % 3 == 0:
            data[len(data) // 2] ^= 0x80
        self._sending = [event for event in self._sending if event.action is not None]
        start_us = max(self._free_us, self._schedule.now_us + delay_us)
        for at in range(0, len(data), CHUNK_BYTES):
            piece = bytes(data[at : at + CHUNK_BYTES])
            start_us += len(piece) * 10_000_000 // self.baud
            self._sending.append(self._schedule.at(start_us, lambda piece=piece: self._put(piece)))  # type: ignore[misc]
        self._free_us = start_us

    @property
    def _mute(self) -> bool:
        return bool(self.faults & {"silent", "hangs"})

    def _put(self, piece: bytes) -> None:
        if self._on_bytes is not None:
            self._on_bytes(piece)

    # Commands

    def _command(self, line: bytes) -> None:
        if not all(32 <= byte < 127 for byte in line):
            self._say("AT_RX_ERROR")
            return
        text = line.decode()
        name, _, value = text.removeprefix("AT+").partition("=")
        shown = f"AT+{name}=..." if name in SECRET and value != "?" else text
        self.commands.append((self._schedule.now_us, shown))
        if "echo" in self.faults:
            self._say(text)
        if text in ("AT", "ATZ", "ATR"):
            self._plain(text)
        elif not text.startswith("AT+") or name in self.dialect.lacks:
            self._say(self.dialect.unknown)
        elif value == "?":
            self._question(name)
        elif name == "JOIN":
            self._join(value)
        elif name == "SEND":
            self._send(value)
        elif name in self.settings:
            self._set(name, value)
        else:
            self._say(self.dialect.unknown)

    def _plain(self, text: str) -> None:
        if text == "ATZ":
            self.restart()
            return
        if text == "ATR":
            self.settings = dict(FACTORY)
        self._say("OK")

    def _question(self, name: str) -> None:
        session = self.memory.session
        values = {
            "VER": self.dialect.version,
            "NJS": str(int(session is not None)),
            "DEVADDR": session.dev_addr.upper() if session is not None else "00000000",
            "CFS": str(int(self._acknowledged)),
            "RECV": self._kept_downlink,
            **self.settings,
        }
        if session is not None:
            values["DR"] = str(self.device.data_rate)
        if name not in values:
            self._say(self.dialect.unknown)
            return
        if name == "RECV":
            self._kept_downlink = "0:"
        self._say(f"AT+{name}={values[name]}" if self.dialect.names_in_answers else values[name])
        self._say("OK")

    def _set(self, name: str, value: str) -> None:
        if name in DIGITS:
            good = len(value) == DIGITS[name] and all(digit in "0123456789abcdefABCDEF" for digit in value)
            value = value.upper()
        else:
            good = value in CHOICES[name]
        if not good:
            self._say("AT_PARAM_ERROR")
            return
        if name in OF_THE_STACK and self.device.busy:
            self._say("AT_BUSY_ERROR")
            return
        changed = self.settings[name] != value
        self.settings[name] = value
        if name == "NWM" and changed:  # the other mode begins with its own settings (Kampi/ESP32-RAK3172 #24)
            self.settings = {**FACTORY, "NWM": value}
            self._say("OK")
            self._sending.append(self._schedule.after(FLASH_US, self.restart))
            return
        if name == "DR":
            self.device.data_rate = int(value)
        self._say("OK", LATENCY_US + FLASH_US)

    # LoRaWAN

    def _refusal(self, size: int) -> bool:
        """Whether a frame of `size` bytes cannot go out now; the reason is told."""
        if self.settings["NWM"] != "1" or self.settings["BAND"] != "4" or self.settings["NJM"] != "1":
            self._say("AT_ERROR")
        elif self.device.busy or "busy" in self.faults:
            self._say("AT_BUSY_ERROR")
        else:
            self.device.duty_cycle = self.settings["DCS"] == "1"
            wait_us = self.device.wait_us(size)
            if not wait_us:
                return False
            if self.dialect.restricted == "AT_BUSY_ERROR":
                self._say(f"Restricted_Wait_{-(-wait_us // 1000)}_ms")
            self._say(self.dialect.restricted)
        return True

    def _join(self, value: str) -> None:
        parts = value.split(":")
        if len(parts) != 4 or not all(part.isdigit() for part in parts) or not 7 <= int(parts[2]) <= 255:
            self._say("AT_PARAM_ERROR")
            return
        if self._refusal(JOIN_REQUEST_BYTES):
            return
        self._say("OK")
        self._try_join(int(parts[3]), int(parts[2]) * 1_000_000)

    def _try_join(self, more: int, pause_us: int) -> None:
        self.device.data_rate = int(self.settings["DR"])

        def done(joined: bool) -> None:
            if joined:
                self._say("+EVT:JOINED")
                return
            self._say(self.dialect.join_failed())
            if more:
                self._sending.append(self._schedule.after(pause_us, lambda: self._try_join(more - 1, pause_us)))

        settings = self.settings
        self.device.join(settings["DEVEUI"], settings["APPEUI"], bytes.fromhex(settings["APPKEY"]), done)

    def _send(self, value: str) -> None:
        port, _, digits = value.partition(":")
        try:
            number, data = int(port), bytes.fromhex(digits)
        except ValueError:
            number, data = 0, b""
        if not 1 <= number <= 223 or not data:
            self._say("AT_PARAM_ERROR")
            return
        if self.memory.session is None:
            self._say("AT_NO_NETWORK_JOINED")
            return
        if self._refusal(len(data) + FRAME_OVERHEAD_BYTES):
            return
        checking = self.settings["LINKCHECK"] != "0"
        self.device.link_check_wanted = checking
        if len(data) > self.device.payload_max:
            self._say("AT_PARAM_ERROR")
            return
        confirmed = self.settings["CFM"] == "1"
        if self.settings["LINKCHECK"] == "1":
            self.settings["LINKCHECK"] = "0"
        self._say("OK")

        def done(heard: Heard | None) -> None:
            self._tell_end(heard, confirmed, checking)

        self.device.send(number, data, confirmed, int(self.settings["RETY"]), done)

    def _tell_end(self, heard: Heard | None, confirmed: bool, checking: bool) -> None:
        self._acknowledged = heard is not None and heard.acknowledged
        lines = [self.dialect.sent(confirmed, self._acknowledged)]
        if heard is not None and heard.port is not None:
            self._kept_downlink = f"{heard.port}:{(heard.data or b'').hex().upper()}"
            told = self.dialect.received(heard)
            lines = told + lines if self.dialect.heard_first else lines + told
        if checking:
            lines.append(self.dialect.link_check(heard))
        for line in lines:
            self._say(line)
