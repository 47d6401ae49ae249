"""What a scenario needs of a bench, virtual or real, in the same words.

Virtual: one node on a simulated street; gateway, broker, server and `spatz` are the real processes. Real: a TOML
file names the board and how to reach what surrounds it:

    name = "bin-1"
    port = "/dev/serial/by-id/usb-..."        # by id: numbers change at every plug
    dev_eui = "70b3d57ed0000a01"
    server = "127.0.0.1:8080"                 # ChirpStack's API, on this machine or through a tunnel
    token_file = "token"                      # with an API key
    power_off = ["uhubctl", "-l", "1-1", "-p", "2", "-a", "0"]
    power_on = ["uhubctl", "-l", "1-1", "-p", "2", "-a", "1"]
    backhaul_off = ["ip", "link", "set", "wwan0", "down"]
    backhaul_on = ["ip", "link", "set", "wwan0", "up"]

The board of a real rig is provisioned beforehand, with a report interval of 10 s and no spread.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol, Self

import msgspec

from bench.demo.city import City
from bench.demo.events import Application, Event
from bench.demo.ledger import Mismatch
from bench.street import Plan

POLL_S = 0.1
COMMAND_PATIENCE_S = 30


@dataclass(frozen=True, slots=True)
class Reading:
    """One decoded uplink, as an application got it."""

    dev_addr: str
    f_cnt: int
    f_port: int
    values: dict[str, Any]


class Rig(Protocol):
    """One node and its surroundings."""

    simulated: bool
    port: str

    def readings(self) -> list[Reading]:
        """All decoded uplinks since the rig was set up, in order of arrival."""

    def mismatches(self) -> list[Mismatch]:
        """Decoded values that the sensors did not have; a real rig cannot know and finds none."""

    def power_cycle(self) -> None:
        """Take the node's power away and give it back."""

    def backhaul_gone(self) -> Any:
        """A context in which the gateway cannot reach the network server."""

    def buffered(self) -> int | None:
        """Frames that the gateway holds; None where nobody can tell."""


def wait_until(done: Callable[[], bool], patience_s: float) -> bool:
    """Look until `done`, at most `patience_s`: the scenario's clock is the real one here."""
    deadline = time.monotonic() + patience_s
    while not done():
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_S)
    return True


class _Silent:
    """A screen for runs that nobody watches."""

    def tell(self, event: str, sentence: str, **fields: Any) -> None:
        """Nothing."""

    def refresh(self, ledger: Any, buffered: int | None) -> None:
        """Nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None


class VirtualRig:
    """A street with one node, provisioned by the real `spatz`."""

    simulated = True

    def __init__(self, root: Path, seed: int = 1) -> None:
        plan = Plan("bin-1", "fill", report_interval_s=10)
        self.city = City(root, [plan], seed)
        self._screen = _Silent()
        self._node = plan.name

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            city = stack.enter_context(self.city)
            city.provision_all(lambda _name, _step: None)
            wait_until(lambda: not city.provisioning, 120)
            if city.provisioning_failures:
                raise RuntimeError(f"the virtual node could not be provisioned: {city.provisioning_failures}")
            self._exit = stack.pop_all()
        self.port = self.city.nodes[self._node].board.port
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._exit.close()

    def readings(self) -> list[Reading]:
        """See `Rig`."""
        self.city.keep_books(self._screen)
        arrived = [(name, uplink) for name, uplink in self.city.ledger.uplinks.items() if uplink.arrived_us is not None]
        arrived.sort(key=lambda pair: pair[1].arrived_us or 0)
        return [
            Reading(name.dev_addr, name.f_cnt, uplink.f_port or 0, dict(uplink.decoded or {}))
            for name, uplink in arrived
        ]

    def mismatches(self) -> list[Mismatch]:
        """See `Rig`."""
        return list(self.city.ledger.mismatches)

    def power_cycle(self) -> None:
        """See `Rig`."""
        board = self.city.nodes[self._node].board
        board.power_off()
        board.power_on()

    @contextmanager
    def backhaul_gone(self) -> Iterator[None]:
        """See `Rig`."""
        self.city.broker.stop()
        try:
            yield
        finally:
            self.city.broker.start()

    def buffered(self) -> int | None:
        """See `Rig`."""
        return self.city.buffered()


class _RigFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    name: str
    port: str
    dev_eui: str
    server: str
    token_file: str
    power_off: list[str]
    power_on: list[str]
    backhaul_off: list[str]
    backhaul_on: list[str]


class RealRig:
    """A board on the table, described by a TOML file."""

    simulated = False

    def __init__(self, path: Path) -> None:
        self._facts = msgspec.toml.decode(path.read_bytes(), type=_RigFile)
        self.port = str(Path(self._facts.port).resolve())
        self._events: list[Event] = []
        token = (path.parent / self._facts.token_file).read_text().strip()
        self._application = Application(self._facts.server, token)

    def __enter__(self) -> Self:
        self._application.watch(self._facts.dev_eui.lower())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._application.__exit__(kind, value, trace)

    def readings(self) -> list[Reading]:
        """See `Rig`."""
        self._events += self._application.drain()
        return [
            Reading(
                str(event.body.get("devAddr", "")),
                int(event.body.get("fCnt", 0)),
                int(event.body.get("fPort", 0)),
                event.body.get("object") or {},
            )
            for event in self._events
            if event.kind == "up" and event.dev_eui == self._facts.dev_eui.lower()
        ]

    def mismatches(self) -> list[Mismatch]:
        """See `Rig`."""
        return []

    def power_cycle(self) -> None:
        """See `Rig`."""
        _do(self._facts.power_off)
        _do(self._facts.power_on)

    @contextmanager
    def backhaul_gone(self) -> Iterator[None]:
        """See `Rig`."""
        _do(self._facts.backhaul_off)
        try:
            yield
        finally:
            _do(self._facts.backhaul_on)

    def buffered(self) -> int | None:
        """See `Rig`."""
        return None


def _do(command: list[str]) -> None:
    subprocess.run(command, check=True, timeout=COMMAND_PATIENCE_S)
