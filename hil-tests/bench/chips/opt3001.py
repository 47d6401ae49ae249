"""OPT3001: illuminance on I2C.

Source: TI SBOS681: section 7.6 (registers), table 7 (range), table 11 (configuration), section 6.5
(conversion time within 10 %), section 8.1.3 (auto-range costs 10 ms more).
"""

from __future__ import annotations

from fractions import Fraction

from bench.chips.part import Part, Quantity
from bench.chips.ports import ForbiddenUse, Nak
from bench.schedule import Schedule

RESULT, CONFIG, LOW_LIMIT, HIGH_LIMIT, MANUFACTURER, DEVICE = 0x00, 0x01, 0x02, 0x03, 0x7E, 0x7F
RESET = {RESULT: 0x0000, CONFIG: 0xC810, LOW_LIMIT: 0xC000, HIGH_LIMIT: 0xBFFF, MANUFACTURER: 0x5449, DEVICE: 0x3001}
AUTO_RANGE = 0xC
TOP_EXPONENT = 0xB
_CT, _OVF, _CRF, _FH, _FL, _LATCH = 0x0800, 0x0100, 0x0080, 0x0040, 0x0020, 0x0010
_FLAGS = _OVF | _CRF | _FH | _FL
CONVERSION_US = (110_000, 880_000)  # 100 ms and 800 ms, 10 % slow
AUTO_RANGE_US = 10_000


def lux_x100(code: int) -> int:
    """What a result or limit register means, in 0.01 lx (equation 3)."""
    return (code & 0x0FFF) << (code >> 12)


def encode(lux: int | Fraction, exponent: int | None) -> tuple[int, bool]:
    """Register code and overflow of an illuminance; without an exponent the smallest that holds it."""
    hundredths = Fraction(lux) * 100
    exponents = range(TOP_EXPONENT + 1) if exponent is None else (exponent,)
    for candidate in exponents:
        mantissa = (hundredths / (1 << candidate) + Fraction(1, 2)).__floor__()
        if mantissa <= 0x0FFF:
            return candidate << 12 | mantissa, False
    return exponents[-1] << 12 | 0x0FFF, True


class OPT3001(Part):
    """The chip. `illuminance` gives lx.

    Faults: `bus` (does not acknowledge), `no-data` (never ready), `saturated` (sun in the lens).
    """

    FAULTS = frozenset({"bus", "no-data", "saturated"})

    def __init__(self, schedule: Schedule, illuminance: Quantity, *, address: int = 0x44, powered: bool = True) -> None:
        super().__init__(schedule, powered)
        self.address = address
        self._illuminance = illuminance
        self._registers = dict(RESET)
        self._pointer = 0
        self._ready_us: int | None = None
        self._valid = False
        self._start()

    def _power_on(self) -> None:
        self._registers = dict(RESET)
        self._pointer = 0
        self._ready_us = None
        self._valid = False

    def write(self, data: bytes) -> None:
        """Register address, then its two bytes if it is written."""
        self._acknowledge()
        if not data:
            return
        if data[0] not in self._registers or len(data) not in {1, 3}:
            raise ForbiddenUse(f"OPT3001: write of {data.hex(' ')} is no register access (SBOS681, table 6)")
        self._pointer = data[0]
        if len(data) == 1:
            return
        self._finish()
        value = int.from_bytes(data[1:], "big")
        if self._pointer == CONFIG:
            self._configure(value)
        elif self._pointer in {LOW_LIMIT, HIGH_LIMIT}:
            self._registers[self._pointer] = value
        else:
            raise ForbiddenUse(f"OPT3001: register {self._pointer:02X} is read only (SBOS681, table 6)")

    def read(self, count: int) -> bytes:
        """The register at the pointer. Reading the configuration clears CRF and, when latched, FH and FL."""
        self._acknowledge()
        self._finish()
        value = self._registers[self._pointer]
        if self._pointer == CONFIG:
            self._registers[CONFIG] &= ~_CRF
            if value & _LATCH:
                self._registers[CONFIG] &= ~(_FH | _FL)
        elif self._pointer == RESULT:
            self._tell_played(value)
        return (value.to_bytes(2, "big") * count)[:count]

    def _acknowledge(self) -> None:
        if not self.powered or "bus" in self.faults:
            raise Nak

    def _configure(self, value: int) -> None:
        mode = value >> 9 & 3
        kept = self._registers[CONFIG] & _FLAGS
        if mode:
            kept &= ~_CRF  # table 11: writing a conversion mode clears the flag
        self._registers[CONFIG] = value & ~_FLAGS | kept
        self._ready_us = None if mode == 0 else self._schedule.now_us + self._duration_us(value)

    @staticmethod
    def _duration_us(config: int) -> int:
        ranging_us = AUTO_RANGE_US if config >> 12 == AUTO_RANGE else 0
        return CONVERSION_US[bool(config & _CT)] + ranging_us

    def _finish(self) -> None:
        """Catch up with the conversions that have ended by now."""
        if self._ready_us is None or self._schedule.now_us < self._ready_us or "no-data" in self.faults:
            return
        config = self._registers[CONFIG]
        ended_us = self._ready_us
        if config >> 9 & 3 == 1:
            config &= ~0x0600  # a single shot ends in shutdown
            self._ready_us = None
        else:
            period_us = CONVERSION_US[bool(config & _CT)]
            ended_us += (self._schedule.now_us - ended_us) // period_us * period_us
            self._ready_us = ended_us + period_us
        lux = 200_000 if "saturated" in self.faults else self._illuminance(ended_us)
        code, overflow = encode(lux, None if config >> 12 == AUTO_RANGE else config >> 12)
        self._registers[RESULT] = code
        config = config & ~_OVF | _CRF | (_OVF if overflow else 0)
        if lux_x100(code) > lux_x100(self._registers[HIGH_LIMIT]):
            config |= _FH
        if lux_x100(code) < lux_x100(self._registers[LOW_LIMIT]):
            config |= _FL
        self._registers[CONFIG] = config
        self._valid = True

    def _tell_played(self, code: int) -> None:
        if not self._valid:
            self._play("illuminance", "no-data")
        elif self._registers[CONFIG] & _OVF:
            self._play("illuminance", "saturated")
        else:
            self._play("illuminance", Fraction(lux_x100(code), 100))
