from fractions import Fraction

import pytest

from bench.chips.alphasense import NO2_B43F, OX_B431, Cell, Label
from bench.chips.am312 import AM312, DEAD_US, HOLD_US
from bench.chips.battery import Battery
from bench.schedule import Schedule
from bench.wires import HostADC, HostPin

S = 1_000_000


def movements(*seconds):
    times = [int(s * S) for s in seconds]
    return lambda now_us: next((t for t in times if t > now_us), None)


def edges_of(model, schedule, until_s):
    edges = []
    model.line.watch(lambda level: edges.append((schedule.now_us, level)))
    schedule.run_until(until_s * S)
    return edges


class TestAM312:
    def test_a_movement_is_one_pulse_of_the_hold_time(self):
        schedule = Schedule()
        model = AM312(schedule, movements(5))
        assert edges_of(model, schedule, 20) == [(5 * S, 1), (5 * S + HOLD_US, 0)]

    def test_movement_within_the_hold_time_prolongs_it(self):
        schedule = Schedule()
        model = AM312(schedule, movements(5, 6, 7))
        assert edges_of(model, schedule, 20) == [(5 * S, 1), (7 * S + HOLD_US, 0)]
        assert len(model.played) == 1

    def test_it_is_deaf_after_a_pulse(self):
        schedule = Schedule()
        end_s = (HOLD_US + DEAD_US) / S
        model = AM312(schedule, movements(5, 5 + end_s - 0.1, 5 + end_s + 0.1))
        assert len(edges_of(model, schedule, 30)) == 4
        assert len(model.played) == 2

    def test_wisblock_module_is_active_low(self):
        schedule = Schedule()
        model = AM312(schedule, movements(5), active=0)
        assert model.line.level == 1
        assert edges_of(model, schedule, 20)[0] == (5 * S, 0)

    def test_edges_reach_an_interrupt_handler_at_their_instant(self):
        schedule = Schedule()
        model = AM312(schedule, movements(5, 15))
        seen = []
        HostPin(model.line).irq(lambda pin: seen.append((schedule.now_us, pin.value())), HostPin.IRQ_RISING)
        schedule.run_until(30 * S)
        assert seen == [(5 * S, 1), (15 * S, 1)]

    def test_a_transmitter_nearby_triggers_it_only_with_that_fault(self):
        schedule = Schedule()
        model = AM312(schedule, movements())
        model.disturb()
        assert model.line.level == 0
        model.fail("interference")
        model.disturb()
        assert model.line.level == 1

    def test_warm_up_gives_stray_pulses(self):
        schedule = Schedule()
        model = AM312(schedule, movements(), powered=False)
        model.fail("warm-up")
        model.set_power(True)
        schedule.run_until(40 * S)
        assert 1 <= len(model.played) <= 3

    def test_without_supply_the_output_rests_and_nothing_is_seen(self):
        schedule = Schedule()
        model = AM312(schedule, movements(5, 6, 12))
        schedule.run_until(int(5.5 * S))
        model.set_power(False)
        assert model.line.level == 0
        schedule.run_until(10 * S)
        model.set_power(True)
        schedule.run_until(20 * S)
        assert [entry.time_us for entry in model.played] == [5 * S, 12 * S]


class TestBattery:
    def test_the_wisblock_divider_shows_three_fifths(self):
        schedule = Schedule()
        battery = Battery(schedule, lambda now_us: 3600, r_top_ohm=1_000_000, r_bottom_ohm=1_500_000)
        assert HostADC(schedule, battery).read_uv() == 2_160_000
        assert battery.played[-1][1:] == ("battery", 3600)

    def test_sixteen_bits_come_from_twelve(self):
        schedule = Schedule()
        adc = HostADC(schedule, lambda now_us: 1_650_000)
        assert adc.read_u16() == 2048 << 4 | 2048 >> 8
        assert HostADC(schedule, lambda now_us: 9_000_000).read_u16() == 0xFFFF

    @pytest.mark.parametrize("vector_id", ["vbat-2232", "vbat-3000"])
    def test_a_voltage_gives_the_code_of_the_vectors(self, vectors, vector_id):
        vector = vectors[vector_id]
        schedule = Schedule()
        battery = Battery(
            schedule,
            lambda now_us: round(vector["expected"] * 1000),
            r_top_ohm=int(vector["r_top"]),
            r_bottom_ohm=int(vector["r_bottom"]),
        )
        adc = HostADC(schedule, battery, full_scale_uv=round(vector["full_scale_v"] * 1e6))
        assert adc.read_u16() >> 4 == pytest.approx(vector["adc"], abs=1)

    def test_an_open_tap_floats_at_zero(self):
        schedule = Schedule()
        battery = Battery(schedule, lambda now_us: 3600, r_top_ohm=1, r_bottom_ohm=1)
        battery.fail("no-response")
        assert HostADC(schedule, battery).read_uv() == 0


class TestAlphasense:
    @pytest.mark.parametrize(
        ("vector_id", "kind"),
        [
            ("alpha-no2-231.4-20", NO2_B43F),
            ("alpha-no2-240.0-5", NO2_B43F),
            ("alpha-no2-236.2-35", NO2_B43F),
            ("alpha-no2-225.0--35", NO2_B43F),
            ("alpha-o3-262.0-20", OX_B431),
            ("alpha-o3-250.5-8", OX_B431),
        ],
    )
    def test_a_cell_gives_the_voltages_of_which_the_vectors_tell_the_concentration(self, vectors, vector_id, kind):
        vector = vectors[vector_id]
        cal, expected = vector["cal"], vector["expected"]
        ppb = Fraction(str(expected.get("no2_ppb", expected.get("o3_ppb"))))
        label = Label(
            we_electronic_uv=cal["we_electronic_mv"] * 1000,
            ae_electronic_uv=cal["ae_electronic_mv"] * 1000,
            sensitivity_uv_ppb=Fraction(str(cal["sens_mv_ppb"])) * 1000,
            no2_sensitivity_uv_ppb=Fraction(str(cal.get("sens_no2_mv_ppb", 0))) * 1000,
        )
        background_uv = (Fraction(str(vector["ae_mv"])) - cal["ae_electronic_mv"]) * 1000
        cell = Cell(
            kind,
            label,
            concentration=lambda now_us: ppb,
            temperature=lambda now_us: vector["temp_c"] * 100,
            background=lambda now_us: background_uv,
            no2=lambda now_us: Fraction(str(vector.get("no2_ppb", 0))),
        )

        assert cell.auxiliary_uv(0) == round(vector["ae_mv"] * 1000)
        assert cell.working_uv(0) == pytest.approx(vector["we_mv"] * 1000, abs=3)
        assert float(kind.ratio(Fraction(vector["temp_c"]))) == pytest.approx(expected["n_T"])

    def test_the_table_is_held_at_its_ends(self):
        assert NO2_B43F.ratio(Fraction(-60)) == Fraction("1.3")
        assert NO2_B43F.ratio(Fraction(80)) == Fraction("-1.5")
