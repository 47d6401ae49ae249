"""Three ways to watch the demo: a live table, plain lines, one JSON object a line.

Each takes the same events. What is modelled is called simulated on every one of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from types import TracebackType
from typing import Any, Protocol, Self, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from bench.demo.ledger import Ledger, NodeRecord

SIMULATED = "simulated: boards, chips, radio, network server · real: MicroPython, esptool, mpremote, mosquitto, gateway"

_SHOWN = ("fill", "distance", "no2", "o3", "temperature", "humidity", "illuminance", "motion", "battery")


class Screen(Protocol):
    """Where the demo's events go."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def tell(self, event: str, sentence: str, **fields: Any) -> None:
        """Something happened: its name, one sentence for people, and its data."""

    def refresh(self, ledger: Ledger, buffered: int | None) -> None:
        """The state of all nodes, and how many frames the gateway holds (None: not known)."""


class JsonScreen:
    """One JSON object an event on stdout; sentences go to stderr."""

    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def tell(self, event: str, sentence: str, **fields: Any) -> None:
        """Print the event as one line of JSON."""
        print(json.dumps({"event": event, **fields}, ensure_ascii=False), file=self._out, flush=True)

    def refresh(self, ledger: Ledger, buffered: int | None) -> None:
        """Nothing: events are enough for a program."""


class PlainScreen(JsonScreen):
    """One sentence a line, no colours, no movement: for logs and screen readers."""

    def __enter__(self) -> Self:
        self.tell("simulated", SIMULATED)
        return self

    def tell(self, event: str, sentence: str, **fields: Any) -> None:
        """Print the sentence."""
        if sentence:
            print(sentence, file=self._out, flush=True)


class LiveScreen:
    """A table that moves, and the last sentences below it."""

    def __init__(self, console: Console | None = None) -> None:
        self._console = console or Console()
        self._sentences: list[str] = []
        self._ledger = Ledger()
        self._buffered: int | None = None
        self._live = Live(console=self._console, refresh_per_second=4, get_renderable=self._draw)

    def __enter__(self) -> Self:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()

    def tell(self, event: str, sentence: str, **fields: Any) -> None:
        """Keep the sentence under the table; what ends the run stays on the terminal."""
        if not sentence:
            return
        if event in {"promise", "summary", "failure"}:
            self._live.console.print(sentence, highlight=False)
        else:
            self._sentences = [*self._sentences[-7:], sentence]

    def refresh(self, ledger: Ledger, buffered: int | None) -> None:
        """Show the present state at the next redraw."""
        self._ledger = ledger
        self._buffered = buffered

    def _draw(self) -> Group:
        table = Table(title="Spatz: a city block", caption=SIMULATED, expand=True)
        for heading in ("node", "profile", "state", "last reading, as the server decoded it", "signal", "uplinks"):
            table.add_column(heading, overflow="fold")
        for record in self._ledger.nodes.values():
            table.add_row(
                record.name,
                record.profile,
                record.state,
                reading(record.last_object, record.units),
                _signal(record),
                str(record.uplinks),
            )
        held = "unknown" if self._buffered is None else str(self._buffered)
        lines = [Text(f"gateway holds {held} frames")]
        lines += [Text(sentence) for sentence in self._sentences]
        return Group(table, *lines)


def reading(values: Mapping[str, Any], units: Mapping[str, str]) -> str:
    """The fields of a decoded reading that a person looks for first, with their units."""
    parts = []
    for name in _SHOWN:
        value = values.get(name)
        if isinstance(value, int | float):
            parts.append(f"{name} {value:g} {units.get(name, '')}".rstrip())
    return ", ".join(parts)


def _signal(record: NodeRecord) -> str:
    if record.last_rssi_dbm is None:
        return ""
    return f"{record.last_rssi_dbm} dBm, SNR {record.last_snr_db or 0:g} dB"
