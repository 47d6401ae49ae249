"""Virtual time: order, cancellation, and a clock that never runs backwards."""

from bench.schedule import Schedule


def test_events_happen_in_the_order_of_their_time_and_then_of_their_asking():
    schedule, seen = Schedule(), []
    for when, name in [(20, "c"), (10, "a"), (10, "b")]:
        schedule.at(when, lambda name=name: seen.append((schedule.now_us, name)))

    schedule.run_until(15)
    assert seen == [(10, "a"), (10, "b")]
    assert schedule.now_us == 15

    schedule.run_until(100)
    assert seen[-1] == (20, "c")


def test_a_cancelled_event_does_not_happen_and_does_not_count_as_next():
    schedule, seen = Schedule(), []
    event = schedule.at(10, lambda: seen.append("never"))
    schedule.at(30, lambda: seen.append("later"))

    event.cancel()

    assert schedule.next_us() == 30
    schedule.run_until(50)
    assert seen == ["later"]
    assert schedule.next_us() is None


def test_an_event_in_the_past_happens_now_and_events_may_ask_for_more():
    schedule, seen = Schedule(1000), []

    def first():
        seen.append(schedule.now_us)
        schedule.after(5, lambda: seen.append(schedule.now_us))

    schedule.at(10, first)
    schedule.run_until(2000)

    assert seen == [1000, 1005]
    assert schedule.now_us == 2000


def test_the_clock_does_not_run_backwards():
    schedule = Schedule(500)

    schedule.run_until(100)

    assert schedule.now_us == 500
