"""SHT40/41/45 temperature and humidity sensor (Sensirion, SHT4x datasheet).

One command byte measures; the part does not answer to a read while it is busy. Humidity comes out of its formula
between -6 and 119 % by design and is cut to 0..100 here (datasheet section 4.6). Address 0x44, the same as OPT3001.
"""

from firmware.drivers import faults
from firmware.drivers.crc import crc8_sensirion

ADDRESS = 0x44
_MEASURE_HIGH = b"\xfd"
"""Measure both with high repeatability (datasheet table 7)."""
_MEASURE_MS = 10
"""8.3 ms at most at high repeatability (datasheet table 4)."""
_READ_TRIES = 4
_RETRY_MS = 2


def words(answer):
    """The two raw words (temperature, humidity) of a 6-byte answer, or None when a CRC does not fit."""
    for start in (0, 3):
        if crc8_sensirion(answer[start : start + 2]) != answer[start + 2]:
            return None
    return answer[0] << 8 | answer[1], answer[3] << 8 | answer[4]


def temperature_centi(raw):
    """0.01 degree Celsius: T = -45 + 175 * raw / 65535, rounded half up."""
    return (2 * 3500 * raw + 13107) // (2 * 13107) - 4500  # 17500/65535 = 3500/13107


def humidity_centi(raw):
    """0.01 %RH as the formula gives it, uncut: RH = -6 + 125 * raw / 65535, rounded half up."""
    return (2 * 2500 * raw + 13107) // (2 * 13107) - 600  # 12500/65535 = 2500/13107


class SHT4x:
    """One sensor on `i2c` (an object with `machine.I2C`'s `writeto` and `readfrom_into`)."""

    def __init__(self, i2c, clock, address=ADDRESS):
        self._i2c = i2c
        self._clock = clock
        self._address = address
        self._answer = bytearray(6)
        self._since = 0
        self._fault = None

    def start(self):
        """Begin a measurement."""
        self._fault = None
        self._since = self._clock.ticks_ms()
        try:
            self._i2c.writeto(self._address, _MEASURE_HIGH)
        except OSError:
            self._fault = faults.NO_RESPONSE

    def ready_in_ms(self):
        """Milliseconds until `read()` may be called."""
        if self._fault is not None:
            return 0
        return max(0, _MEASURE_MS - self._clock.ticks_diff(self._clock.ticks_ms(), self._since))

    def read(self):
        """(temperature in 0.01 degree Celsius, humidity in 0.1 %RH), or twice the same fault word."""
        fault = self._fault or self._fetch()
        if fault:
            return fault, fault
        raw = words(self._answer)
        if raw is None:
            return faults.CRC, faults.CRC
        humidity = (humidity_centi(raw[1]) + 5) // 10
        return temperature_centi(raw[0]), min(max(humidity, 0), 1000)

    def _fetch(self):
        for _ in range(_READ_TRIES):
            try:
                self._i2c.readfrom_into(self._address, self._answer)
                return None
            except OSError:  # still busy, or gone
                self._clock.sleep_ms(_RETRY_MS)
        return faults.NO_RESPONSE
