"""The whole node software with LoRaWAN fits a board with 100 kB of heap."""

from __future__ import annotations

import pytest

from bench.footprint import BOARD_HEAP_BYTES, heap_for_board, overlay_bytes, runs_in


@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_a_whole_node_lives_in_the_equivalent_of_a_100_kb_heap(profile: str) -> None:
    assert runs_in(profile, heap_for_board(BOARD_HEAP_BYTES, overlay_bytes()))
