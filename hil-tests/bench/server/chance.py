"""Identifiers and nonces from one seed, so that a run in virtual time is repeatable."""

from __future__ import annotations

import random
import uuid


class Chance:
    """Seeded source of everything ChirpStack draws at random. No source of secrets: the bench has none to protect."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def uuid(self) -> str:
        """A version 4 UUID as text."""
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def u32(self) -> int:
        """A downlink id."""
        return self._random.getrandbits(32)

    def dev_addr(self, net_id: str) -> str:
        """A DevAddr of a type 0 NetID: type prefix 0, the six low bits of the NetID, 25 bits at random."""
        nwk_id = int(net_id, 16) & 0b11_1111
        return f"{nwk_id << 25 | self._random.getrandbits(25):08x}"

    def pick(self, count: int) -> int:
        """An index below `count`."""
        return self._random.randrange(count)
