"""A paced run: a thread that lets bench time follow the wall clock and serves the boards' ports.

Virtual time never runs ahead of the wall clock and never hurries to catch up: a bench that was held up falls behind,
so that real programs around it (a gateway, a broker) are not rushed.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from bench.boards.bench import Bench

T = TypeVar("T")
MICROSECONDS = 1_000_000
MAX_STEP_S = 0.02  # largest step of the wall clock taken over at once
LOOK_S = 0.01  # how often ports are looked at that nobody has open


class Live:
    """The thread of `Bench.live()`."""

    def __init__(self, bench: Bench, speed: float) -> None:
        self._bench = bench
        self._speed = speed
        self._calls: deque[Callable[[], None]] = deque()
        self._waiters: list[tuple[Callable[[], bool], int, Future[bool]]] = []
        self._wake_fd = os.eventfd(0, os.EFD_NONBLOCK)
        self._stop = False
        self._error: BaseException | None = None
        self._looked_s = 0.0
        self._thread = threading.Thread(target=self._run, name="bench", daemon=True)

    def __enter__(self) -> Live:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._stop = True
        self._wake()
        self._thread.join()
        os.close(self._wake_fd)
        if self._error is not None:
            raise self._error

    def call(self, action: Callable[[], T]) -> T:
        """Run `action` in the thread and wait for its result."""
        if threading.current_thread() is self._thread or not self._thread.is_alive():
            return action()
        future: Future[T] = Future()

        def run() -> None:
            try:
                future.set_result(action())
            except BaseException as error:
                future.set_exception(error)

        self._calls.append(run)
        self._wake()
        return self._await(future)

    def wait_for(self, predicate: Callable[[], bool], until_us: int) -> bool:
        """Wait until `predicate` holds or bench time `until_us` has come."""
        future: Future[bool] = Future()
        self._calls.append(lambda: self._waiters.append((predicate, until_us, future)))
        self._wake()
        return self._await(future)

    def _await(self, future: Future[T]) -> T:
        while True:
            try:
                return future.result(timeout=1)
            except TimeoutError:
                if not self._thread.is_alive() and not future.done():
                    raise RuntimeError("the bench has stopped") from self._error

    def _wake(self) -> None:
        os.eventfd_write(self._wake_fd, 1)

    def _run(self) -> None:
        try:
            self._pace()
        except BaseException as error:
            self._error = error

    def _pace(self) -> None:
        last_s = time.monotonic()
        owed_us = 0.0
        while not self._stop:
            now_s = time.monotonic()
            owed_us += min(now_s - last_s, MAX_STEP_S) * self._speed * MICROSECONDS
            last_s = now_s
            step_us = int(owed_us)
            owed_us -= step_us
            self._bench.advance(self._bench.now_us + step_us)
            self._look_at_waiters()
            self.serve(self._idle_s())

    def _idle_s(self) -> float:
        due = [board.processor.due_us for board in self._bench.boards.values()]
        due.append(self._bench.schedule.next_us())
        waiting = [us for us in due if us is not None]
        if not waiting:
            return LOOK_S
        return min(LOOK_S, max(0.0, (min(waiting) - self._bench.now_us) / self._speed / MICROSECONDS))

    def _look_at_waiters(self) -> None:
        for waiter in tuple(self._waiters):
            predicate, until_us, future = waiter
            holds = predicate()
            if holds or self._bench.now_us >= until_us:
                self._waiters.remove(waiter)
                future.set_result(holds)

    def serve(self, timeout_s: float) -> None:
        """Everything from outside: tools at the ports, calls from other threads."""
        poll = select.poll()
        poll.register(self._wake_fd, select.POLLIN)
        watched: dict[int, Any] = {}
        boards = tuple(self._bench.boards.values())
        for board in boards:
            for fd in board.descriptors:
                watched[fd] = board
                poll.register(fd, select.POLLIN)
        ready = {fd for fd, _ in poll.poll(timeout_s * 1000)}
        if self._wake_fd in ready:
            os.eventfd_read(self._wake_fd)
        while self._calls:
            self._calls.popleft()()
        now_s = time.monotonic()
        if now_s - self._looked_s >= LOOK_S:
            self._looked_s = now_s
            for board in boards:
                board.serve_host()
        else:
            for board in {watched[fd] for fd in ready if fd in watched}:
                board.serve_host()
