"""A node sends for years: what an uplink leaves on the heap is measured on genuine MicroPython (64-bit build)."""

import pytest

from tests.benchmarks.lorawan import uplink

GARBAGE_LIMIT_BYTES = 64


@pytest.fixture(scope="module")
def report():
    return uplink(data_rate=5, payload_bytes=24, frames=70)


def test_an_uplink_leaves_at_most_64_bytes_of_garbage(report):
    assert report["frames"] - report["frames_that_wrote"] > 60
    assert report["garbage_most_bytes"] <= GARBAGE_LIMIT_BYTES


def test_with_the_writes_of_its_counter_an_uplink_leaves_at_most_64_bytes_on_average(report):
    assert report["frames_that_wrote"] >= 2
    assert report["garbage_mean_bytes"] <= GARBAGE_LIMIT_BYTES
    assert report["garbage_most_when_writing_bytes"] <= 10 * GARBAGE_LIMIT_BYTES


def test_the_measurement_sees_what_a_plain_implementation_leaves(report):
    assert report["plain_garbage_mean_bytes"] > 20 * GARBAGE_LIMIT_BYTES
