"""The node's clock does not wrap, and hands the rest of `time` through."""

from __future__ import annotations

from bench.schedule import Schedule
from bench.wires import HostTime
from firmware.node.clock import Clock

DAY_US = 86_400_000_000


def test_time_goes_on_past_the_wrap_of_the_ticks():
    schedule = Schedule()
    clock = Clock(HostTime(schedule, start_us=(1 << 30) * 1000 - DAY_US))
    for day in range(1, 30):
        schedule.run_until(day * DAY_US)

        assert abs(clock.now_ms() - day * 86_400_000) <= 1


def test_time_never_goes_back():
    class Stuttering(HostTime):
        def ticks_ms(self):
            return 1000 if self._schedule.now_us else 5000

    schedule = Schedule()
    clock = Clock(Stuttering(schedule))
    before = clock.now_ms()
    schedule.run_until(1)

    assert clock.now_ms() == before
