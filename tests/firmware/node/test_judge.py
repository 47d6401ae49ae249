"""Alarm rules: once, with hysteresis, and never on a missing value."""

from __future__ import annotations

from firmware.node.judge import Drop, Threshold


def told(rule, values):
    return [rule.check([value]) for value in values]


def test_alarm_needs_two_samples_in_a_row():
    assert told(Threshold(1, 0, 80, 2, 5), [85, 70, 85, 90]) == [None, None, None, 90]


def test_alarm_is_told_once_while_it_sways_around_the_threshold():
    assert told(Threshold(1, 0, 80, 2, 5), [80, 81, 79, 80, 82, 76, 84, 85]) == [None, 81] + [None] * 6


def test_alarm_is_told_again_after_it_was_over():
    assert told(Threshold(1, 0, 80, 2, 5), [90, 90, 10, 90, 90]) == [None, 90, None, None, 90]


def test_missing_reading_is_no_evidence():
    assert told(Threshold(1, 0, 80, 2, 5), [90, None, "no-target", 90]) == [None, None, None, 90]


def test_emptying_is_a_drop_between_two_readings():
    assert told(Drop(5, 0, 40), [90, None, 50, 11, 5]) == [None, None, 50, None, None]
