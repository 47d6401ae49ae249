"""The A02YYUW driver on the byte-level model of the sensor."""

from __future__ import annotations

import pytest

from bench.chips.a02yyuw import A02YYUW as Model
from bench.wires import HostUART
from firmware.drivers import a02yyuw
from firmware.drivers.a02yyuw import A02YYUW


@pytest.fixture
def model(schedule):
    return Model(schedule, lambda now_us: 1234)


@pytest.fixture
def driver(schedule, clock, model):
    return A02YYUW(HostUART(schedule, model), clock)


def test_distance_is_what_the_sensor_sent(driver, measured):
    assert measured(driver) == 1234
    assert driver.valid >= 3
    assert not driver.doubtful


def test_reading_survives_two_hours_of_backlog(schedule, clock, measured):
    model = Model(schedule, lambda now_us: 4000 if now_us < 7_200_000_000 else 500)
    driver = A02YYUW(HostUART(schedule, model), clock)
    schedule.run_until(7_200_000_000)

    assert measured(driver) == 500


@pytest.mark.parametrize("fault", ["mid-frame", "stray-ff"])
def test_distance_is_found_among_stray_bytes(driver, model, measured, fault):
    model.fail(fault)

    assert measured(driver) == 1234


def test_every_second_frame_damaged_still_gives_a_distance(driver, model, measured):
    model.fail("checksum")

    assert measured(driver) == 1234


@pytest.mark.parametrize("fault", ["no-response", "no-target", "interference", "below-blanking"])
def test_fault_is_told_by_its_word(driver, model, measured, fault):
    model.fail(fault)

    assert measured(driver) == fault


def test_older_firmware_says_no_target_by_zero(schedule, clock, measured):
    model = Model(schedule, lambda now_us: 1234, new_firmware=False)
    model.fail("no-target")

    assert measured(A02YYUW(HostUART(schedule, model), clock)) == "no-target"


def test_median_ignores_two_wild_echoes():
    assert a02yyuw.median([1000, 4400, 1002, 35, 1001]) == 1001


def test_median_of_an_even_count_is_the_mean_of_the_middle_two():
    assert a02yyuw.median([1000, 1003, 1001, 1010]) == 1002


def test_restless_target_is_doubtful(schedule, clock, measured):
    model = Model(schedule, lambda now_us: 1000 + now_us // 2_000)
    driver = A02YYUW(HostUART(schedule, model), clock)

    measured(driver)

    assert driver.doubtful


def test_frames_with_wrong_sum_only_are_a_checksum_fault(clock):
    class Uart:
        waiting = b"\xff\x07\xa1\xa8" * 8

        def any(self):
            return len(self.waiting)

        def read(self):
            return self.waiting

    driver = A02YYUW(Uart(), clock)
    driver.start()

    assert driver.read() == "checksum"
