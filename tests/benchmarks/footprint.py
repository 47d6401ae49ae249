"""Heap of the whole node software with LoRaWAN, told for a 32-bit board."""

from collections.abc import Iterator
from typing import Any

from bench.footprint import FACTOR, measure, stack_bytes

_PROFILES = ("fill", "air", "light")


def run() -> Iterator[dict[str, Any]]:
    """One line a profile, and one for the stack alone; kB are 1000 bytes."""
    for profile in _PROFILES:
        footprint = measure(profile)
        yield {
            "profile": profile,
            "smallest_heap_64bit_bytes": footprint.smallest_heap,
            "overlay_64bit_bytes": footprint.overlay,
            "equivalent_32bit_heap_kB": round(footprint.equivalent / 1000, 1),
            "rule": "(smallest heap - overlay) / 1.5",
        }
    stack = stack_bytes()
    yield {
        "stack": "class A, EU868, SX1262",
        "live_heap_64bit_bytes": stack,
        "equivalent_32bit_heap_kB": round(stack / FACTOR / 1000, 1),
        "rule": "live heap after import, building and start, without the overlay, / 1.5",
    }
