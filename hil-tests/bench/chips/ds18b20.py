"""DS18B20: thermometer on a 1-Wire line, bit by bit.

Source: Maxim DS18B20 data sheet (Rev 6): figure 7 (memory), tables 1 and 2 (temperature, resolution),
figures 13 and 14 (ROM and function commands). What counterfeits do differently: cpetrich/counterfeit_DS18B20.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from fractions import Fraction

from bench.chips.part import Part, Quantity, round_half_up
from bench.chips.ports import ForbiddenUse
from bench.schedule import Schedule

FAMILY = 0x28
CONVERSION_US = (93_750, 187_500, 375_000, 750_000)  # maximum for 9, 10, 11, 12 bits (table 2)
POWER_ON_RAW = 0x0550  # 85 degrees Celsius
FAILED_RAW = 0x07FF
EEPROM_WRITES = 50_000  # endurance, minimum; counterfeit family C: about 8
EEPROM_WRITE_US = 10_000

_SEARCH_ROM, _READ_ROM, _MATCH_ROM, _SKIP_ROM, _ALARM_SEARCH = 0xF0, 0x33, 0x55, 0xCC, 0xEC
_CONVERT, _WRITE_SCRATCHPAD, _READ_SCRATCHPAD, _COPY, _RECALL, _READ_POWER = 0x44, 0x4E, 0xBE, 0x48, 0xB8, 0xB4


class Make(Enum):
    """Who made it."""

    GENUINE = "genuine"
    CLONE_C = "clone C"
    """Byte 6 of the scratchpad stays 0C, EEPROM bears eight writes."""
    CLONE_D = "clone D"
    """Byte 6 stays 0C; answers within 30 ms."""


def crc8(data: bytes) -> int:
    """CRC-8/MAXIM, polynomial 0x31 reflected, start 0 (Maxim application note 27)."""
    crc = 0
    for byte in data:
        for position in range(8):
            feedback = (crc ^ byte >> position) & 1
            crc = crc >> 1 ^ (0x8C if feedback else 0)
    return crc


def rom_code(serial: int, make: Make = Make.GENUINE) -> bytes:
    """Family, 48-bit serial number, CRC. Genuine parts have zeros in the two upper serial bytes."""
    body = bytes((FAMILY,)) + serial.to_bytes(4, "little")
    body += bytes(2) if make is Make.GENUINE else b"\x64\xff"
    return body + bytes((crc8(body),))


class DS18B20(Part):
    """One thermometer. `temperature` gives 0.01 degrees Celsius.

    Faults: `no-response` (wire cut), `short-line` (wire shorted low), `crc` (a bit of the scratchpad flips),
    `power-on-value` (a brown-out at each conversion), `failed-conversion`.
    """

    FAULTS = frozenset({"no-response", "short-line", "crc", "power-on-value", "failed-conversion"})

    def __init__(
        self,
        schedule: Schedule,
        temperature: Quantity,
        *,
        serial: int = 0x00A1B2C3,
        make: Make = Make.GENUINE,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, powered)
        self._temperature = temperature
        self._make = make
        self.rom = rom_code(serial, make)
        self._eeprom = bytearray(b"\x4b\x46\x7f")
        self.eeprom_writes = 0
        self._raw = POWER_ON_RAW
        self._converted = False
        self._settings = bytearray(3)
        self._ready_us = 0
        self._converting = False
        self._showing_busy = False
        self._on_bit: Callable[[int], None] | None = None
        self._out: list[int] = []
        self._in = 0
        self._in_count = 0
        self._search_position = 0
        self._search_phase = 0
        self._start()

    # 1-Wire port

    def reset(self) -> bool:
        """A reset pulse; True when the line is seen low afterwards."""
        self._on_bit = None
        self._out = []
        self._showing_busy = False
        self._search_phase = 0
        if "short-line" in self.faults:
            return True
        if not self.powered or "no-response" in self.faults:
            return False
        self._collect(8, self._rom_command)
        return True

    def write_bit(self, bit: int) -> None:
        """One write slot."""
        if self._alive() and self._on_bit is not None:
            self._on_bit(bit)

    def read_bit(self) -> int:
        """One read slot: 0 pulls the line low."""
        if "short-line" in self.faults:
            return 0
        if not self._alive():
            return 1
        self._finish_conversion()
        if self._search_phase:
            return self._search_bit()
        if self._showing_busy:
            return int(not self._converting)  # flow chart: zeros while busy, when on external supply
        return self._out.pop(0) if self._out else 1

    def _alive(self) -> bool:
        return self.powered and not {"no-response", "short-line"} & self.faults

    # Commands

    def _collect(self, count: int, action: Callable[[int], None]) -> None:
        """Gather `count` bits, least significant first, then act on them."""
        self._in = 0
        self._in_count = 0

        def on_bit(bit: int) -> None:
            self._in |= bit << self._in_count
            self._in_count += 1
            if self._in_count == count:
                self._on_bit = None
                action(self._in)

        self._on_bit = on_bit

    def _send(self, data: bytes) -> None:
        self._out = [byte >> position & 1 for byte in data for position in range(8)]

    def _rom_command(self, command: int) -> None:
        if command == _SKIP_ROM:
            self._collect(8, self._function)
        elif command == _MATCH_ROM:
            self._collect(64, self._matched)
        elif command == _READ_ROM:
            self._send(self.rom)
            self._collect(8, self._function)
        elif command == _SEARCH_ROM or (command == _ALARM_SEARCH and self._alarm()):
            self._search_position = 0
            self._search_phase = 1
            self._on_bit = self._search_choice
        elif command != _ALARM_SEARCH:
            raise ForbiddenUse(f"DS18B20: {command:02X} is no ROM command (data sheet, figure 13)")

    def _matched(self, rom: int) -> None:
        if rom.to_bytes(8, "little") == self.rom:
            self._collect(8, self._function)

    def _search_bit(self) -> int:
        bit = self.rom[self._search_position >> 3] >> (self._search_position & 7) & 1
        if self._search_phase == 1:
            self._search_phase = 2
            return bit
        self._search_phase = 3
        return bit ^ 1

    def _search_choice(self, chosen: int) -> None:
        bit = self.rom[self._search_position >> 3] >> (self._search_position & 7) & 1
        if chosen != bit:
            self._on_bit = None
            self._search_phase = 0
            return
        self._search_position += 1
        self._search_phase = 1
        if self._search_position == 64:
            self._search_phase = 0
            self._collect(8, self._function)

    def _alarm(self) -> bool:
        whole_degrees = self._raw >> 4
        high, low = (int.from_bytes(self._settings[i : i + 1], "big", signed=True) for i in (0, 1))
        return whole_degrees >= high or whole_degrees <= low

    def _function(self, command: int) -> None:
        if command == _CONVERT:
            self._converting = self._showing_busy = True
            conversion_us = 30_000 if self._make is Make.CLONE_D else CONVERSION_US[self.resolution - 9]
            self._ready_us = self._schedule.now_us + conversion_us
        elif command == _READ_SCRATCHPAD:
            self._finish_conversion()
            self._read_scratchpad()
        elif command == _WRITE_SCRATCHPAD:
            self._collect(24, self._write_scratchpad)
        elif command == _COPY:
            self._copy()
        elif command == _RECALL:
            self._settings[:] = self._eeprom
        elif command == _READ_POWER:
            self._out = [1]  # 1: external supply
        else:
            raise ForbiddenUse(f"DS18B20: {command:02X} is no function command (data sheet, figure 14)")

    @property
    def resolution(self) -> int:
        """Bits of a conversion: 9..12."""
        return 9 + (self._settings[2] >> 5 & 3)

    def _write_scratchpad(self, value: int) -> None:
        data = value.to_bytes(3, "little")
        self._settings[:] = bytes((data[0], data[1], data[2] & 0x60 | 0x1F))

    def _copy(self) -> None:
        self.eeprom_writes += 1
        budget = 8 if self._make is Make.CLONE_C else EEPROM_WRITES
        if self.eeprom_writes > budget:
            raise ForbiddenUse(f"DS18B20: EEPROM written {self.eeprom_writes} times, it bears {budget}")
        self._eeprom[:] = self._settings
        self._converting = False

    # Measuring

    def _power_on(self) -> None:
        self._settings[:] = self._eeprom
        self._raw = POWER_ON_RAW
        self._converted = False
        self._converting = False
        self._on_bit = None
        self._out = []

    def _finish_conversion(self) -> None:
        if not self._converting or self._schedule.now_us < self._ready_us:
            return
        self._converting = False
        if "power-on-value" in self.faults:
            self._power_on()
        elif "failed-conversion" in self.faults:
            self._raw, self._converted = FAILED_RAW, True
        else:
            sixteenths = round_half_up(Fraction(self._temperature(self._ready_us)) * 16 / 100)
            self._raw, self._converted = max(-55 * 16, min(sixteenths, 125 * 16)), True

    def _read_scratchpad(self) -> None:
        # Bits below the resolution are undefined (table 1); a 12-bit conversion leaves them filled.
        raw = self._raw & 0xFFFF
        count_remain = 0x0C
        if self._converted and self._make is Make.GENUINE:
            count_remain = 0x10 - (raw & 0x0F)
        body = raw.to_bytes(2, "little") + bytes(self._settings) + bytes((0xFF, count_remain, 0x10))
        scratchpad = bytearray(body + bytes((crc8(body),)))
        if "crc" in self.faults:
            scratchpad[1] ^= 0x04
            self._play("temperature", "crc")
        elif not self._converted:
            self._play("temperature", "power-on-value")
        elif self._raw == FAILED_RAW:
            self._play("temperature", "failed-conversion")
        else:
            step = 1 << (12 - self.resolution)
            self._play("temperature", Fraction(self._raw // step * step * 100, 16))
        self._send(bytes(scratchpad))
