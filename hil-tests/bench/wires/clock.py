"""MicroPython's `time` on virtual time."""

from __future__ import annotations

from bench.schedule import Schedule

TICKS_PERIOD = 1 << 30
"""Period of `ticks_ms` and `ticks_us` on 32-bit ports: small ints of 31 bits, never negative (extmod/modtime.c)."""

TICK_CALL_US = 5
"""What one call of `ticks_*` costs, so that a loop polling the clock gets somewhere."""


def pass_time(schedule: Schedule, duration_us: int) -> None:
    """Let `duration_us` pass, with all that happens meanwhile."""
    schedule.run_until(schedule.now_us + duration_us)


class HostTime:
    """MicroPython's `time` module, driven by a `Schedule`.

    `start_us` shifts what the ticks show, to start a run close to their overflow (12.4 days for `ticks_ms`).
    `error_ppm`: by how much this board's clock runs fast (or, negative, slow); its sleeps end early by as much.
    """

    def __init__(
        self, schedule: Schedule, start_us: int = 0, tick_call_us: int = TICK_CALL_US, error_ppm: int = 0
    ) -> None:
        self._schedule = schedule
        self._start_us = start_us
        self._tick_call_us = tick_call_us
        self._error_ppm = error_ppm

    def _now_us(self) -> int:
        pass_time(self._schedule, self._tick_call_us)
        return self._schedule.now_us * (1_000_000 + self._error_ppm) // 1_000_000 + self._start_us

    def _sleep(self, duration_us: int) -> None:
        pass_time(self._schedule, -(-max(0, duration_us) * 1_000_000 // (1_000_000 + self._error_ppm)))

    def ticks_us(self) -> int:
        """Microseconds, modulo 2^30."""
        return self._now_us() % TICKS_PERIOD

    def ticks_ms(self) -> int:
        """Milliseconds, modulo 2^30."""
        return self._now_us() // 1000 % TICKS_PERIOD

    def ticks_add(self, ticks: int, delta: int) -> int:
        """A tick value moved by `delta`; OverflowError from half the period on, as on boards."""
        if not -TICKS_PERIOD // 2 < delta < TICKS_PERIOD // 2:
            raise OverflowError("ticks interval overflow")
        return (ticks + delta) % TICKS_PERIOD

    def ticks_diff(self, end: int, start: int) -> int:
        """Signed distance from `start` to `end`, in -2^29 .. 2^29-1."""
        half = TICKS_PERIOD // 2
        return (end - start + half) % TICKS_PERIOD - half

    def sleep_us(self, duration_us: int) -> None:
        """Let `duration_us` pass; negative is nothing."""
        self._sleep(duration_us)

    def sleep_ms(self, duration_ms: int) -> None:
        """Let `duration_ms` pass; negative is nothing."""
        self._sleep(duration_ms * 1000)

    def sleep(self, duration_s: float) -> None:
        """Let `duration_s` pass; negative is nothing."""
        self._sleep(round(duration_s * 1_000_000))

    def time(self) -> int:
        """Seconds since power-on: a board without a set clock counts from its epoch."""
        return (self._schedule.now_us + self._start_us) // 1_000_000
