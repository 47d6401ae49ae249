"""The node software fits a board with 100 kB of heap, and the LoRaWAN stack alone keeps to its share of it."""

from __future__ import annotations

import pytest

from bench.boards.errors import InterpreterMissing
from bench.footprint import BOARD_HEAP_BYTES, heap_for_board, overlay_bytes, runs_in
from bench.stack_footprint import LIVE_LIMIT_BYTES, PEAK_LIMIT_BYTES, equivalent, measure_alone


@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_a_whole_node_lives_in_the_equivalent_of_a_100_kb_heap(profile: str) -> None:
    assert runs_in(profile, heap_for_board(BOARD_HEAP_BYTES, overlay_bytes()))


def test_the_stack_alone_has_less_than_40_kb_in_use() -> None:
    try:
        alone = measure_alone()
    except InterpreterMissing as missing:
        pytest.skip(str(missing))

    assert 10_000 < equivalent(alone.live_started) < equivalent(alone.live_in_session) < LIVE_LIMIT_BYTES
    assert LIVE_LIMIT_BYTES // 2 < equivalent(alone.peak_joining) <= PEAK_LIMIT_BYTES
    assert equivalent(alone.peak_joining) <= equivalent(alone.peak_sending) <= PEAK_LIMIT_BYTES
