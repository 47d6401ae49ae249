"""OPT3001 ambient light sensor (Texas Instruments SBOS681; RAK1903 at 0x44, the address of SHT4x too).

Each measurement is one shot with automatic range. Registers are 16 bits, high byte first.
"""

from firmware.drivers import faults

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


ADDRESS = 0x44

_RESULT = const(0x00)  # exponent 15:12, mantissa 11:0 (section 7.6.1.1)
_CONFIGURATION = const(0x01)  # reset value C810 (section 7.6.1.2)
_MANUFACTURER_ID = const(0x7E)
_DEVICE_ID = const(0x7F)
_IDENTITY = const(0x54493001)  # "TI" and 3001

_SINGLE_SHOT = b"\xca\x10"
"""Automatic range 1100, 800 ms conversion, single shot 01, latched comparison as after reset."""
_OVERFLOW = const(0x0100)  # configuration bit 8: the light was beyond the range
_READY = const(0x0080)  # configuration bit 7, cleared by reading it
_CONVERSION_MS = const(880)
"""800 ms typical, 880 ms at most (electrical characteristics, integration time)."""
_LATE_MS = const(200)
"""Automatic range may need a second short conversion; after this the part is broken."""
_RETRY_MS = const(20)


def lux_centi(raw):
    """0.01 lx: 2^exponent * mantissa, exactly (section 7.6.1.1.1)."""
    return (raw & 0x0FFF) << (raw >> 12)


class OPT3001:
    """One sensor on `i2c` (an object with `machine.I2C`'s `readfrom_mem_into` and `writeto_mem`)."""

    def __init__(self, i2c, clock, address=ADDRESS):
        self._i2c = i2c
        self._clock = clock
        self._address = address
        self._word = bytearray(2)
        self._known = False
        self._since = 0
        self._state = 0
        self._fault = None

    def _get(self, register):
        self._i2c.readfrom_mem_into(self._address, register, self._word)
        return self._word[0] << 8 | self._word[1]

    def start(self):
        """Check at the first time that it is an OPT3001, and begin a conversion."""
        self._fault = None
        self._state = 0
        self._since = self._clock.ticks_ms()
        try:
            if not self._known:
                identity = self._get(_MANUFACTURER_ID) << 16 | self._get(_DEVICE_ID)
                if identity != _IDENTITY:
                    self._fault = faults.BUS  # something else lives at this address
                    return
                self._known = True
            self._i2c.writeto_mem(self._address, _CONFIGURATION, _SINGLE_SHOT)
        except OSError:
            self._fault = faults.NO_RESPONSE

    def ready_in_ms(self):
        """0 when `read()` has something to say; else when to ask again."""
        if self._fault is not None or self._state & _READY:
            return 0
        passed = self._clock.ticks_diff(self._clock.ticks_ms(), self._since)
        if passed < _CONVERSION_MS:
            return _CONVERSION_MS - passed
        try:
            self._state = self._get(_CONFIGURATION)
        except OSError:
            self._fault = faults.NO_RESPONSE
            return 0
        if self._state & _READY or passed >= _CONVERSION_MS + _LATE_MS:
            return 0
        return _RETRY_MS

    def read(self):
        """Illuminance in lx, rounded half up, or a fault word."""
        if self._fault is None and not self._state & _READY:
            self._fault = faults.NO_DATA
        if self._fault is None and self._state & _OVERFLOW:
            self._fault = faults.SATURATED
        if self._fault is not None:
            if self._fault == faults.NO_RESPONSE:
                self._known = False  # another part may be plugged in next time
            return self._fault
        try:
            return (lux_centi(self._get(_RESULT)) + 50) // 100
        except OSError:
            return faults.NO_RESPONSE
