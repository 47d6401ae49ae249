"""Battery voltage through a divider and an ADC pin.

The WisBlock divider is 1 M over 1.5 M: a source of 600 kOhm, which a converter's input loads. So many readings are
averaged, and every node has one calibration factor; the factors in vendor examples hide the same two errors.
"""

_READINGS = 16
"""At 600 kOhm of source impedance (RAK19007); fewer leave visible noise."""


def battery_mv(pin_uv, r_top_ohm, r_bottom_ohm, factor_permille=1000):
    """Battery voltage in mV from the voltage at the pin in uV, rounded half up."""
    above, below = reduced(r_top_ohm + r_bottom_ohm, r_bottom_ohm)
    whole = below * 1000
    before = (2 * pin_uv * above + whole) // (2 * whole)
    return (before * factor_permille + 500) // 1000


def pin_uv(code, full_scale_uv, bits):
    """Voltage at the pin in uV from an ADC code of `bits` bits. The product is past 2^30 for a moment."""
    return (code * full_scale_uv) >> bits


def reduced(a, b):
    """`a` and `b` without their common divisor, so that products stay small ints."""
    x, y = a, b
    while y:
        x, y = y, x % y
    return a // x, b // x


class Battery:
    """A battery behind `adc` (an object with `machine.ADC`'s `read_uv`, or `read_u16` and a full scale)."""

    def __init__(self, adc, r_top_ohm, r_bottom_ohm, full_scale_uv=None, factor_permille=1000):
        self._adc = adc
        self._r_top_ohm = r_top_ohm
        self._r_bottom_ohm = r_bottom_ohm
        self._full_scale_uv = full_scale_uv
        self._factor_permille = factor_permille
        self.last_mv = None
        """The last reading, for those who did not ask for it themselves."""

    def start(self):
        """Nothing to begin: a conversion takes microseconds."""

    def ready_in_ms(self):
        """Always 0."""
        return 0

    def read(self):
        """Battery voltage in mV."""
        total = 0
        calibrated = self._full_scale_uv is None
        for _ in range(_READINGS):
            total += self._adc.read_uv() if calibrated else self._adc.read_u16()
        at_pin = total // _READINGS if calibrated else pin_uv(total // _READINGS, self._full_scale_uv, 16)
        self.last_mv = battery_mv(at_pin, self._r_top_ohm, self._r_bottom_ohm, self._factor_permille)
        return self.last_mv
