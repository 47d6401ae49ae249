"""The SX1261: an SX1262 with another power amplifier, up to 15 dBm at half the current (section 13.1.14)."""

from .sx126x import SX1262

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


_SET_PA_CONFIG = const(0x95)
_SET_TX_PARAMS = const(0x8E)
_LOW_POWER_DEVICE = const(1)
_RAMP_40_US = const(2)  # table 13-41
_ASKS_FOR_15_DBM = const(14)
# Maximum in dBm, and paDutyCycle (table 13-21); 15 dBm is asked for by 14, and only above 400 MHz.
_DUTY_14_DBM = const(4)
_DUTY_15_DBM = const(6)


class SX1261(SX1262):
    """As `SX1262`. `max_power_dbm` of the facts is 15 at most."""

    def _set_power(self, power_dbm):
        power_dbm = max(-17, min(power_dbm, 15))
        duty = _DUTY_15_DBM if power_dbm == 15 else _DUTY_14_DBM
        self._set(_SET_PA_CONFIG, 4, duty, 0, _LOW_POWER_DEVICE, 1)
        self._set(_SET_TX_PARAMS, 2, min(power_dbm, _ASKS_FOR_15_DBM) & 0xFF, _RAMP_40_US)
