"""DS18B20 thermometer on 1-Wire, by MicroPython's stock `onewire` and `ds18x20` under our fault rules.

The stock driver checks the CRC and nothing else, so these go through it as temperatures: the power-on value 85,
the failed conversion, and a line held low (nine zero bytes have a good CRC). Upstream wants it so (micropython
PR 5338): it belongs here. Scratchpad: T low, T high, TH, TL, configuration, FF, count remain, 10, CRC
(DS18B20 datasheet, figure 9).

A genuine part sets byte 6 to 16 - (T low & 15) at a conversion and has 0C there after power-on, so a true 85.0 can
be told (cpetrich/counterfeit_DS18B20). Clones of families B and C keep 0C always: on those 85.0 stays in doubt and
is refused. Nothing is ever written to a part: the EEPROM of some clones survives eight writes.
"""

from firmware.drivers import faults
from firmware.drivers.crc import crc8_maxim

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


_SCRATCHPAD_BYTES = const(9)
_POWER_ON_RAW = const(0x0550)  # 85.0 degrees
_POWER_ON_COUNT_REMAIN = const(0x0C)
_FAILED_RAW = const(0x07FF)
_CONVERSION_MS = (94, 188, 375, 750)
"""Longest conversion at 9, 10, 11, 12 bits (datasheet, AC electrical characteristics), rounded up."""


def sixteenths(scratchpad):
    """Temperature of a 9-byte scratchpad in 1/16 degree Celsius, or a fault word."""
    if len(scratchpad) != _SCRATCHPAD_BYTES or crc8_maxim(scratchpad):
        return faults.CRC
    if not any(scratchpad):
        return faults.BUS
    raw = scratchpad[1] << 8 | scratchpad[0]
    if raw == _POWER_ON_RAW and scratchpad[6] == _POWER_ON_COUNT_REMAIN:
        return faults.POWER_ON_VALUE
    if raw == _FAILED_RAW:
        return faults.FAILED_CONVERSION
    raw &= ~((1 << (3 - resolution(scratchpad))) - 1)
    return raw - 0x10000 if raw & 0x8000 else raw


def resolution(scratchpad):
    """0..3 for 9..12 bits, from the configuration byte."""
    return scratchpad[4] >> 5 & 3


class DS18B20:
    """The one thermometer on a line.

    `bus` is a `ds18x20.DS18X20`. With several parts on the line the one with the lowest ROM code is read, the same
    at every start.
    """

    def __init__(self, bus, clock):
        self._bus = bus
        self._clock = clock
        self._rom = None
        self._conversion_ms = _CONVERSION_MS[3]
        self._since = 0
        self._fault = None

    def start(self):
        """Find the part if it is not known yet, and begin a conversion."""
        self._fault = None
        try:
            if self._rom is None:
                self._find()
            if self._fault is None:
                self._bus.convert_temp()
                self._since = self._clock.ticks_ms()
        except Exception:  # stock onewire: OneWireError(Exception) when nobody answers the reset pulse
            self._lost(faults.NO_RESPONSE)

    def _find(self):
        line = self._bus.ow
        if not line.reset():
            self._lost(faults.NO_RESPONSE)
        elif not line.readbit():  # a line held low looks like presence; the search would find hundreds of ghosts on it
            self._lost(faults.BUS)
        else:
            # The stock search does not check what it found.
            roms = [bytes(rom) for rom in self._bus.scan() if any(rom) and not crc8_maxim(rom)]
            if roms:
                self._rom = min(roms)
            else:
                self._lost(faults.NO_RESPONSE)

    def _lost(self, fault):
        self._fault = fault
        self._rom = None  # look again next time: the part may have been replaced

    def ready_in_ms(self):
        """Milliseconds until `read()` may be called."""
        if self._fault is not None:
            return 0
        return max(0, self._conversion_ms - self._clock.ticks_diff(self._clock.ticks_ms(), self._since))

    def read(self):
        """Temperature in 0.01 degree Celsius, or a fault word."""
        if self._fault is not None:
            return self._fault
        try:
            scratchpad = self._bus.read_scratch(self._rom)
        except Exception as error:
            if type(error) is Exception:  # the stock driver raises the bare class with "CRC error", nothing else
                return faults.CRC
            self._lost(faults.NO_RESPONSE)
            return faults.NO_RESPONSE
        reading = sixteenths(scratchpad)
        if faults.is_fault(reading):
            if reading == faults.BUS:
                self._rom = None
            return reading
        self._conversion_ms = _CONVERSION_MS[resolution(scratchpad)]
        return (reading * 25 + 2) // 4  # 100/16, rounded half up
