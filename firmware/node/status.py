"""The status report (FPort 30): after each boot, once a day, and on request."""

from firmware.node.report import blank
from firmware.payload.tables import status as table

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


FIRMWARE_VERSION = 100
"""0.1.0 as major * 10000 + minor * 100 + patch."""

_FIRMWARE = const(0)
_HARDWARE = const(1)
_RESET = const(2)
_CONFIG = const(3)
_BOOTS = const(4)
_BATTERY = const(5)
_RSSI = const(6)
_SNR = const(7)
_FREE = const(8)


def values(hardware, config, state, battery_mv, link):
    """The values list for `table`. The reset code is a word of profile `status`; what is unknown stays away."""
    out = blank(table)
    out[_FIRMWARE] = FIRMWARE_VERSION
    out[_HARDWARE] = 0
    out[_RESET] = hardware.reset_code
    out[_CONFIG] = config.hash
    out[_BOOTS] = state.boots
    out[_BATTERY] = battery_mv
    if link.rssi_dbm is not None:
        out[_RSSI] = link.rssi_dbm
        out[_SNR] = link.snr_db_x4
    try:
        out[_FREE] = hardware.free_kb()
    except OSError:
        pass  # a status report without this is better than none
    return out
