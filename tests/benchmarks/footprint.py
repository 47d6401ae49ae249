"""Heap of the LoRaWAN stack alone and of whole nodes, told for a 32-bit board; bytes of .mpy."""

from collections.abc import Iterator
from typing import Any

from bench.footprint import measure
from bench.stack_footprint import ALONE, GOAL_BYTES, equivalent, measure_alone, mpy_bytes

_PACKAGES = ("clock-sync", "multicast-setup", "fragmentation", "certification")
_NODES = (
    ("fill", "A", ()),
    ("air", "A", ()),
    ("light", "A", ()),
    ("light", "C", ()),
    ("light", "C", _PACKAGES),
)


def run() -> Iterator[dict[str, Any]]:
    """The stack alone, its .mpy files, then one line a profile; kB are 1000 bytes."""
    alone = measure_alone()
    for what, heap_bytes, rule in (
        ("live, started", alone.live_started, "in use after a collection, without the stand-in, / 1.5"),
        ("live, in a session", alone.live_in_session, "in use after a collection, without the stand-in, / 1.5"),
        ("peak, joining", alone.peak_joining, "(smallest heap in which it joins - that of the stand-in) / 1.5"),
        ("peak, sending", alone.peak_sending, "(smallest heap in which it joins, sends, obeys - stand-in) / 1.5"),
    ):
        yield {
            "stack": ALONE,
            "what": what,
            "heap_64bit_bytes": heap_bytes,
            "equivalent_32bit_heap_kB": _kb(equivalent(heap_bytes)),
            "goal_kB": _kb(GOAL_BYTES),
            "rule": rule,
            "interpreter": alone.interpreter,
        }
    for what, size in mpy_bytes().items():
        yield {"mpy": what, "bytes": size}
    for profile, device_class, packages in _NODES:
        footprint = measure(profile, device_class, packages)
        yield {
            "profile": profile,
            "class": device_class,
            "packages": list(packages),
            "smallest_heap_64bit_bytes": footprint.smallest_heap,
            "overlay_64bit_bytes": footprint.overlay,
            "equivalent_32bit_heap_kB": _kb(footprint.equivalent),
            "rule": "(smallest heap - overlay) / 1.5",
        }


def _kb(size_bytes: int) -> float:
    return round(size_bytes / 1000, 1)
