"""Virtual time: one ordered queue of things that will happen.

All of the bench that lives in virtual time (chip models, air, concentrator, boards) is driven by
one `Schedule`. Time is an integer in microseconds since the bench was switched on. Events of the
same instant run in the order in which they were asked for, so a run is repeatable.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

Action = Callable[[], None]


@dataclass(order=True, slots=True)
class Event:
    """Something that will happen at `when_us`; `cancel()` takes it back."""

    when_us: int
    sequence: int
    action: Action | None = field(compare=False)

    def cancel(self) -> None:
        """Take the event back. Harmless when it already happened."""
        self.action = None


class Schedule:
    """A clock that moves only when told to, and the events waiting on it."""

    def __init__(self, now_us: int = 0) -> None:
        self._now_us = now_us
        self._queue: list[Event] = []
        self._sequence = 0

    @property
    def now_us(self) -> int:
        """Microseconds since the bench was switched on."""
        return self._now_us

    def at(self, when_us: int, action: Action) -> Event:
        """Run `action` when the clock reaches `when_us`; an instant that has passed means now."""
        event = Event(max(when_us, self._now_us), self._sequence, action)
        self._sequence += 1
        heapq.heappush(self._queue, event)
        return event

    def after(self, delay_us: int, action: Action) -> Event:
        """Run `action` after `delay_us`."""
        return self.at(self._now_us + delay_us, action)

    def next_us(self) -> int | None:
        """The instant of the next event, or None when nothing is waiting."""
        while self._queue and self._queue[0].action is None:
            heapq.heappop(self._queue)
        return self._queue[0].when_us if self._queue else None

    def run_until(self, when_us: int) -> None:
        """Let everything happen up to and including `when_us`; the clock then stands there."""
        while (due := self.next_us()) is not None and due <= when_us:
            event = heapq.heappop(self._queue)
            self._now_us = event.when_us
            action, event.action = event.action, None
            if action is not None:
                action()
        self._now_us = max(self._now_us, when_us)
