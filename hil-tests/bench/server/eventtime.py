"""When did it happen? ChirpStack's rule for the time of an event, and the GPS time scale.

Source: chirpstack `uplink/helpers.rs` (get_rx_timestamp): (1) the first receiver that gives time since the GPS
epoch is believed without a check; (2) a gateway's wall clock is believed when it is within
`rx_timestamp_max_drift` of the server's; (3) the server's own clock. So a frame that a gateway stored for longer
than the drift and hands in without GPS time gets the time of its arrival.
"""

from __future__ import annotations

from collections.abc import Iterable

from chirpstack_api import gw

GPS_EPOCH_UNIX_S = 315_964_800
"""1980-01-06T00:00:00Z."""
LEAP_SECONDS_UNIX_S = (
    362793600, 394329600, 425865600, 489024000, 567993600, 631152000, 662688000, 709948800, 741484800,
    773020800, 820454400, 867715200, 915148800, 1136073600, 1230768000, 1341100800, 1435708800, 1483228800,
)  # fmt: skip
"""Unix times from which one more second separates GPS from UTC (IERS Bulletin C; 18 s since 2017)."""


def gps_us(unix_us: int) -> int:
    """Microseconds since the GPS epoch of a Unix time in microseconds."""
    leaps = sum(1 for start in LEAP_SECONDS_UNIX_S if unix_us >= start * 1_000_000)
    return unix_us + (leaps - GPS_EPOCH_UNIX_S) * 1_000_000


def unix_us(gps_time_us: int) -> int:
    """Inverse of `gps_us`; an inserted leap second itself falls on the second after it."""
    as_unix = gps_time_us + GPS_EPOCH_UNIX_S * 1_000_000
    leaps = sum(1 for i, start in enumerate(LEAP_SECONDS_UNIX_S) if as_unix >= (start + i + 1) * 1_000_000)
    return as_unix - leaps * 1_000_000


def event_time_us(receptions: Iterable[gw.UplinkRxInfo], now_us: int, max_drift_us: int) -> int:
    """Unix time in microseconds of an uplink, from what its receivers say."""
    receptions = tuple(receptions)
    for reception in receptions:
        if reception.HasField("time_since_gps_epoch"):
            return unix_us(reception.time_since_gps_epoch.ToMicroseconds())
    for reception in receptions:
        if reception.HasField("gw_time"):
            gateway_us: int = reception.gw_time.ToMicroseconds()
            if abs(now_us - gateway_us) < max_drift_us:
                return gateway_us
    return now_us
