"""The DS18B20 driver on the bit-level model, through the interface of the stock 1-Wire modules."""

from __future__ import annotations

import pytest

from bench.chips.ds18b20 import DS18B20 as Model
from bench.chips.ds18b20 import Make
from bench.wires import HostDS18X20, HostOneWire
from firmware.drivers.ds18b20 import DS18B20


def on_line(schedule, clock, *models):
    return DS18B20(HostDS18X20(HostOneWire(schedule, models)), clock)


@pytest.mark.parametrize(
    ("played", "read"), [(2150, 2150), (-1013, -1013), (0, 0), (2506, 2506), (12500, 12500), (-5500, -5500)]
)
def test_temperature_is_what_the_part_resolves(schedule, clock, measured, played, read):
    assert measured(on_line(schedule, clock, Model(schedule, lambda now_us: played))) == pytest.approx(read, abs=4)


@pytest.mark.parametrize(
    ("fault", "word"),
    [
        ("no-response", "no-response"),
        ("short-line", "bus"),
        ("crc", "crc"),
        ("power-on-value", "power-on-value"),
        ("failed-conversion", "failed-conversion"),
    ],
)
def test_fault_is_told_by_its_word(schedule, clock, measured, fault, word):
    model = Model(schedule, lambda now_us: 2150)
    driver = on_line(schedule, clock, model)
    assert measured(driver) == 2150
    model.fail(fault)

    assert measured(driver) == word

    model.heal()
    measured(driver)
    assert measured(driver) == 2150


def test_line_shorted_from_the_start_is_a_bus_fault(schedule, clock, measured):
    model = Model(schedule, lambda now_us: 2150)
    model.fail("short-line")

    assert measured(on_line(schedule, clock, model)) == "bus"


def test_true_85_degrees_of_a_genuine_part_is_believed(schedule, clock, measured):
    assert measured(on_line(schedule, clock, Model(schedule, lambda now_us: 8500))) == 8500


def test_85_degrees_of_a_clone_is_refused(schedule, clock, measured):
    model = Model(schedule, lambda now_us: 8500, make=Make.CLONE_C)

    assert measured(on_line(schedule, clock, model)) == "power-on-value"


def test_replaced_part_is_found_again(schedule, clock, measured):
    models = [Model(schedule, lambda now_us: 2000, serial=7)]
    bus = HostDS18X20(HostOneWire(schedule, models))
    driver = DS18B20(bus, clock)
    assert measured(driver) == 2000
    models[0].fail("no-response")
    assert measured(driver) == "no-response"
    models[0] = Model(schedule, lambda now_us: 3000, serial=8)

    assert measured(driver) == 3000


def test_empty_line_does_not_cost_the_conversion_time(schedule, clock):
    driver = on_line(schedule, clock)
    driver.start()

    assert driver.ready_in_ms() == 0
    assert driver.read() == "no-response"
