"""Counters of concentrators on their way to a destination (rule 11 of facts/gateway.md section 6).

While the destination takes messages every report passes. While it does not, reports are added up, one sum an hour and
concentrator, and sent afterwards with a time inside that hour: not a queue of messages every 30 seconds.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import msgspec

from gateway.frames import GatewayReport, Moment

_HOUR_US = 3_600_000_000
# 31 days of one concentrator; network servers do not keep hourly counters longer either.
_MOST_SUMS = 744


class Sum(NamedTuple):
    """Counters of one hour; `moment` is the latest reception in it."""

    report: GatewayReport
    moment: Moment


class Ledger:
    """Sums of one destination. Hours are counted on the monotonic clock, which never jumps."""

    def __init__(self) -> None:
        self._sums: OrderedDict[tuple[str, int], Sum] = OrderedDict()

    def __len__(self) -> int:
        return len(self._sums)

    def add(self, report: GatewayReport, moment: Moment) -> None:
        """Add a report, or a sum that could not be delivered, to its hour."""
        key = (report.gateway_id, moment.mono_us // _HOUR_US)
        before = self._sums.get(key)
        self._sums[key] = Sum(report, moment) if before is None else _added(before, Sum(report, moment))
        if len(self._sums) > _MOST_SUMS:
            self._sums.popitem(last=False)

    def take(self) -> list[Sum]:
        """All sums, oldest first; the ledger is empty afterwards."""
        sums = sorted(self._sums.values(), key=lambda one: one.moment.mono_us)
        self._sums.clear()
        return sums


def _added(one: Sum, two: Sum) -> Sum:
    early, late = sorted((one, two), key=lambda each: each.moment.mono_us)
    counters = ("rx_received", "rx_ok", "tx_received", "tx_emitted")
    total = {name: getattr(early.report, name) + getattr(late.report, name) for name in counters}
    counts = early.report.counts.plus(late.report.counts)
    return Sum(msgspec.structs.replace(late.report, **total, counts=counts), late.moment)
