"""Frames of one device that come close together: the server works on them at the same time."""

import pytest
from server_node import joined

from bench.server.settings import Settings

FRAMES = 60


def accepted(gap_s, processing_us):
    air, node = joined(settings=Settings(processing_us=processing_us), seed=3)
    for _ in range(FRAMES):
        air.hear(node.send())
        air.wait(gap_s)
    air.wait(2)
    resets = [event for event in air.take("log") if "reset" in event.description or "re-trans" in event.description]
    counters = [event.f_cnt for event in air.take("up")]
    assert len(resets) == FRAMES - len(counters)
    assert counters == sorted(counters)
    return len(counters)


def test_a_tenth_of_a_second_apart_the_later_counter_may_win_and_the_earlier_is_refused():
    assert accepted(0.1, 300_000) < FRAMES


@pytest.mark.parametrize("gap_s", [0.5, 1.0])
def test_half_a_second_apart_none_is_refused(gap_s):
    assert accepted(gap_s, 300_000) == FRAMES


def test_without_such_time_frames_are_taken_one_after_the_other():
    assert accepted(0.1, 0) == FRAMES
