"""Durability mode "wear-saving": live frames stay in memory and reach the card only if they are not delivered soon.

While all destinations take frames, a frame is held in memory. Delivered within two seconds, it never touches the
medium. Otherwise, or as soon as a destination stops taking frames, everything held is written. The price: a kill or
a power cut can lose the last two seconds of frames that were acknowledged to the concentrator.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from gateway.reserve import Reserve
from gateway.spool import Spool
from gateway.store import Before, Frame, Row, Store

_HOLD_S = 2.0
# Two seconds of the greatest burst; about 1 MB.
_MOST_HELD = 2000


class WearSavingSpool(Spool):
    """A spool that writes late. `flowing` tells whether all destinations take frames; set it before frames come."""

    def __init__(self, store: Store, reserve: Reserve) -> None:
        super().__init__(store, reserve)
        self.flowing: Callable[[], bool] = lambda: False
        self._held: dict[int, tuple[Frame, set[int]]] = {}  # seq -> frame and who waits for it
        self._newest: dict[tuple[int, int], int] = {}  # (destination, DevAddr) -> newest seq held
        self._timer: asyncio.TimerHandle | None = None

    def append(self, frames: Sequence[Frame], count_to: int = 0) -> asyncio.Future[list[dict[int, Before]]]:
        """Hold the frames if that is safe enough, else write them and all held before them."""
        busy = any(self.pending.get(number, 0) for frame in frames for number in frame.destinations)
        if busy or not self.flowing() or len(self._held) + len(frames) > _MOST_HELD:
            self.write_held()
            return super().append(frames, count_to)
        before = [self._hold(frame) for frame in frames]
        if self._timer is None:
            self._timer = self._loop.call_later(_HOLD_S, self.write_held)
        done: asyncio.Future[list[dict[int, Before]]] = self._loop.create_future()
        done.set_result(before)
        return done

    def _hold(self, frame: Frame) -> dict[int, Before]:
        self._held[frame.seq] = (frame, set(frame.destinations))
        before = {}
        for number in frame.destinations:
            previous = self._newest.get((number, frame.dev_addr), 0)
            before[number] = Before(previous, 1 if previous else 0)
            self._newest[number, frame.dev_addr] = frame.seq
        return before

    def write_held(self) -> None:
        """Write everything held for those who still wait for it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._held:
            return
        held, self._held = self._held, {}
        self._newest.clear()
        frames = [frame._replace(destinations=tuple(sorted(waiting))) for frame, waiting in held.values()]
        super().append(frames).add_done_callback(_noted)

    def forget(self, destination: int, delivered: Iterable[tuple[int, int]]) -> asyncio.Future[None]:
        """Frames still held are dropped here; only the others are looked for in the file."""
        stored = []
        for dev_addr, seq in delivered:
            held = self._held.get(seq)
            if held is None:
                stored.append((dev_addr, seq))
                continue
            held[1].discard(destination)
            if self._newest.get((destination, dev_addr)) == seq:
                del self._newest[destination, dev_addr]
            if not held[1]:
                del self._held[seq]
        if stored:
            return super().forget(destination, stored)
        done: asyncio.Future[None] = self._loop.create_future()
        done.set_result(None)
        return done

    def heads(
        self, destination: int, after: int, limit: int, busy: frozenset[int]
    ) -> asyncio.Future[tuple[list[Row], bool]]:
        """The backlog is looked for in the file, so everything has to be there."""
        self.write_held()
        return super().heads(destination, after, limit, busy)

    def waiting(self, destination: int) -> int:
        """Rows in the file and frames in memory."""
        held = sum(1 for _, waiting in self._held.values() if destination in waiting)
        return super().waiting(destination) + held

    async def close(self) -> None:
        """Nothing held is lost by an orderly stop."""
        self.write_held()
        await super().close()


def _noted(future: asyncio.Future[list[dict[int, Before]]]) -> None:
    """A failure to write is counted where the next append fails as well; the frames stay on their way in memory."""
    if not future.cancelled():
        future.exception()
