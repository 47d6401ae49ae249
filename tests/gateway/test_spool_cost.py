"""What a stored frame costs does not depend on how many others are stored, nor of how many devices: counted in steps
of SQLite's virtual machine and in the plans of its statements, not by a clock.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from gateway.frames import Moment
from gateway.store import Frame, Store
from tests.gateway.kit import data_frame, uplink

FEW, MANY = 1_000, 100_000
BATCH = 1_000
NOBODY: frozenset[int] = frozenset()


class Filled:
    """A store with so many frames of so many devices, two destinations, and a counter of SQLite's steps."""

    def __init__(self, directory: Path, rows: int, devices: int) -> None:
        directory.mkdir()
        self.store = Store(directory / "spool.db", 1 << 32, "boot")
        self.city = self.store.destination("city")
        self.other = self.store.destination("other")
        self.devices = devices
        self.seq = self.store.first_seq
        for _ in range(0, rows, BATCH):
            self.store.begin()
            self.store.append([self.frame() for _ in range(BATCH)])
            self.store.commit()

    def frame(self) -> Frame:
        """The next frame; the devices speak in no order."""
        self.seq += 1
        dev_addr = self.seq * 7919 % self.devices
        body = uplink(data_frame(dev_addr, self.seq & 0xFFFF, tail=self.seq.to_bytes(8, "big"))).to_bytes()
        return Frame(self.seq, dev_addr, Moment(1, 0, 0), body, (self.city, self.other))

    def steps(self, work: Callable[[], object]) -> int:
        """Steps of the virtual machine that `work` takes."""
        count = 0

        def step() -> None:
            nonlocal count
            count += 1

        self.store._db.set_progress_handler(step, 1)
        try:
            work()
        finally:
            self.store._db.set_progress_handler(None, 1)
        return count

    def costs(self) -> dict[str, int]:
        """Steps of what is done for every frame."""
        store, middle = self.store, self.devices // 2
        frame = self.frame()
        eight = [self.frame() for _ in range(8)]
        (row,), _ = store.heads(self.city, middle, 1, NOBODY)
        return {
            "append": self.steps(lambda: store.append([frame], count_to=3)),
            "append of eight": self.steps(lambda: store.append(eight)),
            "next": self.steps(lambda: store.heads(self.city, middle, 1, NOBODY)),
            "next of ten": self.steps(lambda: store.heads(self.city, middle, 10, NOBODY)),
            "next, ten busy": self.steps(
                lambda: store.heads(self.city, middle, 1, frozenset(range(middle + 1, middle + 5)))
            ),
            "forget": self.steps(lambda: store.forget(self.city, [(row.dev_addr, row.seq)])),
            "forget at last": self.steps(lambda: store.forget(self.other, [(row.dev_addr, row.seq)])),
            "room": self.steps(store.crowded),
        }


def test_a_frame_costs_the_same_among_a_thousand_and_among_a_hundred_thousand(tmp_path: Path) -> None:
    few, many = Filled(tmp_path / "few", FEW, 100), Filled(tmp_path / "many", MANY, 100)
    assert few.costs() == many.costs()


def test_a_frame_costs_the_same_with_ten_devices_and_with_ten_thousand(tmp_path: Path) -> None:
    few, many = Filled(tmp_path / "few", 2 * BATCH, 10), Filled(tmp_path / "many", 2 * 10_000, 10_000)
    one, other = few.costs(), many.costs()
    # Ten heads of ten devices go round past the last DevAddr: that is the one difference there is.
    assert {name: pytest.approx(steps, abs=110) for name, steps in one.items()} == other


def test_no_statement_for_a_frame_walks_through_a_table(tmp_path: Path) -> None:
    filled = Filled(tmp_path / "store", FEW, 10)
    store, statements = filled.store, set()
    store._db.set_trace_callback(statements.add)
    filled.costs()
    store.supersede(filled.city, 5, filled.seq)
    store._db.set_trace_callback(None)
    wanted = [text for text in statements if text.lstrip().startswith(("SELECT", "DELETE", "UPDATE"))]
    assert len(wanted) >= 4
    for text in wanted:
        for plan in store._db.execute(f"EXPLAIN QUERY PLAN {text}"):
            assert "SCAN" not in plan[3].replace("SCAN CONSTANT ROW", ""), text
            assert "TEMP B-TREE" not in plan[3], text
