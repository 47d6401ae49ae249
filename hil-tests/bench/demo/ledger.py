"""What was sent, what was heard, what arrived, and whether it says the same. Pure: no sockets, no clock.

The ledger is the demo's conscience. One side of it is written by the models (what a radio put on the air, what
the concentrator heard, what the sensors played), the other by the application events of the network server. Nothing
in between gets to write into it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bench.stations import agrees

Acceptable = Mapping[str, set[Any]]
"""For each field of a reading the values that a correct node may report; more than one only where the world moved."""

READING_PORTS = range(20, 30)  # the profiles of the FPort plan that carry readings of sensors
ANSWER_PORT = 31


@dataclass(frozen=True, slots=True, order=True)
class UplinkId:
    """One uplink of one session: the repeats of a frame (NbTrans) are the same uplink."""

    node: str
    dev_addr: str
    f_cnt: int


@dataclass(slots=True)
class Uplink:
    """The life of one uplink as far as it is known."""

    sent_us: int
    f_port: int | None
    heard: bool = False
    decoded: Mapping[str, Any] | None = None
    arrived_us: int | None = None


@dataclass(frozen=True, slots=True)
class Mismatch:
    """A decoded value that no sensor model played."""

    uplink: UplinkId
    name: str
    decoded: Any
    played: tuple[Any, ...]

    def __str__(self) -> str:
        """One line for people."""
        wanted = " or ".join(str(value) for value in self.played) or "nothing"
        return (
            f"{self.uplink.node}, frame {self.uplink.f_cnt}: "
            f"{self.name} decoded as {self.decoded}, the models played {wanted}"
        )


@dataclass(slots=True)
class NodeRecord:
    """What is known of one node."""

    name: str
    profile: str
    dev_eui: str = ""
    dev_addr: str = ""
    joined: bool = False
    state: str = "blank"
    last_object: Mapping[str, Any] = field(default_factory=dict)
    units: Mapping[str, str] = field(default_factory=dict)
    last_rssi_dbm: int | None = None
    last_snr_db: float | None = None
    uplinks: int = 0


def differences(decoded: Mapping[str, Any], acceptable: Acceptable) -> list[tuple[str, Any, tuple[Any, ...]]]:
    """(field, decoded value, acceptable values) for every field that no sensor model played so.

    A field that the models speak of and the reading lacks is a difference too.
    """
    return [(name, decoded.get(name), tuple(sorted(acceptable[name], key=str))) for name in agrees(decoded, acceptable)]


class Ledger:
    """Accounts of all nodes of one run."""

    def __init__(self) -> None:
        self.nodes: dict[str, NodeRecord] = {}
        self.uplinks: dict[UplinkId, Uplink] = {}
        self.mismatches: list[Mismatch] = []
        self.compared = 0
        self.unannounced: list[UplinkId] = []

    def node(self, name: str, profile: str) -> NodeRecord:
        """Open the account of a node."""
        record = self.nodes[name] = NodeRecord(name, profile)
        return record

    def sent(self, uplink: UplinkId, f_port: int | None, at_us: int, *, heard: bool) -> None:
        """A radio put an uplink on the air; `heard` tells whether the concentrator received it."""
        entry = self.uplinks.setdefault(uplink, Uplink(at_us, f_port))
        entry.heard = entry.heard or heard

    def arrived(self, uplink: UplinkId, decoded: Mapping[str, Any] | None, at_us: int) -> None:
        """The network server handed a decoded uplink to the application."""
        entry = self.uplinks.get(uplink)
        if entry is None:
            self.unannounced.append(uplink)
            return
        entry.decoded = decoded
        entry.arrived_us = at_us

    def compare(self, uplink: UplinkId, acceptable: Acceptable) -> list[Mismatch]:
        """Hold a decoded reading against what the models played; the differences are kept, too."""
        decoded = self.uplinks[uplink].decoded or {}
        found = [Mismatch(uplink, name, value, played) for name, value, played in differences(decoded, acceptable)]
        self.mismatches += found
        self.compared += 1
        return found

    def heard_count(self) -> int:
        """Uplinks that the concentrator received."""
        return sum(entry.heard for entry in self.uplinks.values())

    def decoded_count(self) -> int:
        """Uplinks that reached the application."""
        return sum(entry.arrived_us is not None for entry in self.uplinks.values())

    def lost(self) -> list[UplinkId]:
        """Uplinks that the concentrator received and the application never saw."""
        return sorted(name for name, entry in self.uplinks.items() if entry.heard and entry.arrived_us is None)

    def lost_on_air(self) -> list[UplinkId]:
        """Uplinks that no concentrator received: collisions, as on a real street; not the gateway's loss."""
        return sorted(name for name, entry in self.uplinks.items() if not entry.heard)

    def report_times_us(self, node: str) -> list[int]:
        """When the node sent its readings, in order."""
        return sorted(
            entry.sent_us for name, entry in self.uplinks.items() if name.node == node and entry.f_port in READING_PORTS
        )
