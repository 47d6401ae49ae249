"""Dating frames by clocks that step."""

from __future__ import annotations

from gateway.dating import Calendar
from gateway.frames import Moment
from tests.gateway.kit import FakeClock, data_frame, uplink


class SteppedWhileRead(FakeClock):
    """Somebody sets the wall clock in the moment in which it is read; the kernel says so from then on."""

    def wall_us(self) -> int:
        self.step_wall(-3600)
        self.is_verified = False
        return super().wall_us()


def test_a_clock_set_wrong_while_it_is_looked_at_dates_nothing() -> None:
    clock = SteppedWhileRead()
    calendar = Calendar(clock, 1, {})
    assert calendar.refresh() is None
    assert calendar.date(uplink(data_frame(1, 1)), Moment(1, clock.mono_us(), 0)).source == "none"


def test_a_step_after_synchronisation_changes_no_date() -> None:
    clock = FakeClock()
    calendar = Calendar(clock, 1, {})
    assert calendar.refresh() is not None
    moment, true_us = calendar.now(), clock.wall_us()
    clock.step_wall(86_400)
    clock.is_verified = False
    assert calendar.refresh() is None
    assert calendar.date(uplink(data_frame(1, 1)), moment).utc_us == true_us
