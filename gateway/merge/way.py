"""The gateway's side of the merge gate: does this frame go to the server, or to the gate?

Late frames go to the gate. Live frames go to the server, unless an older frame of their partition may still be at the
gate: after every new connection, and after a late frame, until the gate says that everything of this gateway in that
partition is through. So no live frame overtakes a late one of the same device that came through this gateway.

While no instance serves a frame's partition it is not sent at all: it is safer in the spool than in a broker's memory.
"""

from __future__ import annotations

from enum import Enum

from gateway.merge.words import Through, partition, served

_MOST_INSTANCES = 64


class To(Enum):
    """Where a frame goes now."""

    SERVER = "server"
    GATE = "gate"
    NOWHERE = "nowhere"


class Way:
    """What one connection knows of the gate."""

    def __init__(self) -> None:
        self._serving: dict[str, frozenset[str]] = {}
        # (gateway id, partition) -> uplink_id of the last frame sent to the gate, until that is through.
        self._owed: dict[tuple[str, str], int] = {}
        self._direct: set[tuple[str, str]] = set()

    def reset(self) -> None:
        """A new connection: what was known may have changed meanwhile."""
        self._serving.clear()
        self._owed.clear()
        self._direct.clear()

    def choose(self, gateway_id: str, dev_addr: int, uplink_id: int, late: bool) -> To:
        """Where a data frame goes. If to the gate, it counts as sent there."""
        digit = partition(dev_addr)
        place = (gateway_id, digit)
        if not late and place in self._direct:
            return To.SERVER
        if not any(digit in digits for digits in self._serving.values()):
            return To.NOWHERE
        self._direct.discard(place)
        self._owed[place] = uplink_id
        return To.GATE

    def instance(self, name: str, payload: bytes) -> bool:
        """An instance says which partitions it serves. True if one has come that was not served."""
        before = self.served()
        if name in self._serving or len(self._serving) < _MOST_INSTANCES:
            self._serving[name] = served(payload)
        return bool(self.served() - before)

    def served(self) -> frozenset[str]:
        """Partitions that have an instance."""
        return frozenset().union(*self._serving.values())

    def through(self, gateway_id: str, word: Through) -> None:
        """The gate says that everything up to a frame is through; believed only of the last one sent."""
        place = (gateway_id, word.partition)
        if self._owed.get(place) == word.uplink_id:
            del self._owed[place]
            self._direct.add(place)

    @property
    def direct(self) -> int:
        """Partitions whose live frames go straight to the server, over all concentrators."""
        return len(self._direct)
