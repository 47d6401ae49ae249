"""GPS time and UTC. GPS time counts SI seconds from 1980-01-06 00:00:00 UTC without leap seconds.

Source of the table: IERS Bulletin C (announcements of leap seconds); TAI-UTC minus the 19 s that TAI was ahead of UTC
at the GPS epoch. A new leap second is one more line here.
"""

from __future__ import annotations

from bisect import bisect_right

GPS_EPOCH_UNIX_S = 315_964_800

# Unix time from which the offset GPS - UTC holds, in seconds.
_LEAPS: tuple[tuple[int, int], ...] = (
    (315_964_800, 0),  # 1980-01-06
    (362_793_600, 1),  # 1981-07-01
    (394_329_600, 2),  # 1982-07-01
    (425_865_600, 3),  # 1983-07-01
    (489_024_000, 4),  # 1985-07-01
    (567_993_600, 5),  # 1988-01-01
    (631_152_000, 6),  # 1990-01-01
    (662_688_000, 7),  # 1991-01-01
    (709_948_800, 8),  # 1992-07-01
    (741_484_800, 9),  # 1993-07-01
    (773_020_800, 10),  # 1994-07-01
    (820_454_400, 11),  # 1996-01-01
    (867_715_200, 12),  # 1997-07-01
    (915_148_800, 13),  # 1999-01-01
    (1_136_073_600, 14),  # 2006-01-01
    (1_230_768_000, 15),  # 2009-01-01
    (1_341_100_800, 16),  # 2012-07-01
    (1_435_708_800, 17),  # 2015-07-01
    (1_483_228_800, 18),  # 2017-01-01
)
_FROM_UTC_S = [unix_s for unix_s, _ in _LEAPS]
_FROM_GPS_S = [unix_s - GPS_EPOCH_UNIX_S + leap_s for unix_s, leap_s in _LEAPS]
_US = 1_000_000


def gps_from_utc_us(unix_us: int) -> int:
    """Microseconds since the GPS epoch for a Unix time in microseconds (not before 1980-01-06)."""
    leap_s = _LEAPS[max(0, bisect_right(_FROM_UTC_S, unix_us // _US) - 1)][1]
    return unix_us + (leap_s - GPS_EPOCH_UNIX_S) * _US


def utc_from_gps_us(gps_us: int) -> int:
    """Unix time in microseconds for microseconds since the GPS epoch."""
    leap_s = _LEAPS[max(0, bisect_right(_FROM_GPS_S, gps_us // _US) - 1)][1]
    return gps_us + (GPS_EPOCH_UNIX_S - leap_s) * _US
