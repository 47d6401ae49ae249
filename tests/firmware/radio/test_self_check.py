"""The board's punctuality is measured, and the receive windows are made as long as it needs."""

import random

import pytest

from bench.wires import HostTime
from firmware.radio import self_check as checking
from firmware.radio import transceiver
from firmware.radio.errors import RadioBusy
from firmware.radio.self_check import LEAST_US, MOST_US, Measured, self_check
from tests.firmware.radio.rig import JitteryTime, Rig, Rig127x, exchange
from tests.on_micropython import run_on_micropython

CHIPS = pytest.mark.parametrize("kind", [Rig, Rig127x], ids=["sx1262", "sx1276"])


class LateTime(HostTime):
    """Every sleep lasts `late_us` too long, `sleep_us` too when it is `everywhere`."""

    def __init__(self, schedule, late_us, everywhere=False):
        super().__init__(schedule)
        self._late_us = late_us
        self._everywhere = everywhere

    def sleep_ms(self, duration_ms):
        super().sleep_us(1_000 * duration_ms + self._late_us)

    def sleep_us(self, duration_us):
        super().sleep_us(duration_us + (self._late_us if self._everywhere else 0))


def started(kind, time=None):
    rig = kind(time=time)
    rig.radio.start()
    return rig


class TestBudget:
    def test_a_perfect_board_gets_the_least(self):
        assert Measured().budget_us() == LEAST_US

    def test_what_the_waiting_before_a_window_takes_up_costs_nothing(self):
        assert Measured(sleep_us=5_000, prepare_us=25_000).late_us() == Measured().late_us()
        assert Measured(sleep_us=5_001).late_us() == Measured().late_us() + 1
        assert Measured(sleep_us=5_000, prepare_us=25_001).late_us() == Measured().late_us() + 1

    @pytest.mark.parametrize(
        ("measured", "late_us"),
        [
            ({"sleep_us": 15_000}, 10_000),
            ({"wait_us": 300}, 300),
            ({"open_us": 200}, 200),
            ({"collect_us": 9_000}, 9_000),
            ({"clock_ppm": 1_000}, 6_000),
            ({"clock_ppm": -1_000}, 6_000),
            ({"irq_us": 10_000}, 0),
        ],
    )
    def test_everything_else_is_added_up(self, measured, late_us):
        assert Measured(**measured).late_us() == 2_000 + late_us

    def test_twice_what_was_measured_in_whole_milliseconds_within_bounds(self):
        assert Measured(collect_us=10_200).budget_us() == 25_000
        assert Measured(collect_us=249_000).budget_us() == MOST_US
        assert Measured(collect_us=498_000).enough
        assert not Measured(collect_us=498_001).enough
        assert "not enough" in str(Measured(collect_us=498_001))

    def test_it_knows_the_times_of_the_driver(self):
        assert checking._PREPARE_US == 1_000 * transceiver._PREPARE_MS


@CHIPS
class TestMeasurement:
    def test_a_punctual_board_is_found_punctual(self, kind):
        rig = started(kind)

        found = self_check(rig.radio)

        assert max(found.sleep_us, found.wait_us) < 20  # what looking at the clock takes
        assert found.prepare_us < 12_000
        assert found.open_us < 1_000
        assert abs(found.clock_ppm) < 1_000
        assert rig.radio.rx_error_us == found.error_us == found.budget_us() < 20_000
        assert rig.model.mode.name == "SLEEP"
        assert rig.station.heard == []
        assert rig.model.remarks == set()

    @pytest.mark.parametrize("ppm", [-30_000, -5_000, 5_000, 30_000])
    def test_a_clock_that_runs_wrong_is_found_by_the_radio_s_crystal(self, kind, ppm):
        rig = started(kind, lambda schedule: HostTime(schedule, error_ppm=ppm))

        assert abs(self_check(rig.radio).clock_ppm - ppm) < 1_500

    def test_late_wake_ups_are_found(self, kind):
        assert 17_000 <= self_check(started(kind, lambda schedule: LateTime(schedule, 17_000)).radio).sleep_us < 17_100
        assert self_check(started(kind, lambda schedule: LateTime(schedule, 900, True)).radio).wait_us >= 900

    def test_it_takes_no_longer_than_two_seconds(self, kind):
        rig = started(kind)
        before_us = rig.schedule.now_us

        self_check(rig.radio)

        assert rig.schedule.now_us - before_us < 2_000_000

    def test_a_frame_in_the_measured_window_only_costs_another_one(self, kind):
        rig = started(kind)
        listening = rig.radio._receive

        def receive(length_us, symbol_us):
            listening(length_us, symbol_us)
            rig.radio._receive = listening
            uplink = type("Uplink", (), {"end_us": rig.schedule.now_us, "freq_hz": 868_100_000, "sf": 7})
            rig.air.transmit(rig.downlink(uplink, bytes(100), delay_us=50_000))

        rig.radio._receive = receive

        assert abs(self_check(rig.radio).clock_ppm) < 1_000

    def test_a_timer_that_never_ends_is_an_error(self, kind):
        rig = started(kind)
        rig.radio._OVER = 0

        with pytest.raises(RadioBusy, match="timer"):
            self_check(rig.radio)

    @pytest.mark.parametrize("late_us", [60_000, 150_000])
    def test_a_board_that_wakes_late_misses_downlinks_before_the_check_and_none_after_it(self, kind, late_us):
        chance = random.Random(11)
        rig = started(kind, lambda schedule: JitteryTime(schedule, chance, late_us))
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer")]
        before = sum(rig.radio.carry_out(exchange(7)) is None for _ in range(8))

        found = self_check(rig.radio)

        assert before > 2
        assert late_us < found.error_us <= MOST_US
        for turn in range(12):
            heard = rig.radio.carry_out(exchange(7 + turn % 6))
            assert heard is not None, rig.air.records[-1].unheard


def test_the_interrupt_s_latency_is_told_where_there_is_one():
    assert 0 <= self_check(started(Rig).radio).irq_us < 500
    assert self_check(started(Rig127x).radio).irq_us is None


SCRIPT = """
import gc
from firmware.radio.self_check import Measured
found = Measured(sleep_us=12_000, prepare_us=7_000, collect_us=4_000, clock_ppm=-40)
print(found)
"""


def test_the_core_runs_on_micropython():
    assert run_on_micropython(SCRIPT) == (
        "sleep +12000, wait +0, tune 7000, open 0, collect 4000, interrupt None us; clock -40 ppm; budget 27 ms\n"
    )
