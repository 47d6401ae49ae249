"""Byte budget of a destination, for uplinks that cost money (LTE): how much may still be sent, and what first.

    up to 80 %      everything
    80 % to 100 %   frames just received and their answers only: the replay of the backlog waits, counters are added up
    100 %           nothing: frames wait in the spool until the day or the month is over (UTC)

The rest of a budget is so kept for what is new. A little more than the limit goes over the wire all the same: what was
on its way, and keepalives. No I/O and no clock; the shell tells bytes and times, and keeps `notes` over restarts.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

# From here on the budget is kept for live frames.
_SAVING_PERCENT = 80
_DAY_US = 86_400_000_000
# Without a clock that can be trusted, a period ends when so much time has passed since it began.
_LONGEST_US = {"day": _DAY_US, "month": 31 * _DAY_US}


class Allowance(Enum):
    """What may be sent."""

    ALL = "all"
    LIVE = "saving"
    NOTHING = "spent"


class Period(NamedTuple):
    """One limit and its state, for people."""

    name: str
    limit_bytes: int
    used_bytes: int


class _Counter:
    """Bytes of one period. `number` names the period: days since 1970, or months since year 0; None if unknown."""

    def __init__(self, name: str, limit_bytes: int, number: int | None, used_bytes: int) -> None:
        self.name = name
        self.limit_bytes = limit_bytes
        self.number = number
        self.used_bytes = used_bytes
        self.begun_us: int | None = None

    def move_to(self, number: int | None, mono_us: int) -> None:
        if self.begun_us is None:
            self.begun_us = mono_us
        over = mono_us - self.begun_us >= _LONGEST_US[self.name]
        if number is not None and self.number is None:
            self.number = number  # the clock has just become good: still the same period
        elif (over and number is None) or (number is not None and number != self.number):
            self.number, self.used_bytes, self.begun_us = number, 0, mono_us

    @property
    def allowance(self) -> Allowance:
        if not self.limit_bytes or self.used_bytes * 100 < self.limit_bytes * _SAVING_PERCENT:
            return Allowance.ALL
        return Allowance.LIVE if self.used_bytes < self.limit_bytes else Allowance.NOTHING


class Budget:
    """The budget of one destination. Limits in bytes, 0 for none. `notes`: what `notes()` said before a restart."""

    def __init__(self, per_day: int = 0, per_month: int = 0, notes: Mapping[str, int] | None = None) -> None:
        kept = notes or {}
        self._counters = tuple(
            _Counter(name, limit, kept.get(f"{name}-number"), kept.get(f"{name}-bytes", 0))
            for name, limit in (("day", per_day), ("month", per_month))
        )
        self._seen_bytes = 0

    @property
    def limited(self) -> bool:
        """Whether there is any limit."""
        return any(counter.limit_bytes for counter in self._counters)

    def spend(self, total_bytes: int, utc_us: int | None, mono_us: int) -> Allowance:
        """`total_bytes` have gone over the wire since the link was made; what may be sent now.

        `utc_us` is None while nobody vouches for the clock.
        """
        more = max(0, total_bytes - self._seen_bytes)
        self._seen_bytes = total_bytes
        for counter, number in zip(self._counters, _numbers(utc_us), strict=True):
            counter.move_to(number, mono_us)
            counter.used_bytes += more
        return self.allowance

    @property
    def allowance(self) -> Allowance:
        """What may be sent: the strictest limit says it."""
        worst = [Allowance.ALL, Allowance.LIVE, Allowance.NOTHING]
        return max((counter.allowance for counter in self._counters), key=worst.index)

    def periods(self) -> list[Period]:
        """Limits and what was used of them, periods without a limit as well (limit 0)."""
        return [Period(counter.name, counter.limit_bytes, counter.used_bytes) for counter in self._counters]

    def notes(self) -> dict[str, int]:
        """What must survive a restart."""
        kept = {f"{counter.name}-bytes": counter.used_bytes for counter in self._counters}
        numbers = {f"{counter.name}-number": counter.number for counter in self._counters}
        return {**kept, **{key: number for key, number in numbers.items() if number is not None}}


def _numbers(utc_us: int | None) -> tuple[int | None, int | None]:
    """The day and the month of an instant."""
    if utc_us is None:
        return None, None
    date = time.gmtime(utc_us // 1_000_000)
    return utc_us // _DAY_US, date.tm_year * 12 + date.tm_mon
