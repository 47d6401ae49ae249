"""Heap of the whole node software with LoRaWAN, told for a 32-bit board."""

from collections.abc import Iterator
from typing import Any

from bench.footprint import measure

_PROFILES = ("fill", "air", "light")


def run() -> Iterator[dict[str, Any]]:
    """One line a profile; kB are 1000 bytes."""
    for profile in _PROFILES:
        footprint = measure(profile)
        yield {
            "profile": profile,
            "smallest_heap_64bit_bytes": footprint.smallest_heap,
            "overlay_64bit_bytes": footprint.overlay,
            "equivalent_32bit_heap_kB": round(footprint.equivalent / 1000, 1),
            "rule": "(smallest heap - overlay) / 1.5",
        }
