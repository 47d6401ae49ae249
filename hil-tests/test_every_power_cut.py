"""Power is cut at every single flash write of a node's first life: no DevNonce, no frame counter is used twice."""

from __future__ import annotations

from pathlib import Path

from bench.block import Block, counters, dev_nonces
from bench.street import Plan

UPLINKS = 3
LIFE_S = 90
PLAN = Plan("bin-1", "fill", report_interval_s=20, settings={"spread_percent": 0, "start_delay_s": 0})


def first_life_writes(root: Path) -> int:
    """Flash writes of an undisturbed node from its first boot to its third uplink."""
    with Block(root, [PLAN], seed=5) as block:
        board = block.street.nodes["bin-1"].board
        before = board.flash_writes
        block.switch_on()
        assert block.bench.run_until(lambda: len(block.readings("bin-1")) >= UPLINKS, LIFE_S)
        return board.flash_writes - before


def live_through_cut(root: Path, write: int) -> Block:
    """A node whose power fails in the middle of its `write`-th flash write and comes back at once."""
    block = Block(root, [PLAN], seed=5)
    block.street.nodes["bin-1"].board.cut_power_at_write(write)
    block.switch_on()
    block.bench.run_for(LIFE_S)
    return block


def test_no_cut_makes_a_node_repeat_a_nonce_or_a_counter(tmp_path: Path) -> None:
    writes = first_life_writes(tmp_path / "undisturbed")
    assert writes > 10, "a node that writes so little keeps nothing"
    repeated = []
    silent = []

    for write in range(1, writes + 1):
        with live_through_cut(tmp_path / f"cut-{write}", write) as block:
            assert block.street.nodes["bin-1"].board.boots == 2, f"the cut at write {write} did not happen"
            frames = block.sent_frames("bin-1")
            nonces = dev_nonces(frames)
            if len(nonces) != len(set(nonces)):
                repeated.append((write, "DevNonce", nonces))
            # The same frame may be on the air twice (NbTrans); two frames under one counter may not.
            used = {(address, counter, frame) for address, counter, frame in counters(frames)}
            if len(used) != len({(address, counter) for address, counter, _ in used}):
                repeated.append((write, "FCntUp", [counter for _, counter, _ in counters(frames)]))
            if not block.readings("bin-1"):
                silent.append(write)

    assert repeated == []
    assert silent == [], "after these cuts the node did not report again within its life"
