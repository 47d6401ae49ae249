"""SHT4x: temperature and humidity on I2C.

Source: Sensirion SHT4x data sheet: table 4 (times), section 4.3 (data), table 8 (commands), section 4.6
(conversion), section 4.9 (heater). It does not acknowledge while it measures, and it gives each result once.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from bench.chips.part import Part, Quantity, round_half_up
from bench.chips.ports import ForbiddenUse, Nak
from bench.schedule import Schedule

POWER_UP_US = 1_000
SOFT_RESET_US = 1_000


class _Command(NamedTuple):
    duration_us: int
    heats: bool = False


MEASURE = {
    0xFD: _Command(8_300),  # high repeatability
    0xF6: _Command(4_500),
    0xE0: _Command(1_600),
    0x39: _Command(1_100_000, heats=True),
    0x32: _Command(110_000, heats=True),
    0x2F: _Command(1_100_000, heats=True),
    0x24: _Command(110_000, heats=True),
    0x1E: _Command(1_100_000, heats=True),
    0x15: _Command(110_000, heats=True),
}
SERIAL, SOFT_RESET = 0x89, 0x94
HEATER_DUTY_PERCENT = 10  # section 4.9: at most a tenth of the life may be spent heating


def crc8(data: bytes) -> int:
    """CRC-8 of Sensirion words: polynomial 0x31, start 0xFF (BEEF gives 92)."""
    crc = 0xFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = (crc << 1 ^ (0x31 if crc & 0x80 else 0)) & 0xFF
    return crc


def word(value: int) -> bytes:
    """Two bytes and their CRC."""
    data = value.to_bytes(2, "big")
    return data + bytes((crc8(data),))


class SHT4x(Part):
    """The chip. `temperature` gives 0.01 degrees Celsius, `humidity` 0.1 %RH.

    Faults: `bus` (does not acknowledge), `crc` (a bit flips), `no-data` (never finishes a measurement).
    """

    FAULTS = frozenset({"bus", "crc", "no-data"})

    def __init__(
        self,
        schedule: Schedule,
        temperature: Quantity,
        humidity: Quantity,
        *,
        address: int = 0x44,
        serial: int = 0x0BADCAFE,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, powered)
        self.address = address
        self._temperature = temperature
        self._humidity = humidity
        self._serial = serial
        self._busy_until_us = 0
        self._answer: bytes | None = None
        self._measured: tuple[int, int] | None = None
        self._heated_us = 0
        self._start()

    def _power_on(self) -> None:
        self._busy_until_us = self._schedule.now_us + POWER_UP_US
        self._answer = None
        self._measured = None
        self._heated_us = 0

    def write(self, data: bytes) -> None:
        """One command byte; none is a probe."""
        self._acknowledge()
        if not data:
            return
        if len(data) != 1:
            raise ForbiddenUse(f"SHT4x: commands are one byte, not {data.hex(' ')} (data sheet, table 8)")
        code = data[0]
        now_us = self._schedule.now_us
        if code in MEASURE:
            command = MEASURE[code]
            self._busy_until_us = now_us + command.duration_us
            self._sample(self._busy_until_us)
            if command.heats:
                self._heated_us += command.duration_us
                powered_us = now_us + command.duration_us - self.powered_since_us
                if self._heated_us > 10_000_000 and self._heated_us * 100 > powered_us * HEATER_DUTY_PERCENT:
                    raise ForbiddenUse("SHT4x: heater on for more than a tenth of the time (data sheet, section 4.9)")
        elif code == SERIAL:
            self._answer, self._measured = word(self._serial >> 16) + word(self._serial & 0xFFFF), None
        elif code == SOFT_RESET:
            self._busy_until_us = now_us + SOFT_RESET_US
            self._answer = self._measured = None
        else:
            raise ForbiddenUse(f"SHT4x: {code:02X} is no command (data sheet, table 8)")

    def read(self, count: int) -> bytes:
        """The answer to the last command, once; more bytes than it has read FF."""
        self._acknowledge()
        if self._answer is None or "no-data" in self.faults:
            raise Nak
        answer = bytearray(self._answer)
        if "crc" in self.faults:
            answer[1] ^= 0x10
        if self._measured is not None:
            self._tell_played(*self._measured)
        self._answer = self._measured = None
        return bytes(answer[:count]).ljust(count, b"\xff")

    def _acknowledge(self) -> None:
        if not self.powered or "bus" in self.faults or self._schedule.now_us < self._busy_until_us:
            raise Nak

    def _sample(self, when_us: int) -> None:
        # Section 4.6: T = -45 + 175 * S / 65535 degrees Celsius, RH = -6 + 125 * S / 65535 %
        t_ticks = round_half_up((Fraction(self._temperature(when_us)) / 100 + 45) * 65535 / 175)
        rh_ticks = round_half_up((Fraction(self._humidity(when_us)) / 10 + 6) * 65535 / 125)
        self._measured = (max(0, min(t_ticks, 65535)), max(0, min(rh_ticks, 65535)))
        self._answer = word(self._measured[0]) + word(self._measured[1])

    def _tell_played(self, t_ticks: int, rh_ticks: int) -> None:
        if "crc" in self.faults:
            self._play("temperature", "crc")
            self._play("humidity", "crc")
            return
        self._play("temperature", Fraction(17500 * t_ticks, 65535) - 4500)
        self._play("humidity", Fraction(1250 * rh_ticks, 65535) - 60)
