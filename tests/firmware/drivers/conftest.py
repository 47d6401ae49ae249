"""A driver's surroundings: virtual time, and the node's clock over it."""

from __future__ import annotations

import pytest

from bench.schedule import Schedule
from bench.wires import HostTime
from firmware.node.clock import Clock


@pytest.fixture
def schedule():
    return Schedule()


@pytest.fixture
def clock(schedule):
    return Clock(HostTime(schedule))


@pytest.fixture
def measured(clock):
    """Run one measurement of a driver as the sampler does; gives its reading."""

    def measure(driver):
        driver.start()
        while left := driver.ready_in_ms():
            clock.sleep_ms(left)
        return driver.read()

    return measure
