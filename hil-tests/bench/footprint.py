"""How much memory the node software needs, measured on the 64-bit interpreter and told for a 32-bit board.

The rule (docs/topics/footprint.md): objects are twice as large on the 64-bit interpreter, loaded bytecode 1.65 times,
raw buffers once. What runs with 1.5 times the heap of a board, plus what the bench's own overlay occupies, runs on the
board.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench.block import Block
from bench.boards import Bench
from bench.street import Plan

FACTOR = 1.5
BOARD_HEAP_BYTES = 100_000
STEP_BYTES = 2_048
LARGEST_BYTES = 1_024 * 1_024
LIFE_S = 300
_MEASURE = b"import gc\ngc.collect()\nprint('heap', gc.mem_alloc())\n"


@dataclass(frozen=True, slots=True)
class Footprint:
    """Heap in bytes of the 64-bit interpreter."""

    profile: str
    smallest_heap: int
    overlay: int

    @property
    def equivalent(self) -> int:
        """The smallest heap of a 32-bit board, by the rule."""
        return round((self.smallest_heap - self.overlay) / FACTOR)


def heap_for_board(board_heap_bytes: int, overlay_bytes: int) -> int:
    """The interpreter's heap in which software must run to be said to fit a board."""
    return round(FACTOR * board_heap_bytes) + overlay_bytes


def overlay_bytes() -> int:
    """What an otherwise empty virtual board occupies: the bench's own modules, not the node's."""
    with tempfile.TemporaryDirectory() as scratch, Bench(Path(scratch)) as bench:
        board = bench.add_board("empty")
        board.write_files({"/main.py": _MEASURE})
        board.power_on()
        bench.run_for(1)
        line = next(line for line in board.console.splitlines() if line.startswith("heap "))
        return int(line.split()[1])


def runs_in(profile: str, heap_bytes: int, device_class: str = "A", packages: tuple[str, ...] = ()) -> bool:
    """Whether a node of this profile joins, reports three times and obeys a command in this heap."""
    from firmware.payload.commands import COMMAND_FPORT, INTERVAL, encode_command

    plan = Plan(
        "node-1",
        profile,
        report_interval_s=20,
        settings={"spread_percent": 0, "start_delay_s": 0},
        device_class=device_class,
        packages=packages,
    )
    with tempfile.TemporaryDirectory() as scratch, Block(Path(scratch), [plan], seed=3, heap_bytes=heap_bytes) as block:
        block.switch_on()
        if not block.bench.run_until(lambda: bool(block.readings("node-1")), LIFE_S):
            return False
        block.enqueue("node-1", COMMAND_FPORT, encode_command(17, {INTERVAL: 30}))

        def enough() -> bool:
            ports = [reading.f_port for reading in block.readings("node-1")]
            return sum(20 <= port < 30 for port in ports) >= 3 and 31 in ports

        lived = block.bench.run_until(enough, LIFE_S)
        return lived and "MemoryError" not in block.street.nodes["node-1"].board.console


def smallest_heap(runs: Callable[[int], bool], step_bytes: int = STEP_BYTES) -> int:
    """The smallest heap in which something runs, to `step_bytes`."""
    low, high = 0, LARGEST_BYTES // step_bytes
    while high - low > 1:
        middle = (low + high) // 2
        if runs(middle * step_bytes):
            high = middle
        else:
            low = middle
    return high * step_bytes


def measure(profile: str, device_class: str = "A", packages: tuple[str, ...] = ()) -> Footprint:
    """The footprint of a whole node of this profile."""
    smallest = smallest_heap(lambda heap_bytes: runs_in(profile, heap_bytes, device_class, packages))
    return Footprint(profile, smallest, overlay_bytes())
