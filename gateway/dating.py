"""When a stored frame was really received, and how sure that is (rule 6 of facts/gateway.md section 6).

A frame carries the monotonic time of its reception and the number of that start of the machine. Once the wall clock
of the same start is verified, before or after the reception, the difference of the two clocks dates every frame of
that start, even those received while the wall clock was wrong.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.clock import Clock
from gateway.frames import Moment, Uplink
from gateway.gps_time import gps_from_utc_us, utc_from_gps_us


class Dated(NamedTuple):
    """`source` tells who vouches for the time: "gps", "ntp" or "none"; with "none" both times are None.

    `age_us` is the time since reception, None if neither clock can tell.
    """

    utc_us: int | None
    gps_us: int | None
    source: str
    age_us: int | None


class Calendar:
    """Dates frames. Holds the verified clock offsets of this and earlier starts of the machine."""

    def __init__(self, clock: Clock, boot: int, offsets: dict[int, int]) -> None:
        self._clock = clock
        self._boot = boot
        self._offsets = offsets

    def now(self) -> Moment:
        """This moment."""
        return Moment(self._boot, self._clock.mono_us(), self._clock.wall_us())

    def refresh(self) -> int | None:
        """Look at the clock; the offset of this start if the clock is verified now, to be kept in the spool."""
        if not self._clock.verified():
            return None
        offset_us = self._clock.wall_us() - self._clock.mono_us()
        if not self._clock.verified():
            return None  # set wrong between the two looks
        self._offsets[self._boot] = offset_us
        return offset_us

    def utc_us(self, moment: Moment) -> int | None:
        """Unix time of a moment in microseconds, if it can be vouched for."""
        offset_us = self._offsets.get(moment.boot)
        return None if offset_us is None else moment.mono_us + offset_us

    def age_us(self, moment: Moment) -> int | None:
        """Time since `moment`; None if it was before this start of the machine and no clock can bridge the gap."""
        if moment.boot == self._boot:
            return self._clock.mono_us() - moment.mono_us
        then, now = self._offsets.get(moment.boot), self._offsets.get(self._boot)
        if then is None or now is None:
            return None
        return now + self._clock.mono_us() - then - moment.mono_us

    def date(self, uplink: Uplink, moment: Moment) -> Dated:
        """Everything known about the reception of a frame."""
        age_us = self.age_us(moment)
        if uplink.gps_us is not None:
            return Dated(utc_from_gps_us(uplink.gps_us), uplink.gps_us, "gps", age_us)
        if uplink.utc_us is not None:
            return Dated(uplink.utc_us, gps_from_utc_us(uplink.utc_us), "gps", age_us)
        utc_us = self.utc_us(moment)
        if utc_us is None:
            return Dated(None, None, "none", age_us)
        return Dated(utc_us, gps_from_utc_us(utc_us), "ntp", age_us)
