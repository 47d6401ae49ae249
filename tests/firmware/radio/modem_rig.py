"""A modem model on a UART, its driver and its MAC, and a network on the other side of the air."""

from __future__ import annotations

import random

from bench.air.air import Air
from bench.air.concentrator import Concentrator
from bench.air.direct import DirectLink
from bench.chips.rui3 import Rak3172
from bench.schedule import Schedule
from bench.server.core import NetworkServer
from bench.server.outputs import AppEvent
from bench.wires.buses import HostUART
from bench.wires.clock import HostTime
from bench.wires.pins import HostPin
from firmware.lorawan.ids import Eui
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868
from firmware.lorawan.store import pack_identity
from firmware.node.clock import Clock
from firmware.node.modem import ModemMac
from firmware.radio.rui3 import Modem

DEV_EUI = "70b3d57ed0000001"
JOIN_EUI = "70b3d57ed00000ff"
APP_KEY = bytes(range(16))
GATEWAY = "0016c001ff10a235"
UNIX_US = 1_795_312_800_000_000


class ModemRig:
    """`boot()` makes a fresh node (its memory is `records`); the modem and the network live on."""

    def __init__(self, dialect: str = "4.0.6", *, reset_wired: bool = True) -> None:
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0)
        self.model = Rak3172(self.schedule, self.air, "node", dialect=dialect)
        self.server = NetworkServer()
        self.server.add_device(DEV_EUI, APP_KEY)
        self.link = DirectLink(self.schedule, self.server, unix_us=UNIX_US)
        self.link.attach(Concentrator(self.schedule, self.air, "gateway"), GATEWAY)
        self.clock = Clock(HostTime(self.schedule))
        self.uart = HostUART(self.schedule, self.model)
        self.reset = HostPin(self.model.reset) if reset_wired else None
        self.records = {"identity": pack_identity(Eui.from_hex(DEV_EUI), Eui.from_hex(JOIN_EUI), APP_KEY)}
        self.pass_s(1)
        self.boot()

    def boot(self) -> None:
        """A node that has just started; nothing is said yet."""
        chance = random.Random(3)
        self.modem = Modem(self.uart, self.clock, self.reset)
        self.mac = ModemMac(self.modem, eu868, MemoryStore(self.records), lambda: chance.getrandbits(32))
        self.model.commands.clear()

    def start(self) -> None:
        """As the node's link does it."""
        self.modem.start()
        self.mac.start(self.now_ms)

    @property
    def now_ms(self) -> int:
        return self.clock.now_ms()

    def pass_s(self, seconds: float) -> None:
        self.clock.sleep_ms(round(seconds * 1000))

    def join(self) -> list[str]:
        """Join; names of the events."""
        return [type(event).__name__ for event in self.carry(self.mac.join(self.now_ms))]

    def send(self, port: int, data: bytes, confirmed: bool = False) -> list[object]:
        """One uplink; its events."""
        return self.carry(self.mac.send(port, data, self.now_ms, confirmed))

    def carry(self, attempt: object) -> list[object]:
        heard = self.modem.carry_out(attempt)
        return self.mac.conclude(attempt, heard, self.now_ms)

    def enqueue(self, port: int, data: bytes) -> None:
        self.server.enqueue(DEV_EUI, port, data, now_us=UNIX_US + self.schedule.now_us)
        self.link.touch()

    def ups(self) -> list[tuple[int, bytes]]:
        """(FPort, payload) of all uplinks that the application got."""
        found = [out.message for out in self.link.outputs if isinstance(out, AppEvent) and out.kind == "up"]
        return [(up.f_port, up.data) for up in found]

    def told(self) -> list[str]:
        """What the modem was told since the node's start."""
        return [text for _, text in self.model.commands]

    def sent(self) -> list[bytes]:
        """Every frame that the modem put on the air."""
        return [bytes(record.frame.payload) for record in self.air.records if record.frame.sender == "node"]
