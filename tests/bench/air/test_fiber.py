"""Blocking code of several parties in one virtual time."""

import pytest

from bench.air.fiber import Fiber
from bench.schedule import Schedule


def sleeper(schedule, log, name, step_us, count):
    def body():
        for _ in range(count):
            fiber.run_until(fiber.now_us + step_us)
            log.append((fiber.now_us, name))

    fiber = Fiber(schedule, body)
    return fiber


@pytest.mark.parametrize("unit_us", [10, 1_000_000], ids=["short steps", "long steps"])
def test_two_bodies_take_their_turns_in_the_order_of_time(unit_us):
    schedule, log = Schedule(), []
    sleeper(schedule, log, "slow", 3 * unit_us, 2).start(0)
    sleeper(schedule, log, "fast", 2 * unit_us, 3).start(0)

    schedule.run_until(100 * unit_us)

    assert log == [(2 * unit_us, "fast"), (3 * unit_us, "slow"), (4 * unit_us, "fast")] + [
        (6 * unit_us, name) for name in ("slow", "fast")
    ]
    assert schedule.now_us == 100 * unit_us


def test_an_error_of_the_body_comes_out_of_the_schedule():
    schedule = Schedule()

    def body():
        raise ValueError("broken")

    Fiber(schedule, body).start(5)

    with pytest.raises(ValueError, match="broken"):
        schedule.run_until(10)


def test_closing_ends_a_body_where_it_stands_and_runs_its_clean_up():
    schedule, log = Schedule(), []

    def body():
        try:
            fiber.run_until(1_000_000_000)
        finally:
            log.append("cleaned up")

    fiber = Fiber(schedule, body)
    fiber.start(0)
    schedule.run_until(100)

    fiber.close()
    schedule.run_until(2_000_000_000)

    assert log == ["cleaned up"]
