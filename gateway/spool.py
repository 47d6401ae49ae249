"""The durable buffer: one thread owns the database, the event loop is never blocked by a disk.

Group commit: the thread takes one request, waits a few milliseconds for more, and does them all in one transaction.
A future is resolved only after the commit, so "the future is done" means "it survives SIGKILL".

Durability modes (how often a commit waits for the storage medium, not only for the kernel):

    paranoid     always. Neither a kill nor a power cut loses anything acknowledged.
    balanced     not while all destinations take frames, always while one does not. A process kill loses nothing; a
                 power cut may lose the last seconds of frames that were on their way anyway.
    wear-saving  like balanced, but live frames are written only if not delivered soon: `gateway.wear_saving`.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import groupby, islice
from pathlib import Path
from typing import Any, NamedTuple, Self, TypeVar

from gateway.errors import SpoolBusy, SpoolError, SpoolForeign
from gateway.reserve import Reserve
from gateway.store import Before, Frame, Lost, Row, Store

_log = logging.getLogger(__name__)

T = TypeVar("T")

# facts/gateway.md section 7: gathering 5 ms gives 4500 frames/s with PUSH_ACK p99 below 21 ms.
_GATHER_S = 0.005
_MOST_IN_TRANSACTION = 512
# How often to see whether the disk has room for the reserve (one stat if it is there).
_LOOK_AGAIN_S = 10.0
# Frames that may wait for the disk: 4 s of the burst the gateway must take (1000 frames/s), about 2 MB.
_MOST_WAITING_FRAMES = 4096


class _Request(NamedTuple):
    """`work`; or, without it, an append of `frames`: those that come one after the other are done together."""

    done: asyncio.Future[Any]
    work: Callable[[Store], Any] | None = None
    frames: Sequence[Frame] = ()
    count_to: int = 0


class Spool:
    """The store behind its thread. Make it with `Spool.open` inside a running event loop."""

    def __init__(self, store: Store, reserve: Reserve) -> None:
        self._store = store
        self._reserve = reserve
        self.emergency = False
        self._looked_s = 0.0
        self._loop = asyncio.get_running_loop()
        self._queue: queue.SimpleQueue[_Request | None] = queue.SimpleQueue()
        self._waiting_frames = 0
        self._full_sync = True
        self._synced_fully: bool | None = None
        self._next_seq = store.first_seq
        self.boot = store.boot
        self.pending: dict[int, int] = dict(store.pending)
        self.bytes_used = store.bytes_used()
        self.evicted = 0
        self.on_loss: Callable[[Lost], None] = lambda lost: None
        self._thread = threading.Thread(target=self._run, name="spool", daemon=True)
        self._thread.start()

    @classmethod
    async def open(cls, path: Path, max_bytes: int, boot_id: str) -> Self:
        """Open or create the file. Raises SpoolForeign, SpoolError."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            reserve = Reserve(path)
            store, emergency = await asyncio.to_thread(_open, path, max_bytes, boot_id, reserve)
            spool = cls(store, reserve)
            spool.emergency = emergency
            return spool
        except (sqlite3.Error, OSError) as error:
            raise SpoolError(f"{path}: {error}") from None

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    def waiting(self, destination: int) -> int:
        """Frames stored that a destination has not acknowledged."""
        return self.pending.get(destination, 0)

    # Requests

    def next_seq(self) -> int:
        """A number for a frame; grows with every call and is never given twice, not even after a restart."""
        self._next_seq += 1
        return self._next_seq - 1

    def append(self, frames: Sequence[Frame], count_to: int = 0) -> asyncio.Future[list[dict[int, Before]]]:
        """Store frames; see `Store.append` for the result. Raises SpoolBusy at once, SpoolError in the future."""
        if self._waiting_frames + len(frames) > _MOST_WAITING_FRAMES:
            raise SpoolBusy("the disk cannot follow")
        self._waiting_frames += len(frames)
        done: asyncio.Future[list[dict[int, Before]]] = self._loop.create_future()
        self._queue.put(_Request(done, frames=frames, count_to=count_to))
        return done

    def forget(self, destination: int, delivered: Iterable[tuple[int, int]]) -> asyncio.Future[None]:
        """A destination has acknowledged these (DevAddr, seq)."""
        entries = list(delivered)
        return self._submit(lambda store: store.forget(destination, entries))

    def heads(
        self, destination: int, after: int, limit: int, busy: frozenset[int]
    ) -> asyncio.Future[tuple[list[Row], bool]]:
        """See `Store.heads`. Requests keep their order: what was forgotten before is not found."""
        return self._submit(lambda store: store.heads(destination, after, limit, busy))

    def call(self, work: Callable[[Store], T]) -> asyncio.Future[T]:
        """Do anything else with the store, inside a transaction."""
        return self._submit(work)

    def set_synchronous(self, full: bool) -> None:
        """Whether commits from now on wait for the storage medium."""
        self._full_sync = full

    def _submit(self, work: Callable[[Store], T]) -> asyncio.Future[T]:
        done: asyncio.Future[T] = self._loop.create_future()
        self._queue.put(_Request(done, work))
        return done

    # The thread

    def _run(self) -> None:
        running = True
        while running:
            batch, running = self._gather()
            if not batch:
                continue
            results, lost = self._transact(batch, self._full_sync)
            try:
                self._loop.call_soon_threadsafe(self._resolve, batch, results, lost, dict(self._store.pending))
            except RuntimeError:
                # The event loop is gone: nobody waits for answers any more.
                running = False
        self._store.close()

    def _gather(self) -> tuple[list[_Request], bool]:
        """Wait for a request, then a moment for others. False: close the file after these.

        No `get` with a timeout: that of SimpleQueue can wait for ever if the thread is held up between taking the
        queue's free lock and looking at the clock (seen in CPython 3.11 on a loaded machine: the remaining time is
        negative then, which means "no limit"). A frame would hang until the next one came.
        """
        batch = [self._queue.get()]
        if batch[0] is not None and self._queue.qsize() < _MOST_IN_TRANSACTION:
            time.sleep(_GATHER_S)
        while batch[-1] is not None and len(batch) < _MOST_IN_TRANSACTION:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return [request for request in batch if request is not None], batch[-1] is not None

    def _transact(self, batch: list[_Request], full_sync: bool) -> tuple[list[Any], list[Lost]]:
        """Do a batch in one transaction. If it fails, all of it fails: nothing is half stored."""
        lost: list[Lost] = []
        self._look_at_disk()
        crowded = False
        for attempt in (1, 2, 3):
            try:
                if full_sync != self._synced_fully:
                    self._store.synchronous(full_sync)
                    self._synced_fully = full_sync
                self._store.begin()
                if any(request.frames for request in batch) and (crowded or self._store.crowded()):
                    lost.append(self._store.evict())
                results = self._work(batch)
                self._store.commit()
                self.bytes_used = self._store.bytes_used()
            except Exception as error:
                self._undo()
                lost.clear()
                full = isinstance(error, sqlite3.OperationalError) and "full" in str(error)
                if attempt < 3 and full:
                    # The disk, or the quota? A transaction that was undone leaves no trace of how far it came.
                    crowded = not (self._reserve.starved and self._make_room())
                    continue
                failure = SpoolError(str(error)) if isinstance(error, sqlite3.Error) else error
                return [failure] * len(batch), lost
            return results, lost
        raise AssertionError("unreachable")

    def _work(self, batch: list[_Request]) -> list[Any]:
        """The results, one a request."""
        results: list[Any] = []
        for (appends, count_to), group in groupby(batch, lambda request: (request.work is None, request.count_to)):
            requests = list(group)
            if appends:
                frames = [frame for request in requests for frame in request.frames]
                before = iter(self._store.append(frames, count_to))
                results += [list(islice(before, len(request.frames))) for request in requests]
            else:
                results += [request.work(self._store) for request in requests if request.work is not None]
        return results

    def _make_room(self) -> bool:
        """The disk is full: give back the reserve, once, and stay as small as now. False: that has been done."""
        if self.emergency or not self._reserve.give_back():
            return False
        self.emergency = True
        self._looked_s = time.monotonic()
        self._store.stay_small(True)
        _log.error("disk full", extra={"reserve": "given back", "next": "oldest frames make room for new ones"})
        return True

    def _look_at_disk(self) -> None:
        """Without a reserve, after an emergency or a start with little room: is there room now?"""
        if time.monotonic() - self._looked_s < _LOOK_AGAIN_S:
            return
        self._looked_s = time.monotonic()
        if self._reserve.take() and self.emergency:
            self.emergency = False
            self._store.stay_small(False)
            _log.info("disk has room again")

    def _undo(self) -> None:
        try:
            self._store.rollback()
        except sqlite3.Error:
            _log.exception("rollback failed")

    def _resolve(self, batch: list[_Request], results: list[Any], lost: list[Lost], pending: dict[int, int]) -> None:
        self.pending = pending
        for loss in lost:
            self.evicted += loss.frames
            self.on_loss(loss)
        for request, result in zip(batch, results, strict=True):
            self._waiting_frames -= len(request.frames)
            if request.done.done():
                continue
            if isinstance(result, Exception):
                request.done.set_exception(result)
            else:
                request.done.set_result(result)


def _open(path: Path, max_bytes: int, boot_id: str, reserve: Reserve) -> tuple[Store, bool]:
    """Open the file and take the reserve. True: the disk is full, and the reserve had to be given back at once."""
    try:
        store = Store(path, max_bytes, boot_id)
    except SpoolForeign:
        raise
    except (sqlite3.Error, SpoolError):
        # SQLite has many words for a disk too full to open a file on: for its shared memory it says "disk I/O error".
        if not reserve.give_back():
            raise
        _log.error("disk full", extra={"reserve": "given back", "next": "oldest frames make room for new ones"})
        store = Store(path, max_bytes, boot_id)
        store.stay_small(True)
        return store, True
    if not reserve.take():
        _log.warning("no reserve", extra={"why": "little free space beside the spool", "next": "spatz-gateway doctor"})
    return store, False
