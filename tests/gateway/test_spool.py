from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gateway.errors import SpoolBusy, SpoolError, SpoolForeign
from gateway.frames import Moment
from gateway.spool import Spool
from gateway.store import Before, Frame, Store
from tests.gateway.kit import data_frame, uplink

MOMENT = Moment(1, 0, 0)
MIB = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "spool.db", 64 * MIB, "boot-a")
    yield store
    store.close()


def frame(seq: int, dev_addr: int, destinations: tuple[int, ...], fcnt: int | None = None, **changes: Any) -> Frame:
    body = uplink(data_frame(dev_addr, seq if fcnt is None else fcnt), **changes).to_bytes()
    return Frame(seq, dev_addr, MOMENT, body, destinations)


def write(store: Store, *frames: Frame) -> list[dict[int, int]]:
    store.begin()
    before = store.append(frames)
    store.commit()
    return before


def heads(store: Store, destination: int, limit: int = 10, after: int = -2, busy: frozenset[int] = frozenset()) -> Any:
    rows, complete = store.heads(destination, after, limit, busy)
    return [(row.dev_addr, row.seq) for row in rows], complete


def test_the_oldest_frame_of_every_device_is_found(store: Store) -> None:
    one = store.destination("one")
    write(store, *(frame(seq, seq % 3, (one,)) for seq in range(1, 10)))
    assert heads(store, one) == ([(0, 3), (1, 1), (2, 2)], True)


def test_the_round_goes_on_where_it_stopped_and_passes_over_busy_devices(store: Store) -> None:
    one = store.destination("one")
    write(store, *(frame(seq, seq, (one,)) for seq in range(1, 6)))
    assert heads(store, one, limit=2, after=3) == ([(4, 4), (5, 5)], False)
    assert heads(store, one, limit=3, after=4, busy=frozenset({5})) == ([(1, 1), (2, 2), (3, 3)], False)


def test_identical_copies_are_merged_into_the_first_with_the_best_signal(store: Store) -> None:
    one = store.destination("one")
    write(
        store,
        frame(1, 7, (one,), fcnt=5, rssi_dbm=-100),
        frame(2, 7, (one,), fcnt=5, rssi_dbm=-80),
        frame(3, 7, (one,), fcnt=5, rssi_dbm=-90),
        frame(4, 7, (one,), fcnt=6),
    )
    row = store.heads(one, -2, 1, frozenset())[0][0]
    assert (row.seq, row.uplink.rssi_dbm, row.copies) == (1, -80, (2, 3))


def test_append_tells_what_waited_before_for_each_destination(store: Store) -> None:
    one, two = store.destination("one"), store.destination("two")
    assert write(store, frame(1, 7, (one, two)), frame(2, 7, (one,))) == [
        {one: Before(), two: Before()},
        {one: Before(1, 1)},
    ]
    store.forget(one, [(7, 1), (7, 2)])
    assert write(store, frame(3, 7, (one, two))) == [{one: Before(), two: Before(1, 1)}]


def test_a_frame_is_gone_when_its_last_destination_has_it(store: Store) -> None:
    one, two = store.destination("one"), store.destination("two")
    write(store, frame(1, 7, (one, two)))
    store.forget(one, [(7, 1)])
    assert [seq for seq, _, _ in store.oldest(10)] == [1]
    store.forget(two, [(7, 1)])
    assert store.oldest(10) == []
    assert store.pending[one] == store.pending[two] == 0


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    store = Store(tmp_path / "s", 64 * MIB, "boot-a")
    one = store.destination("one")
    write(store, frame(store.first_seq, 7, (one,)))
    store.note_gateway("aa", 1)
    store.note_offset(123)
    store.close()

    again = Store(tmp_path / "s", 64 * MIB, "boot-b")
    assert again.boot != store.boot
    assert again.destination("one") == one
    assert again.pending[one] == 1
    assert again.gateways() == ["aa"]
    assert again.offsets() == {store.boot: 123}
    again.close()


def test_sequence_numbers_are_never_used_twice_even_if_the_spool_ran_empty(tmp_path: Path) -> None:
    used: set[int] = set()
    for _ in range(3):
        store = Store(tmp_path / "s", 64 * MIB, "boot-a")
        one = store.destination("one")
        seqs = range(store.first_seq, store.first_seq + 5)
        write(store, *(frame(seq, 7, (one,)) for seq in seqs))
        store.forget(one, [(7, seq) for seq in seqs])
        assert not used & set(seqs)
        used |= set(seqs)
        store.close()


def test_a_transaction_that_is_undone_leaves_no_trace_in_the_counts(store: Store) -> None:
    one = store.destination("one")
    store.begin()
    store.append([frame(1, 7, (one,))])
    store.rollback()
    assert store.pending[one] == 0
    assert heads(store, one) == ([], True)


def test_a_damaged_row_is_dropped_and_does_not_block_its_device(store: Store, tmp_path: Path) -> None:
    one = store.destination("one")
    write(store, Frame(1, 7, MOMENT, b"damaged", (one,)), frame(2, 7, (one,)))
    assert heads(store, one) == ([(7, 2)], True)
    assert store.pending[one] == 1


def test_a_foreign_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_bytes(b"this is no database, but a precious text\n" * 100)
    with pytest.raises(SpoolForeign):
        Store(text, MIB, "boot-a")
    other = tmp_path / "other.db"
    with sqlite3.connect(other) as db:
        db.execute("CREATE TABLE precious (x)")
    db.close()
    with pytest.raises(SpoolForeign, match="no Spatz spool"):
        Store(other, MIB, "boot-a")
    assert text.read_bytes().startswith(b"this is")


# The thread


def test_an_answer_means_that_it_is_in_the_file(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = await Spool.open(tmp_path / "s", 64 * MIB, "boot-a")
        one = await spool.call(lambda store: store.destination("one"))
        seq = spool.next_seq()
        await spool.append([frame(seq, 7, (one,))])
        with sqlite3.connect(tmp_path / "s") as other:
            assert other.execute("SELECT seq FROM frame").fetchall() == [(seq,)]
        other.close()
        assert spool.pending[one] == 1
        await spool.close()

    asyncio.run(scenario())


def test_appends_that_come_together_share_a_commit(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = await Spool.open(tmp_path / "s", 64 * MIB, "boot-a")
        one = await spool.call(lambda store: store.destination("one"))
        commits = 0

        def count(store: Store) -> None:
            nonlocal commits
            commits += 1

        store_commit = Store.commit
        try:
            Store.commit = lambda store: (count(store), store_commit(store))[1]  # type: ignore[method-assign]
            await asyncio.gather(*(spool.append([frame(spool.next_seq(), 7, (one,))]) for _ in range(100)))
        finally:
            Store.commit = store_commit  # type: ignore[method-assign]
        assert commits < 10
        await spool.close()

    asyncio.run(scenario())


def test_a_full_quota_evicts_the_oldest_counts_them_and_goes_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = await Spool.open(tmp_path / "s", 2 * MIB, "boot-a")
        one = await spool.call(lambda store: store.destination("one"))
        total = 20_000
        for _ in range(total // 500):
            await spool.append([frame(seq := spool.next_seq(), seq % 50, (one,)) for _ in range(500)])
        kept = spool.pending[one]
        assert spool.evicted == total - kept > 0
        assert (tmp_path / "s").stat().st_size <= 2 * MIB
        oldest = await spool.call(lambda store: store.oldest(1))
        assert oldest[0][0] == total - kept + 1
        await spool.close()

    asyncio.run(scenario())


def test_a_failing_disk_fails_the_append_and_not_the_thread(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = await Spool.open(tmp_path / "s", 64 * MIB, "boot-a")
        one = await spool.call(lambda store: store.destination("one"))

        def broken(store: Store) -> None:
            raise sqlite3.OperationalError("disk I/O error")

        with pytest.raises(SpoolError, match="disk I/O error"):
            await spool.call(broken)
        await spool.append([frame(spool.next_seq(), 7, (one,))])
        assert spool.pending[one] == 1
        await spool.close()

    asyncio.run(scenario())


def test_a_stuck_disk_is_told_instead_of_filling_memory(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = await Spool.open(tmp_path / "s", 64 * MIB, "boot-a")
        one = await spool.call(lambda store: store.destination("one"))
        release = threading.Event()
        stuck = spool.call(lambda store: release.wait(10))
        for _ in range(4096):
            spool.append([frame(spool.next_seq(), 7, (one,))])
        with pytest.raises(SpoolBusy):
            spool.append([frame(spool.next_seq(), 7, (one,))])
        release.set()
        await stuck
        await spool.close()

    asyncio.run(scenario())


def test_cost_of_append_and_of_the_next_head_is_flat(tmp_path: Path) -> None:
    """Compares numbers of steps of SQLite's machine, which do not depend on the computer."""
    store = Store(tmp_path / "s", 512 * MIB, "boot-a")
    one = store.destination("one")
    body = uplink(data_frame(1, 1)).to_bytes()
    seq = store.first_seq

    def fill(rows: int, devices: int) -> None:
        nonlocal seq
        store.begin()
        store.append([Frame(seq + n, (seq + n) * 7919 % devices, MOMENT, body, (one,)) for n in range(rows)])
        seq += rows
        store.commit()

    def steps(work: Any) -> int:
        count = 0

        def tick() -> int:
            nonlocal count
            count += 1
            return 0

        store._db.set_progress_handler(tick, 1)
        work()
        store._db.set_progress_handler(None, 0)
        return count

    def cost() -> tuple[int, int]:
        append = steps(lambda: fill(1, 10_000))
        head = steps(lambda: store.heads(one, 5, 1, frozenset()))
        return append, head

    fill(1_000, 10)
    small = cost()
    fill(50_000, 10_000)
    large = cost()
    assert large[0] <= small[0] * 1.1
    assert large[1] <= small[1] * 1.1
    store.close()


class StrictQueue(queue.SimpleQueue[Any]):
    """Refuses what can hang in CPython 3.11: see `Spool._gather`."""

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        assert timeout is None, "a timed get can wait for ever"
        return super().get(block)


def test_the_thread_never_waits_for_company_in_a_way_that_can_hang(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.spool.queue.SimpleQueue", StrictQueue)

    async def scenario() -> None:
        spool = await Spool.open(tmp_path / "s", 64 * MIB, "boot-a")
        for number in range(20):
            async with asyncio.timeout(5):
                assert await spool.call(lambda store, n=number: n) == number
        await spool.close()

    asyncio.run(scenario())


@pytest.mark.parametrize("count_to", [0, 3])
def test_frames_stored_together_are_told_the_same_as_frames_stored_one_by_one(tmp_path: Path, count_to: int) -> None:
    told: list[list[dict[int, Before]]] = []
    for name, group in (("together", 77), ("one by one", 1)):
        store = Store(tmp_path / f"{name}.db", 64 * MIB, "boot")
        one, two = store.destination("one"), store.destination("two")
        frames = [frame(seq, seq * 7919 % 23, ((one,), (two,), (one, two))[seq % 3]) for seq in range(1, 155)]
        store.begin()
        told.append([])
        for begin in range(0, len(frames), group):
            told[-1] += store.append(frames[begin : begin + group], count_to)
        store.commit()
        assert (len(store.entries(one, 200)), len(store.entries(two, 200))) == (store.pending[one], store.pending[two])
        assert len(store.oldest(200)) == len(frames)
        store.close()
    assert told[0] == told[1]
    assert told[0][-1] != {}


def test_appends_of_one_commit_are_each_told_their_own(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool = await Spool.open(tmp_path / "spool.db", MIB, "boot")
        one = await spool.call(lambda store: store.destination("one"))
        first, other, second = (frame(spool.next_seq(), dev_addr, (one,)) for dev_addr in (7, 8, 7))
        told = await asyncio.gather(spool.append([first, other]), spool.append([second]))
        assert list(told) == [[{one: Before()}, {one: Before()}], [{one: Before(first.seq, 1)}]]
        await spool.close()

    asyncio.run(scenario())
