"""ADS1115 four-channel 16-bit converter (Texas Instruments SBAS444).

Single shots only: write the configuration, wait, poll its busy bit, read. Slow data rates reject mains hum best
(8 and 16 samples a second have notches at 50 Hz). An input must never be above VDD + 0.3 V, whatever the range.
"""

from firmware.drivers import faults

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


ADDRESS = 0x48  # ADDR pin at GND; the default of many other parts too

_CONVERSION = const(0x00)
_CONFIGURATION = const(0x01)  # reset value 8583 (section 8.1.3)
_START = const(0x8000)  # OS: writing 1 starts, reading 1 means idle
_SINGLE_SHOT = const(0x0100)
_NO_COMPARATOR = const(0x0003)

DIFFERENTIAL_0_1 = 0b000
"""Multiplexer code of AIN0 - AIN1; `single_ended(channel)` gives those against ground (table 8-3)."""

_RANGES = {
    6144: (0, 375, 2),
    4096: (1, 125, 1),
    2048: (2, 125, 2),
    1024: (3, 125, 4),
    512: (4, 125, 8),
    256: (5, 125, 16),
}
"""Full scale in mV to (PGA code, numerator, denominator of uV per step): FSR / 32768, cut down (table 8-3)."""
_RATES = (8, 16, 32, 64, 128, 250, 475, 860)
"""Samples a second, by DR code."""

_LATE_MS = const(50)
"""Busy this long after a conversion should be over: the part lost its supply or its mind."""


def single_ended(channel):
    """Multiplexer code of input 0..3 against ground."""
    return 0b100 | channel


def configuration(mux, full_scale_mv, rate):
    """Configuration word that starts one shot; KeyError or ValueError for a range or rate that the part lacks."""
    code = _RANGES[full_scale_mv][0] << 9 | _RATES.index(rate) << 5
    return _START | mux << 12 | code | _SINGLE_SHOT | _NO_COMPARATOR


def signed(word):
    """The 16-bit result as a signed code."""
    return word - 0x10000 if word & 0x8000 else word


def is_clipped(code):
    """True for the two end codes: the input was at or beyond the range."""
    return code in (0x7FFF, -0x8000)


def microvolts(code_sum, count, full_scale_mv):
    """Mean of `count` codes in uV, rounded half up. `code_sum` stays a small int up to 64 codes."""
    numerator, denominator = _RANGES[full_scale_mv][1:]
    whole = denominator * count
    return (2 * code_sum * numerator + whole) // (2 * whole)


def conversion_ms(rate):
    """Longest time of one shot: the period and 10 % of clock error, and the wake-up (electrical characteristics)."""
    return 1100 // rate + 2


class ADS1115:
    """One converter on `i2c` (an object with `machine.I2C`'s `readfrom_mem_into` and `writeto_mem`).

    `start(channel)` begins a shot; `read()` gives its signed code, so that a caller can average before it converts.
    """

    def __init__(self, i2c, clock, address=ADDRESS, full_scale_mv=2048, rate=8):
        self.full_scale_mv = full_scale_mv
        self._i2c = i2c
        self._clock = clock
        self._address = address
        self._rate = rate
        self._word = bytearray(2)
        self._since = 0
        self._done = False
        self._fault = None

    def start(self, channel=0):
        """Begin one conversion of input `channel` against ground."""
        self._fault = None
        self._done = False
        self._since = self._clock.ticks_ms()
        word = configuration(single_ended(channel), self.full_scale_mv, self._rate)
        self._word[0] = word >> 8
        self._word[1] = word & 0xFF
        try:
            self._i2c.writeto_mem(self._address, _CONFIGURATION, self._word)
        except OSError:
            self._fault = faults.NO_RESPONSE

    def ready_in_ms(self):
        """0 when `read()` has something to say; else when to ask again."""
        if self._fault is not None or self._done:
            return 0
        passed = self._clock.ticks_diff(self._clock.ticks_ms(), self._since)
        due = conversion_ms(self._rate)
        if passed < due:
            return due - passed
        try:
            self._i2c.readfrom_mem_into(self._address, _CONFIGURATION, self._word)
        except OSError:
            self._fault = faults.NO_RESPONSE
            return 0
        if self._word[0] & (_START >> 8):
            self._done = True
            return 0
        if passed >= due + _LATE_MS:
            self._fault = faults.NO_DATA
            return 0
        return 2

    def read(self):
        """The signed code of the conversion, or a fault word."""
        if self._fault is None and not self._done:
            return faults.NO_DATA
        if self._fault is not None:
            return self._fault
        try:
            self._i2c.readfrom_mem_into(self._address, _CONVERSION, self._word)
        except OSError:
            return faults.NO_RESPONSE
        code = signed(self._word[0] << 8 | self._word[1])
        return faults.SATURATED if is_clipped(code) else code
