from fractions import Fraction

import pytest

from bench.chips.ds18b20 import DS18B20, Make, crc8
from bench.chips.ports import ForbiddenUse
from bench.schedule import Schedule
from bench.wires import HostDS18X20, HostOneWire, OneWireError


class Bench:
    def __init__(self, temperature=2100, **settings):
        self.schedule = Schedule()
        self.model = DS18B20(self.schedule, lambda now_us: temperature, **settings)
        self.line = HostOneWire(self.schedule, [self.model])
        self.thermometers = HostDS18X20(self.line)

    def measure(self, wait_ms=750):
        self.thermometers.convert_temp()
        self.schedule.run_until(self.schedule.now_us + wait_ms * 1000)
        return bytes(self.thermometers.read_scratch(self.model.rom))


@pytest.mark.parametrize("vector_id", ["07d0", "0550", "0191", "0008", "0000", "fff8", "fc90"])
def test_scratchpads_equal_the_published_ones(vectors, vector_id):
    vector = vectors[f"ds18b20-{vector_id}"]
    bench = Bench(temperature=Fraction(vector["expected"]) * 100)

    assert bench.measure() == bytes.fromhex(vector["bytes"])
    assert bench.model.played[-1].value == Fraction(vector["expected"]) * 100


@pytest.mark.parametrize("vector_id", ["onewire-rom-021cb801", "onewire-rom-28139bbb", "onewire-rom-28aa3c61"])
def test_crc_equals_the_published_one(vectors, vector_id):
    vector = vectors[vector_id]

    assert crc8(bytes.fromhex(vector["bytes"])) == vector["expected"]


def test_before_any_conversion_it_shows_the_power_on_value(vectors):
    bench = Bench()

    assert bytes(bench.thermometers.read_scratch(bench.model.rom)) == bytes.fromhex(vectors["ds18b20-por"]["bytes"])
    assert bench.model.played[-1].value == "power-on-value"


def test_a_true_85_degrees_differs_from_the_power_on_value(vectors):
    bench = Bench(temperature=8500)

    assert bench.measure() == bytes.fromhex(vectors["ds18b20-85-real"]["bytes"])


def test_reading_too_early_gives_the_old_value():
    bench = Bench()

    assert bench.measure(wait_ms=700)[:2] == b"\x50\x05"


@pytest.mark.parametrize(("config", "wait_ms"), [(0x1F, 94), (0x3F, 188), (0x5F, 375), (0x7F, 750)])
def test_conversion_time_follows_the_resolution(config, wait_ms):
    bench = Bench()
    bench.thermometers.write_scratch(bench.model.rom, bytes((0x4B, 0x46, config)))

    assert bench.measure(wait_ms=wait_ms - 10)[:2] == b"\x50\x05"
    assert bench.measure(wait_ms=wait_ms)[:2] == b"\x50\x01"


def test_nine_bits_play_half_degrees_and_leave_undefined_bits_on_the_wire():
    bench = Bench(temperature=Fraction(250625, 100))
    bench.thermometers.write_scratch(bench.model.rom, b"\x4b\x46\x1f")

    assert bench.measure()[:2] == b"\x91\x01"
    assert bench.model.played[-1].value == 2500


def test_a_busy_part_answers_read_slots_with_zero():
    bench = Bench()
    bench.thermometers.convert_temp()

    assert bench.line.readbit() == 0
    bench.schedule.run_until(bench.schedule.now_us + 750_000)
    assert bench.line.readbit() == 1


def test_search_finds_every_part_on_the_line():
    schedule = Schedule()
    parts = [DS18B20(schedule, lambda now_us: 0, serial=serial) for serial in (1, 2, 3, 0x80000001)]
    line = HostOneWire(schedule, parts)

    assert sorted(bytes(rom) for rom in line.scan()) == sorted(part.rom for part in parts)


def test_only_the_addressed_part_answers():
    schedule = Schedule()
    warm = DS18B20(schedule, lambda now_us: 3000, serial=1)
    cold = DS18B20(schedule, lambda now_us: -500, serial=2)
    thermometers = HostDS18X20(HostOneWire(schedule, [warm, cold]))
    thermometers.convert_temp()
    schedule.run_until(schedule.now_us + 750_000)

    assert thermometers.read_temp(warm.rom) == 30.0
    assert thermometers.read_temp(cold.rom) == -5.0


def test_read_rom_gives_the_code_of_a_single_part():
    bench = Bench()
    bench.line.reset()
    bench.line.writebyte(0x33)
    code = bytearray(8)
    bench.line.readinto(code)

    assert bytes(code) == bench.model.rom


def test_genuine_and_clone_differ_in_rom_and_byte_six():
    assert Bench().model.rom[5:7] == b"\x00\x00"
    assert Bench(make=Make.CLONE_C).model.rom[5:7] != b"\x00\x00"
    assert Bench(make=Make.CLONE_C).measure()[6] == 0x0C


def test_clone_d_is_done_in_30_ms():
    assert Bench(make=Make.CLONE_D).measure(wait_ms=30)[:2] == b"\x50\x01"


def test_a_cut_wire_gives_no_presence():
    bench = Bench()
    bench.model.fail("no-response")

    with pytest.raises(OneWireError):
        bench.thermometers.convert_temp()


def test_a_shorted_line_passes_the_crc_with_nine_zeros():
    bench = Bench()
    bench.model.fail("short-line")

    assert bench.measure() == bytes(9)


def test_a_flipped_bit_fails_the_crc():
    bench = Bench()
    bench.model.fail("crc")

    with pytest.raises(Exception, match="CRC error"):
        bench.measure()


def test_fault_words_of_a_conversion():
    bench = Bench()
    bench.model.fail("power-on-value")
    assert bench.measure()[:7].hex(" ") == "50 05 4b 46 7f ff 0c"

    bench.model.heal()
    bench.model.fail("failed-conversion")
    assert bench.measure()[:2] == b"\xff\x07"
    assert bench.model.played[-1].value == "failed-conversion"


def test_settings_come_back_from_eeprom_after_a_power_cut_only_if_copied():
    bench = Bench()
    bench.thermometers.write_scratch(bench.model.rom, b"\x4b\x46\x1f")
    bench.model.set_power(False)
    bench.model.set_power(True)
    assert bench.model.resolution == 12

    bench.thermometers.write_scratch(bench.model.rom, b"\x4b\x46\x1f")
    bench.line.select_rom(bench.model.rom)
    bench.line.writebyte(0x48)
    bench.model.set_power(False)
    bench.model.set_power(True)
    assert bench.model.resolution == 9


def test_the_ninth_eeprom_write_of_clone_c_is_forbidden():
    bench = Bench(make=Make.CLONE_C)

    def copy_scratchpad():
        bench.line.select_rom(bench.model.rom)
        bench.line.writebyte(0x48)

    for _ in range(8):
        copy_scratchpad()
    with pytest.raises(ForbiddenUse, match="EEPROM"):
        copy_scratchpad()


def test_alarm_search_answers_outside_the_limits_only():
    bench = Bench(temperature=9000)
    bench.line.SEARCH_ROM = 0xEC
    bench.thermometers.write_scratch(bench.model.rom, bytes((100, 0, 0x7F)))
    bench.measure()
    assert bench.line.scan() == []

    bench.thermometers.write_scratch(bench.model.rom, bytes((80, 0, 0x7F)))
    assert len(bench.line.scan()) == 1
