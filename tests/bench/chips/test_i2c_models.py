from fractions import Fraction

import pytest

from bench.chips import ads1115, opt3001, sht4x
from bench.chips.ports import ForbiddenUse, Nak
from bench.schedule import Schedule
from bench.wires import HostI2C


def bus_with(make, *args, **settings):
    schedule = Schedule()
    model = make(schedule, *args, **settings)
    schedule.run_until(10_000)
    return schedule, model, HostI2C(schedule, [model])


def wait(schedule, us):
    schedule.run_until(schedule.now_us + us)


class TestSHT4x:
    @pytest.mark.parametrize("vector_id", ["sens-crc-1", "sens-crc-2", "sens-crc-3", "sens-crc-4"])
    def test_crc_equals_the_published_one(self, vectors, vector_id):
        vector = vectors[vector_id]
        assert sht4x.crc8(bytes.fromhex(vector["bytes"])) == vector["expected"]

    @pytest.mark.parametrize("vector_id", ["6666-8000", "63ae-5c29", "0000-0000", "5555-0a3d"])
    def test_answers_equal_the_vectors(self, vectors, vector_id):
        vector = vectors[f"sht4x-{vector_id}"]
        t, rh = Fraction(str(vector["expected"]["t_c"])), Fraction(str(vector["expected"]["rh_pct"]))
        schedule, model, bus = bus_with(sht4x.SHT4x, lambda now_us: t * 100, lambda now_us: rh * 10)

        bus.writeto(0x44, b"\xfd")
        wait(schedule, 8_300)

        assert bus.readfrom(0x44, 6) == bytes.fromhex(vector["bytes"])
        assert float(model.played[0].value) == pytest.approx(float(t * 100), abs=0.5)
        assert float(model.played[1].value) == pytest.approx(float(rh * 10), abs=0.02)

    @pytest.mark.parametrize(("command", "busy_us"), [(0xFD, 8_300), (0xF6, 4_500), (0xE0, 1_600)])
    def test_it_does_not_acknowledge_while_it_measures(self, command, busy_us):
        schedule, model, _ = bus_with(sht4x.SHT4x, lambda now_us: 2000, lambda now_us: 500)
        model.write(bytes((command,)))
        wait(schedule, busy_us - 1)
        with pytest.raises(Nak):
            model.read(6)
        wait(schedule, 1)
        assert len(model.read(6)) == 6

    def test_a_result_is_given_once(self):
        schedule, _, bus = bus_with(sht4x.SHT4x, lambda now_us: 2000, lambda now_us: 500)
        bus.writeto(0x44, b"\xfd")
        wait(schedule, 8_300)
        bus.readfrom(0x44, 6)

        with pytest.raises(OSError, match="19"):
            bus.readfrom(0x44, 6)

    def test_serial_number_reset_and_unknown_command(self):
        schedule, model, bus = bus_with(sht4x.SHT4x, lambda now_us: 0, lambda now_us: 0, serial=0xBEEF8000)
        bus.writeto(0x44, b"\x89")
        assert bus.readfrom(0x44, 6).hex() == "beef928000a2"

        bus.writeto(0x44, b"\x94")
        with pytest.raises(Nak):
            model.write(b"")
        wait(schedule, 1_000)
        with pytest.raises(ForbiddenUse, match="table 8"):
            bus.writeto(0x44, b"\x2c\x06")

    def test_faults(self):
        schedule, model, bus = bus_with(sht4x.SHT4x, lambda now_us: 2500, lambda now_us: 500)
        model.fail("crc")
        bus.writeto(0x44, b"\xfd")
        wait(schedule, 8_300)
        answer = bus.readfrom(0x44, 6)
        assert sht4x.crc8(answer[:2]) != answer[2]
        assert model.played[-1].value == "crc"

        model.heal()
        model.fail("bus")
        assert bus.scan() == []

    def test_a_heater_that_is_never_off_is_forbidden(self):
        schedule, _, bus = bus_with(sht4x.SHT4x, lambda now_us: 2500, lambda now_us: 500)

        def heat(seconds):
            for _ in range(seconds):
                bus.writeto(0x44, b"\x39")
                wait(schedule, 1_100_000)

        with pytest.raises(ForbiddenUse, match="tenth of the time"):
            heat(20)


class TestADS1115:
    @staticmethod
    def measure(schedule, bus, config, wait_us=10_000):
        bus.writeto_mem(0x48, 1, config.to_bytes(2, "big"))
        wait(schedule, wait_us)
        return int.from_bytes(bus.readfrom_mem(0x48, 0, 2), "big")

    def test_reset_values(self):
        _, _, bus = bus_with(ads1115.ADS1115, [])
        assert [bus.readfrom_mem(0x48, register, 2).hex() for register in range(4)] == ["0000", "8583", "8000", "7fff"]

    @pytest.mark.parametrize(
        ("vector_id", "config"),
        [("0001-6.144", 0xC183), ("4000-4.096", 0xC383), ("1f40-0.256", 0xCB83), ("7fff-2.048", 0xC583)],
    )
    def test_codes_equal_the_vectors(self, vectors, vector_id, config):
        vector = vectors[f"ads1115-{vector_id}"]
        expected = vector["expected"]
        volts = 2.1 if isinstance(expected, dict) else expected
        schedule, model, bus = bus_with(ads1115.ADS1115, [lambda now_us: round(volts * 1e6)])

        code = self.measure(schedule, bus, config)

        assert code == int(vector["bytes"].replace(" ", ""), 16)
        if isinstance(expected, dict):
            assert model.played[-1] == (model.played[-1].time_us, "ain0", "saturated")
        else:
            assert float(model.played[-1].value) == pytest.approx(expected * 1e4, abs=0.01)

    @pytest.mark.parametrize(
        ("vector_id", "name", "code"),
        [("cfg-c583", "ain0", 16_000), ("cfg-d383", "ain1", 4_000), ("cfg-8583", "ain0-ain1", 8_000)],
    )
    def test_configurations_of_the_vectors_choose_input_and_range(self, vectors, vector_id, name, code):
        config = int(vectors[f"ads1115-{vector_id}"]["expected"].replace(" ", ""), 16)
        schedule, model, bus = bus_with(ads1115.ADS1115, [lambda now_us: 1_000_000, lambda now_us: 500_000])
        assert self.measure(schedule, bus, config) == code
        assert model.played[-1].quantity == name

    def test_the_old_result_stays_until_the_conversion_is_done(self):
        schedule, _, bus = bus_with(ads1115.ADS1115, [lambda now_us: 1_000_000])

        assert self.measure(schedule, bus, 0xC583, wait_us=7_000) == 0
        assert int.from_bytes(bus.readfrom_mem(0x48, 1, 2), "big") & 0x8000 == 0
        wait(schedule, 2_000)
        assert int.from_bytes(bus.readfrom_mem(0x48, 1, 2), "big") & 0x8000
        assert int.from_bytes(bus.readfrom_mem(0x48, 0, 2), "big") == 16_000

    def test_a_converter_may_be_ten_percent_slow(self):
        schedule, model, _ = bus_with(ads1115.ADS1115, [lambda now_us: 1_000_000])
        model.write(b"\x01\xc5\x83")
        model.write(b"\x01")
        wait(schedule, 8_593 + 29)
        assert not model.read(2)[0] & 0x80
        wait(schedule, 2)
        assert model.read(2)[0] & 0x80

    def test_each_channel_and_a_difference(self):
        volts = [lambda now_us, v=v: v for v in (100_000, 200_000, 300_000, 400_000)]
        schedule, model, bus = bus_with(ads1115.ADS1115, volts)

        codes = [self.measure(schedule, bus, 0x8583 | mux << 12) for mux in (4, 5, 6, 7)]
        difference = self.measure(schedule, bus, 0x8583)

        assert codes == [1600, 3200, 4800, 6400]
        assert difference == 0x10000 - 1600
        assert model.played[-1].quantity == "ain0-ain1"

    def test_continuous_conversion_follows_the_input(self):
        level = [100_000]
        schedule, _, bus = bus_with(ads1115.ADS1115, [lambda now_us: level[0]])
        assert self.measure(schedule, bus, 0x4483) == 1600
        level[0] = 200_000
        wait(schedule, 10_000)
        assert int.from_bytes(bus.readfrom_mem(0x48, 0, 2), "big") == 3200

    def test_brown_out_brings_the_reset_values_back(self):
        schedule, model, bus = bus_with(ads1115.ADS1115, [lambda now_us: 1_000_000])
        self.measure(schedule, bus, 0xC583)
        model.set_power(False)
        with pytest.raises(OSError, match="19"):
            bus.readfrom_mem(0x48, 0, 2)
        model.set_power(True)
        assert bus.readfrom_mem(0x48, 0, 2) == b"\x00\x00"

    def test_an_input_beyond_the_supply_is_forbidden(self):
        schedule, _, bus = bus_with(ads1115.ADS1115, [lambda now_us: 5_000_000])
        with pytest.raises(ForbiddenUse, match="AIN0"):
            self.measure(schedule, bus, 0xC183)

    def test_saturated_and_no_data(self):
        schedule, model, bus = bus_with(ads1115.ADS1115, [lambda now_us: 0])
        model.fail("saturated")
        assert self.measure(schedule, bus, 0xC583) == 0x7FFF
        model.heal()
        model.fail("no-data")
        self.measure(schedule, bus, 0xC583, wait_us=1_000_000)
        assert not bus.readfrom_mem(0x48, 1, 2)[0] & 0x80


class TestOPT3001:
    def test_reset_values_and_identity(self):
        _, _, bus = bus_with(opt3001.OPT3001, lambda now_us: 0)
        read = [bus.readfrom_mem(0x44, register, 2).hex() for register in (0, 1, 2, 3, 0x7E, 0x7F)]
        assert read == ["0000", "c810", "c000", "bfff", "5449", "3001"]

    @pytest.mark.parametrize("code", ["0001", "0fff", "789a", "8800", "a200", "b100", "bfff"])
    def test_codes_mean_what_the_datasheet_says(self, vectors, code):
        assert opt3001.lux_x100(int(code, 16)) == round(vectors[f"opt3001-{code}"]["expected"] * 100)

    @pytest.mark.parametrize(
        ("lux", "code"), [(Fraction("0.01"), 0x0001), (Fraction("40.95"), 0x0FFF), (Fraction("2818.56"), 0x789A)]
    )
    def test_automatic_range_takes_the_smallest_exponent_that_holds(self, lux, code):
        assert opt3001.encode(lux, None) == (code, False)

    def test_a_single_shot_ends_in_shutdown_with_the_ready_flag_that_reading_clears(self):
        schedule, model, bus = bus_with(opt3001.OPT3001, lambda now_us: 143)
        bus.writeto_mem(0x44, 1, b"\xca\x10")
        assert bus.readfrom_mem(0x44, 1, 2).hex() == "ca10"

        wait(schedule, 890_000)

        assert bus.readfrom_mem(0x44, 1, 2).hex() == "c890"
        assert bus.readfrom_mem(0x44, 1, 2).hex() == "c810"
        assert opt3001.lux_x100(int.from_bytes(bus.readfrom_mem(0x44, 0, 2), "big")) == 14300
        assert model.played[-1].value == 143

    @pytest.mark.parametrize(("config", "ready_us"), [(b"\xca\x10", 890_000), (b"\xc2\x10", 120_000)])
    def test_conversion_times_with_a_slow_oscillator_and_automatic_range(self, config, ready_us):
        schedule, model, _ = bus_with(opt3001.OPT3001, lambda now_us: 143)
        model.write(b"\x01" + config)
        wait(schedule, ready_us - 1)
        assert not model.read(2)[1] & 0x80
        wait(schedule, 1)
        assert model.read(2)[1] & 0x80

    def test_too_much_light_sets_the_overflow_flag(self):
        schedule, model, bus = bus_with(opt3001.OPT3001, lambda now_us: 90_000)
        bus.writeto_mem(0x44, 1, b"\xc2\x10")
        wait(schedule, 120_000)
        assert bus.readfrom_mem(0x44, 1, 2)[0] & 0x01
        assert bus.readfrom_mem(0x44, 0, 2).hex() == "bfff"
        assert model.played[-1].value == "saturated"

    def test_a_result_before_any_conversion_is_no_data(self):
        _, model, bus = bus_with(opt3001.OPT3001, lambda now_us: 143)
        bus.readfrom_mem(0x44, 0, 2)
        assert model.played[-1].value == "no-data"

    def test_limits_raise_the_flags(self):
        schedule, _, bus = bus_with(opt3001.OPT3001, lambda now_us: 5000)
        bus.writeto_mem(0x44, 3, b"\x00\x01")
        bus.writeto_mem(0x44, 1, b"\xc2\x10")
        wait(schedule, 120_000)
        assert bus.readfrom_mem(0x44, 1, 2)[1] & 0x40

    def test_read_only_registers_are_refused(self):
        _, _, bus = bus_with(opt3001.OPT3001, lambda now_us: 5000)
        with pytest.raises(ForbiddenUse, match="read only"):
            bus.writeto_mem(0x44, 0x7E, b"\x00\x00")
