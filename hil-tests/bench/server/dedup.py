"""One uplink heard by several gateways becomes one: ChirpStack's de-duplication.

Source: chirpstack `uplink/mod.rs`. The key is region, encoded tx_info and frame bytes, so copies whose tx_info
differs in a single field are not merged. The first copy holds a lock for twice the delay and is collected after
the delay together with what came meanwhile; a copy between delay and lock's end is lost; a copy after the lock
starts a new flow, which also sees members the set still remembers.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from chirpstack_api import gw

LOCK_US_MIN = 200_000

Key = tuple[str, bytes, bytes]


@dataclass(slots=True)
class _Collection:
    locked_until_us: int = 0
    forgotten_at_us: int = 0
    copies: dict[bytes, gw.UplinkFrame] = field(default_factory=dict)


class Deduplicator:
    """Collects copies of uplinks; time is handed in."""

    def __init__(self, region_config_id: str, delay_us: int) -> None:
        self._region_config_id = region_config_id
        self._life_us = max(2 * delay_us, LOCK_US_MIN)
        self._collections: dict[Key, _Collection] = {}

    def put(self, frame: gw.UplinkFrame, now_us: int) -> Key | None:
        """Add a copy. Returns the key when this copy opens a flow: collect it after the delay."""
        self._forget(now_us)
        key = (
            self._region_config_id,
            frame.tx_info.SerializeToString(deterministic=True),
            bytes(frame.phy_payload),
        )
        # Taken out and put back, the collections stay in the order in which they will be forgotten.
        collection = self._collections.pop(key) if key in self._collections else _Collection()
        self._collections[key] = collection
        collection.copies[frame.SerializeToString(deterministic=True)] = frame
        collection.forgotten_at_us = now_us + self._life_us
        if now_us < collection.locked_until_us:
            return None
        collection.locked_until_us = now_us + self._life_us
        return key

    def _forget(self, now_us: int) -> None:
        while self._collections:
            key, oldest = next(iter(self._collections.items()))
            if now_us < oldest.forgotten_at_us:
                return
            del self._collections[key]

    def collect(self, key: Key) -> list[gw.UplinkFrame]:
        """All copies of an uplink known now, in the order they came."""
        collection = self._collections.get(key)
        return list(collection.copies.values()) if collection else []
