"""Motion counted by interrupt, and the battery divider, on their models."""

from __future__ import annotations

import pytest

from bench.chips.am312 import AM312
from bench.chips.battery import Battery as BatteryModel
from bench.chips.ports import Line
from bench.wires import HostADC, HostPin, HostTime
from firmware.drivers.battery import Battery
from firmware.drivers.pir import PIR, Presence
from firmware.node.clock import Clock

SECOND_US = 1_000_000


def movements(*seconds):
    instants = [second * SECOND_US for second in seconds]
    return lambda now_us: next((instant for instant in instants if instant > now_us), None)


@pytest.mark.parametrize("active", [0, 1])
def test_events_are_the_edges_that_the_sensor_played(schedule, clock, active):
    model = AM312(schedule, movements(100, 110, 150, 151, 200), active=active)
    driver = PIR(HostPin(model.line), clock, active)
    driver.start()
    schedule.run_until(300 * SECOND_US)

    assert driver.read() == len(model.played) == 4
    assert driver.read() == 0


def test_edges_during_warm_up_do_not_count(schedule, clock):
    model = AM312(schedule, movements(10, 20, 40))
    driver = PIR(HostPin(model.line), clock)
    driver.start()
    schedule.run_until(59 * SECOND_US)
    assert driver.read() == "warm-up"
    schedule.run_until(61 * SECOND_US)

    assert driver.read() == 0


def test_presence_over_a_report_counts_once(schedule, clock):
    line = Line()
    driver = PIR(HostPin(line), clock, warmup_ms=0)
    driver.start()
    schedule.run_until(1 * SECOND_US)
    line.set(1)
    schedule.run_until(2 * SECOND_US)
    assert driver.read() == 1
    schedule.run_until(3 * SECOND_US)
    line.set(0)
    schedule.run_until(10 * SECOND_US)

    assert driver.read() == 0


def test_glitches_below_the_debounce_time_are_no_events(schedule, clock):
    line = Line()
    driver = PIR(HostPin(line), clock, warmup_ms=0)
    driver.start()
    for at_s in range(1, 20, 3):
        schedule.run_until(at_s * SECOND_US)
        line.set(1)
        schedule.run_until(at_s * SECOND_US + 5_000)
        line.set(0)
    schedule.run_until(60 * SECOND_US)

    assert driver.read() == 0


def test_counting_goes_on_over_the_wrap_of_the_ticks(schedule):
    clock = Clock(HostTime(schedule, start_us=(1 << 30) * 1000 - 150 * SECOND_US))
    model = AM312(schedule, movements(100, 149, 152, 200))
    driver = PIR(HostPin(model.line), clock)
    driver.start()
    schedule.run_until(300 * SECOND_US)

    assert driver.read() == len(model.played)


def test_occupied_time_includes_the_gaps_that_are_merged(clock):
    presence = Presence(clock, merge_gap_ms=1000, debounce_ms=20)
    for at_ms, active in ((0, True), (2000, False), (2600, True), (4600, False)):
        presence.edge(at_ms, active)
    presence.settle(10_000)

    assert presence.take() == (1, 4600)


@pytest.mark.parametrize("full_scale_uv", [None, 3_300_000])
@pytest.mark.parametrize("voltage_mv", [2700, 3620, 4180])
def test_battery_voltage_comes_back_through_the_divider(schedule, voltage_mv, full_scale_uv):
    model = BatteryModel(schedule, lambda now_us: voltage_mv, r_top_ohm=1_000_000, r_bottom_ohm=1_500_000)
    driver = Battery(HostADC(schedule, model), 1_000_000, 1_500_000, full_scale_uv)

    assert driver.read() == pytest.approx(voltage_mv, abs=3)
    assert driver.last_mv == driver.read()


def test_calibration_factor_corrects_the_reading(schedule):
    model = BatteryModel(schedule, lambda now_us: 4000, r_top_ohm=1_000_000, r_bottom_ohm=1_500_000)

    assert Battery(HostADC(schedule, model), 1_000_000, 1_500_000, None, 1025).read() == pytest.approx(4100, abs=3)
