"""SHT4x, OPT3001, ADS1115 and the four electrodes on register-level models."""

from __future__ import annotations

from fractions import Fraction

import pytest

from bench.chips.ads1115 import ADS1115 as AdsModel
from bench.chips.alphasense import NO2_B43F, OX_B431, Cell, Label
from bench.chips.opt3001 import OPT3001 as OptModel
from bench.chips.sht4x import SHT4x as ShtModel
from bench.wires import HostI2C
from firmware.drivers import alphasense
from firmware.drivers.ads1115 import ADS1115
from firmware.drivers.isb import Electrodes4
from firmware.drivers.opt3001 import OPT3001
from firmware.drivers.sht4x import SHT4x


@pytest.fixture
def climate(schedule):
    return ShtModel(schedule, lambda now_us: 2131, lambda now_us: 487)


@pytest.fixture
def climate_driver(schedule, clock, climate):
    return SHT4x(HostI2C(schedule, [climate]), clock)


def test_climate_is_what_the_sensor_played(schedule, clock, measured, climate):
    schedule.run_until(5_000)

    temperature, humidity = measured(SHT4x(HostI2C(schedule, [climate]), clock))

    assert temperature == 2131
    assert humidity == 487


def test_humidity_beyond_the_physical_is_cut(schedule, clock, measured):
    model = ShtModel(schedule, lambda now_us: 2000, lambda now_us: 1030)
    schedule.run_until(5_000)

    assert measured(SHT4x(HostI2C(schedule, [model]), clock))[1] == 1000


@pytest.mark.parametrize(("fault", "word"), [("bus", "no-response"), ("crc", "crc")])
def test_climate_fault_is_told_by_its_word(schedule, measured, climate_driver, climate, fault, word):
    schedule.run_until(5_000)
    climate.fail(fault)

    assert measured(climate_driver) == (word, word)


@pytest.mark.parametrize("lux", [0, 1, 15, 143, 3000, 65_535, 80_000])
def test_illuminance_is_what_the_sensor_played(schedule, clock, measured, lux):
    model = OptModel(schedule, lambda now_us: lux)

    read = measured(OPT3001(HostI2C(schedule, [model]), clock))

    assert read == (2 * model.played[-1].value + 1) // 2
    assert read == pytest.approx(lux, rel=0.001, abs=1)


@pytest.mark.parametrize(
    ("fault", "word"), [("bus", "no-response"), ("no-data", "no-data"), ("saturated", "saturated")]
)
def test_light_fault_is_told_by_its_word(schedule, clock, measured, fault, word):
    model = OptModel(schedule, lambda now_us: 100)
    driver = OPT3001(HostI2C(schedule, [model]), clock)
    model.fail(fault)

    assert measured(driver) == word

    model.heal()
    assert measured(driver) == 100


def test_another_part_at_the_address_is_a_bus_fault(schedule, clock, measured, climate):
    class Impostor:
        address = 0x44

        def write(self, data):
            pass

        def read(self, count):
            return bytes(count)

    assert measured(OPT3001(HostI2C(schedule, [Impostor()]), clock)) == "bus"


def ads_reading(schedule, clock, measured, voltage_uv, full_scale_mv=2048):
    model = AdsModel(schedule, [lambda now_us: voltage_uv])
    return measured(ADS1115(HostI2C(schedule, [model]), clock, full_scale_mv=full_scale_mv))


@pytest.mark.parametrize("voltage_uv", [0, 62, 231_400, 1_000_000, 2_000_000])
def test_code_is_the_voltage_in_steps(schedule, clock, measured, voltage_uv):
    assert ads_reading(schedule, clock, measured, voltage_uv) * 62.5 == pytest.approx(voltage_uv, abs=32)


def test_input_beyond_the_range_is_saturated(schedule, clock, measured):
    assert ads_reading(schedule, clock, measured, 1_200_000, full_scale_mv=1024) == "saturated"


@pytest.mark.parametrize(
    ("fault", "word"), [("bus", "no-response"), ("no-data", "no-data"), ("saturated", "saturated")]
)
def test_converter_fault_is_told_by_its_word(schedule, clock, measured, fault, word):
    model = AdsModel(schedule, [lambda now_us: 300_000] * 4)
    driver = Electrodes4(ADS1115(HostI2C(schedule, [model]), clock), clock)
    model.fail(fault)

    assert measured(driver) == word

    model.heal()
    assert len(measured(driver)) == 4


def test_electrodes_are_averaged_over_the_window(schedule, clock, measured):
    def swinging(now_us):
        return 300_000 + (1000 if now_us // 5_000_000 % 2 else -1000)

    model = AdsModel(schedule, [swinging] * 4)
    driver = Electrodes4(ADS1115(HostI2C(schedule, [model]), clock), clock, rounds=12, window_ms=60_000)

    read = measured(driver)

    assert read == pytest.approx([300_000] * 4, abs=32)
    assert 55_000_000 <= schedule.now_us <= 60_000_000


NO2_LABEL = Label(222_000, 241_000, Fraction(250))
OX_LABEL = Label(235_000, 243_000, Fraction(361), Fraction(423))


@pytest.mark.parametrize("temperature", [-1500, 450, 2000, 3550])
@pytest.mark.parametrize(("no2", "o3"), [(0, 0), (21, 47), (180, 3), (-6, 12)])
def test_gases_come_back_from_the_electrodes_to_the_ppb(schedule, clock, measured, temperature, no2, o3):
    """What the models make of a concentration, the driver turns back, converter steps included."""
    surroundings = {"temperature": lambda now_us: temperature, "background": lambda now_us: 4_300}
    no2_cell = Cell(NO2_B43F, NO2_LABEL, concentration=lambda now_us: no2, **surroundings)
    ox_cell = Cell(OX_B431, OX_LABEL, concentration=lambda now_us: o3, no2=lambda now_us: no2, **surroundings)
    inputs = [no2_cell.working_uv, no2_cell.auxiliary_uv, ox_cell.working_uv, ox_cell.auxiliary_uv]
    adc = ADS1115(HostI2C(schedule, [AdsModel(schedule, inputs)]), clock, full_scale_mv=1024)

    we_no2, ae_no2, we_ox, ae_ox = measured(Electrodes4(adc, clock))

    no2_driver = alphasense.Electrodes(alphasense.NO2_B43F_NT, 222_000, 241_000, 250_000)
    ox_driver = alphasense.Electrodes(alphasense.OX_B431_NT, 235_000, 243_000, 361_000)
    read_no2 = no2_driver.ppb_centi(we_no2, ae_no2, temperature)
    heard = alphasense.cross_nv(read_no2, 423_000)
    read_o3 = ox_driver.ppb_centi(we_ox, ae_ox, temperature, heard)
    assert (read_no2 + 50) // 100 == no2
    assert (read_o3 + 50) // 100 == o3
