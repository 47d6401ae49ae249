"""Downlinks: what a network server orders, judged and carried to the concentrator in time.

`Desk.plan` is the pure part: which items may be tried, and which are refused with what status. `Desk.carry_out` tries
them in order until one is accepted (RX1, then RX2), each only if the duty cycle allows it. A downlink for a frame that
is not live any more never reaches a radio: rules 7 and 12 of facts/gateway.md section 6.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from gateway.clock import Clock
from gateway.contexts import Contexts
from gateway.duty import DutyBook, time_on_air_us
from gateway.errors import NoAnswer, NoPath
from gateway.filters import Filter
from gateway.frames import Delay, Downlink, DownlinkItem, DownlinkResult, GpsTime, TxStatus
from gateway.gps_time import gps_from_utc_us
from gateway.logs import Tally
from gateway.sources.port import Source
from gateway.watch import Watch

_log = logging.getLogger(__name__)

# lora_pkt_fwd and Concentratord accept an order if more than 42.5 ms are left (1.5 + 1 + 40 ms); rounded up, and on
# top of it the measured way there.
_LEAST_LEAD_US = 50_000
# MQTT may deliver an order twice; the second comes within the keepalive of a connection.
_MOST_REMEMBERED = 1024


class Attempt(NamedTuple):
    """One item to try: with the source's own context, until the deadline (monotonic microseconds, None: any time)."""

    item: DownlinkItem
    deadline_us: int | None


class Plan(NamedTuple):
    """For each item either the attempt or the status it is refused with."""

    gateway_id: str
    steps: tuple[Attempt | TxStatus, ...]


class Desk:
    """Judges and carries out downlinks of all destinations."""

    def __init__(
        self,
        contexts: Contexts,
        clock: Clock,
        tally: Tally,
        sources: Mapping[str, Source],
        duty: DutyBook,
        watch: Watch | None = None,
    ) -> None:
        self.sent = 0
        self.refused = 0
        self._contexts = contexts
        self._clock = clock
        self._tally = tally
        self._sources = sources
        self.duty = duty
        self._watch = watch
        self._seen: OrderedDict[tuple[int, str, int], None] = OrderedDict()

    def repeated(self, destination: int, downlink: Downlink) -> bool:
        """Whether this order has been given before; notes it."""
        key = (destination, downlink.gateway_id, downlink.downlink_id)
        if key in self._seen:
            return True
        self._seen[key] = None
        if len(self._seen) > _MOST_REMEMBERED:
            self._seen.popitem(last=False)
        return False

    def plan(self, destination: int, filter_: Filter, downlink: Downlink) -> Plan:
        """Judge every item at this moment."""
        return Plan(downlink.gateway_id, tuple(self._judge(destination, filter_, item) for item in downlink.items))

    def _judge(self, destination: int, filter_: Filter, item: DownlinkItem) -> Attempt | TxStatus:
        if not filter_.may_send(item.phy_payload):
            self._tally.count(_log, "downlink refused", "not the owner of the device")
            return TxStatus.INTERNAL_ERROR
        origin = self._contexts.read(item.context, self._clock.mono_us()) if item.context else None
        if origin is not None and destination not in origin.destinations:
            self._tally.count(_log, "downlink refused", "frame of another destination")
            return TxStatus.INTERNAL_ERROR
        own = b"" if origin is None else origin.context
        item = _with_context(item, own)
        if isinstance(item.timing, GpsTime):
            return Attempt(item, self._when(item.timing))
        if not isinstance(item.timing, Delay):
            return Attempt(item, None)
        if origin is None:
            self._tally.count(_log, "downlink refused", "no live frame")
            return TxStatus.TOO_LATE
        return Attempt(item, origin.received_us + item.timing.delay_us)

    def _when(self, timing: GpsTime) -> int | None:
        """Class B: the deadline, as far as this machine knows the time; the concentrator has a receiver of its own."""
        if not self._clock.verified():
            return None
        return self._clock.mono_us() + timing.gps_us - gps_from_utc_us(self._clock.wall_us())

    async def carry_out(self, destination: int, filter_: Filter, downlink: Downlink) -> DownlinkResult | None:
        """Do it; the answer for the server, or None if the order is a repetition."""
        if self.repeated(destination, downlink):
            self._tally.count(_log, "downlink refused", "repeated")
            return None
        plan = self.plan(destination, filter_, downlink)
        statuses = [TxStatus.IGNORED] * len(plan.steps)
        for index, step in enumerate(plan.steps):
            statuses[index] = step if isinstance(step, TxStatus) else await self._try(plan.gateway_id, step)
            if statuses[index] is TxStatus.OK:
                self.sent += 1
                break
        else:
            self.refused += 1
        _log.info(
            "downlink",
            extra={"id": downlink.downlink_id, "gateway": plan.gateway_id, "items": [s.name for s in statuses]},
        )
        result = DownlinkResult(downlink.downlink_id, plan.gateway_id, tuple(statuses))
        if self._watch is not None:
            self._watch.ordered(destination, downlink, result, self._clock.wall_us())
        return result

    async def _try(self, gateway_id: str, attempt: Attempt) -> TxStatus:
        source = self._sources.get(gateway_id)
        if source is None:
            self._tally.count(_log, "downlink refused", "no such concentrator")
            return TxStatus.INTERNAL_ERROR
        left_us = None if attempt.deadline_us is None else attempt.deadline_us - self._clock.mono_us()
        if left_us is not None and left_us < _LEAST_LEAD_US + source.lead_us:
            self._tally.count(_log, "downlink refused", "too late")
            return TxStatus.TOO_LATE
        airtime_us = time_on_air_us(attempt.item)
        if airtime_us is None:
            self._tally.count(_log, "downlink refused", "modulation")
            return TxStatus.INTERNAL_ERROR
        booked_us, hz = self._clock.mono_us(), attempt.item.frequency_hz
        refusal = self.duty.book(gateway_id, hz, airtime_us, booked_us)
        if refusal is not None:
            self._tally.count(_log, "downlink refused", refusal.name.lower())
            return refusal
        status = TxStatus.INTERNAL_ERROR
        try:
            status = await source.transmit(gateway_id, attempt.item, left_us)
        except NoAnswer as error:
            self._tally.count(_log, "downlink lost", str(error)[:80])
            return TxStatus.INTERNAL_ERROR
        except NoPath as error:
            self._tally.count(_log, "downlink lost", str(error)[:80])
        if status is not TxStatus.OK:
            self.duty.give_back(gateway_id, hz, airtime_us, booked_us)
        return status


def _with_context(item: DownlinkItem, context: bytes) -> DownlinkItem:
    """The item under the context of its source; an unknown one is taken away."""
    return msgspec.structs.replace(item, context=context)
