"""A node without a board: the real MAC and the real SX1262 driver, run by CPython on the chip's model in virtual time.

What a whole board does (sensors, queue, sleep, interpreter) is the subject of `bench.street`; this is its radio
half, quick enough for hundreds of exchanges a second.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from bench.air.air import Air
from bench.chips.sx1262 import SX1262 as Model
from bench.schedule import Schedule
from bench.wires import HostPin, HostSPI, HostTime
from firmware.boards.virtual import facts
from firmware.lorawan import explain, frames
from firmware.lorawan.class_c import ClassCMac
from firmware.lorawan.errors import Malformed
from firmware.lorawan.events import Repeat
from firmware.lorawan.ids import Eui
from firmware.lorawan.mac import Mac
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868
from firmware.node.clock import Clock
from firmware.radio.errors import ChannelBusy
from firmware.radio.sx126x import SX1262
from firmware.radio.sx126x_class_c import SX1262ClassC
from provisioning.bundle import region_module

SPI_HZ = 4_000_000


@dataclass(frozen=True, slots=True)
class Identity:
    """What provisioning would write to the node. EUIs are 16 hexadecimal digits."""

    dev_eui: str
    join_eui: str
    app_key: bytes = field(repr=False)


Judged = Callable[[bytes, str], None]
"""Told of each frame that the radio handed up: the frame, and why the MAC refuses it, or ""."""


class HostNode:
    """One node. Its calls block in virtual time, as on a board; several at once need a `Fiber` each as `schedule`.

    `clock_error_ppm`: by how much its clock runs fast. `battery` is what DevStatusAns says (1..254, 0 external, 255
    unknown). `store` keeps nonces and counters and may be handed to the next life of the same node. `region`: a page of
    `firmware.lorawan.regions`.
    """

    def __init__(
        self,
        name: str,
        schedule: Schedule,
        air: Air,
        identity: Identity,
        *,
        random_u32: Callable[[], int],
        class_c: bool = False,
        clock_error_ppm: int = 0,
        battery: int = 200,
        store: Any = None,
        judged: Judged | None = None,
        region: Any = eu868,
    ) -> None:
        self.name = name
        self._schedule = schedule
        self.identity = identity
        self.class_c = class_c
        self.judged = judged
        radio_facts = facts.RADIO
        self.model = Model(
            schedule, air, name, tcxo_mv=1800, antenna_gain_dbi_x10=int(str(radio_facts["antenna_gain_dbi_x10"]))
        )
        air.add_node(self.model)
        spi = HostSPI(schedule, SPI_HZ)
        self.clock: Any = Clock(HostTime(schedule, error_ppm=clock_error_ppm))
        driver: Any = SX1262ClassC if class_c else SX1262
        self.radio: Any = driver(
            spi,
            spi.attach(self.model),
            HostPin(self.model.busy),
            HostPin(self.model.dio1),
            HostPin(self.model.reset),
            self.clock,
            radio_facts,
        )
        if store is None:
            dev_eui, join_eui = Eui.from_hex(identity.dev_eui), Eui.from_hex(identity.join_eui)
            store = MemoryStore.provisioned(dev_eui, join_eui, identity.app_key)
        self.store: Any = store
        kind: Any = ClassCMac if class_c else Mac
        self.mac: Any = kind(region, store, random_u32, _Battery(battery))

    @property
    def now_ms(self) -> int:
        """The node's own time since power-on."""
        return int(self.clock.now_ms())

    def start(self) -> None:
        """Power-on: the radio is set up, what was stored is loaded."""
        self.radio.start()
        self.mac.start(self.now_ms)

    def carry_out(self, exchange: Any) -> list[Any]:
        """An exchange and its repetitions; all events in order."""
        found: list[Any] = []
        while exchange is not None:
            watched = _Watched(exchange, self._judge)
            try:
                heard = self.radio.carry_out(watched)
            except ChannelBusy:
                (again,) = self.mac.not_sent(exchange, self.now_ms)
                self.clock.sleep_ms(max(0, again.not_before_ms - self.now_ms))
                continue
            if heard is not None and not watched.taken:
                watched.wants(heard.frame)
            events = self.mac.conclude(exchange, heard, self.now_ms)
            found += [event for event in events if not isinstance(event, Repeat)]
            exchange = None
            for event in events:
                if isinstance(event, Repeat):
                    self.clock.sleep_ms(max(0, event.not_before_ms - self.now_ms))
                    exchange = event.exchange
        return found

    def hear(self) -> list[Any]:
        """Class C: what came in on RXC since the last call, as events; [] when nothing did."""
        found: list[Any] = []
        while (heard := self.radio.poll()) is not None:
            before = self.mac.state(self.now_ms)["fcnt_down"]
            events = self.mac.hear(heard, self.now_ms)
            taken = bool(events) or self.mac.state(self.now_ms)["fcnt_down"] != before
            self._judge(heard.frame, taken)
            found += events
        return found

    def listen_for(self, duration_ms: int) -> list[Any]:
        """Let time pass; a class C node with a session listens on RXC meanwhile. What it heard ends the wait early."""
        window = self.mac.listening(self.now_ms) if self.class_c else None
        if window is None:
            self.clock.sleep_ms(duration_ms)
            return []
        until_us = self._schedule.now_us + 1000 * duration_ms
        self.radio.listen(window)
        while True:
            found = self.hear()
            if found or self._schedule.now_us >= until_us:
                return found
            self._await_interrupt(until_us)

    def _await_interrupt(self, until_us: int) -> None:
        """As a board asleep that DIO1 wakes: a radio asked every few milliseconds would make long pauses slow."""
        while self.model.dio1.level == 0 and self._schedule.now_us < until_us:
            due_us = self._schedule.next_us()
            self._schedule.run_until(until_us if due_us is None else min(due_us, until_us))

    def _judge(self, frame: Any, taken: bool) -> None:
        if self.judged is not None:
            self.judged(bytes(frame), "" if taken else self._refusal(bytes(frame)))

    def _refusal(self, frame: bytes) -> str:
        """Why the MAC refused this downlink, in words."""
        try:
            found = explain.explain(frame, app_key=self.identity.app_key)
        except Malformed as error:
            return f"no LoRaWAN frame: {error}"
        if found["mtype"] == "JoinAccept":
            if found["mic_valid"]:
                return f"JoinNonce {found['join_nonce']} was taken before, or no join is open"
            return "its MIC does not fit the AppKey of this node"
        if not found["mtype"].endswith("Down"):
            return f"a {found['mtype']} is no downlink"
        state = self.mac.state(self.now_ms)
        if "dev_addr" not in state:
            return "this node has no session"
        if found["devaddr"] != str(state["dev_addr"]):
            return f"for DevAddr {found['devaddr']}, this node has {state['dev_addr']}"
        if frames.full_fcnt(found["fcnt16"], state["fcnt_down"]) is None:
            return f"FCntDown {found['fcnt16']} was taken before"
        return "its MIC does not fit the session of this node"


def region_page(name: str) -> Any:
    """The node's page of facts of a region, by its name."""
    return import_module(region_module(name))


@contextmanager
def settled_heap() -> Iterator[None]:
    """Around a run of many exchanges: what exists already is left out of garbage collection.

    The driver collects garbage in every transmission, as it must on a board; with the heap of a host program that
    would cost more than all the rest.
    """
    gc.collect()
    gc.freeze()
    try:
        yield
    finally:
        gc.unfreeze()


class _Battery:
    def __init__(self, level: int) -> None:
        self._level = level

    def battery_level(self) -> int:
        return self._level


class _Watched:
    """An exchange that tells what the MAC thought of each frame the radio offered."""

    def __init__(self, exchange: Any, judge: Callable[[Any, bool], None]) -> None:
        self._exchange = exchange
        self._judge = judge
        self.taken = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._exchange, name)

    def wants(self, frame: Any) -> bool:
        self.taken = bool(self._exchange.wants(frame))
        self._judge(frame, self.taken)
        return self.taken
