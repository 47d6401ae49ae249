"""Several pieces of blocking code in one virtual time.

Device code blocks: a driver sleeps until its window opens. One such piece can simply drive the schedule itself; of two,
each would overrun the instants of the other. A `Fiber` lets a piece run in a thread of its own, of which only one ever
runs at a time: whoever sleeps hands over to the schedule and is resumed by it, so a run stays repeatable.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

from bench.schedule import Action, Event, Schedule

_AT_ONCE_US = 10_000
"""A sleep up to this long, during which nothing else happens, needs no change of threads."""


class _Ended(BaseException):
    """Raised inside the body when the fiber is closed. No `Exception`, so that device code does not swallow it."""


class Fiber(Schedule):
    """Runs `body()` from `start` on. To that code it is a schedule like any other: hand it to wires and clocks.

    An exception of the body comes out of the outer schedule's `run_until`.
    """

    def __init__(self, schedule: Schedule, body: Callable[[], None]) -> None:
        super().__init__()
        self._outer = schedule
        self._body = body
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._turn = threading.Semaphore(0)
        self._handed_back = threading.Semaphore(0)
        self._error: BaseException | None = None
        self._closing = False

    def start(self, when_us: int) -> None:
        """Begin the body at `when_us`."""
        self._outer.at(when_us, self._begin)

    def close(self) -> None:
        """End the body where it stands."""
        self._closing = True
        if self._thread.is_alive():
            self._resume()
            self._thread.join()

    # As a schedule

    @property
    def now_us(self) -> int:
        """Bench time."""
        return self._outer.now_us

    def at(self, when_us: int, action: Action) -> Event:
        """As `Schedule.at`."""
        return self._outer.at(when_us, action)

    def after(self, delay_us: int, action: Action) -> Event:
        """As `Schedule.after`."""
        return self._outer.after(delay_us, action)

    def next_us(self) -> int | None:
        """As `Schedule.next_us`."""
        return self._outer.next_us()

    def run_until(self, when_us: int) -> None:
        """From the body: let the others go on until `when_us`. From elsewhere (setting up) as the outer schedule's."""
        if threading.current_thread() is not self._thread:
            self._outer.run_until(when_us)
            return
        if self._closing:
            raise _Ended
        due_us = self._outer.next_us()
        if when_us - self.now_us <= _AT_ONCE_US and (due_us is None or due_us > when_us):
            self._outer.run_until(when_us)
            return
        self._outer.at(when_us, self._resume)
        self._hand_over()

    # Changing threads

    def _begin(self) -> None:
        if not self._closing:
            self._thread.start()
            self._await_body()

    def _resume(self) -> None:
        if self._thread.is_alive():
            self._turn.release()
            self._await_body()

    def _await_body(self) -> None:
        self._handed_back.acquire()
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _hand_over(self) -> None:
        self._handed_back.release()
        self._turn.acquire()
        if self._closing:
            raise _Ended

    def _run(self) -> None:
        try:
            self._body()
        except _Ended:
            pass
        except BaseException as error:
            self._error = error
        finally:
            self._handed_back.release()
