"""What a board can wait for. A wait ends at its deadline or earlier, when `poll` finds what it waits for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bench.boards.bus import Answer
from bench.overlay import bench_ops as ops


class Wait(Protocol):
    """A request that is answered later."""

    until_us: int
    """Bench time at which it ends in any case."""

    def poll(self, now_us: int) -> Answer | None:
        """The answer if there is one at `now_us`; the deadline is one. Called again after each wake-up."""


class Sleep:
    """Until a moment or an interrupt."""

    def __init__(self, until_us: int, disturbed: Callable[[], bool]) -> None:
        self.until_us = until_us
        self._disturbed = disturbed

    def poll(self, now_us: int) -> Answer | None:
        """Ends when disturbed."""
        if now_us >= self.until_us or self._disturbed():
            return Answer()
        return None


class Arrival:
    """For bytes from a UART."""

    def __init__(self, until_us: int, take: Callable[[bool], bytes | None]) -> None:
        self.until_us = until_us
        self._take = take

    def poll(self, now_us: int) -> Answer | None:
        """Ends when enough bytes came, or with what there is at the deadline."""
        data = self._take(now_us >= self.until_us)
        return None if data is None else Answer(value=len(data), data=data)


class Pulse:
    """For a pulse on a pin: machine.time_pulse_us()."""

    def __init__(self, now_us: int, level: int, active: bool, timeout_us: int) -> None:
        self._level = level
        self._timeout_us = timeout_us
        self._start_us = now_us if active else None
        self._end_us: int | None = None
        self.until_us = now_us + timeout_us

    def edge(self, now_us: int, level: int) -> None:
        """The pin changed."""
        if self._start_us is None:
            if level == self._level:
                self._start_us = now_us
                self.until_us = now_us + self._timeout_us
        elif self._end_us is None:
            self._end_us = now_us

    def poll(self, now_us: int) -> Answer | None:
        """Ends after the pulse."""
        if self._start_us is not None and self._end_us is not None:
            return Answer(value=self._end_us - self._start_us)
        if now_us < self.until_us:
            return None
        waiting = self._start_us is None
        return Answer(value=ops.PULSE_TIMEOUT_WAITING if waiting else ops.PULSE_TIMEOUT_INSIDE)
