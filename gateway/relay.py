"""Relay: moves frames of one destination from the spool to its link, as `gateway.turns` decides.

The link (a module of `gateway.forwarders`) knows the wire; the relay knows neither topics nor sockets.
"""

from __future__ import annotations

import asyncio
import logging
from typing import Protocol

from gateway.budget import Allowance, Budget
from gateway.clock import Clock
from gateway.dating import Calendar, Dated
from gateway.errors import GatewayError, LinkLost, SpoolError
from gateway.filters import Filter
from gateway.forwarders.wire import Wire
from gateway.frames import GatewayReport
from gateway.logs import Tally
from gateway.spool import Spool
from gateway.state import State
from gateway.statistics import Ledger, Sum
from gateway.turns import Parcel, Turns, Verdict
from gateway.watch import Watch

_log = logging.getLogger(__name__)

# Acknowledged frames are deleted in batches: less wear, and a crash in between only repeats what was delivered.
_FORGET_BATCH = 64
_FORGET_AFTER_S = 0.1
# A frame later than this can be answered in no receive window (RX2 opens 2 s after it by default) and is marked late.
_LATE_US = 2_000_000


class Link(Protocol):
    """The way to one far end. Calls `relay.link_up()` and `relay.link_down()` as it comes and goes."""

    wire: Wire

    async def run(self, relay: Relay) -> None:
        """Connect, stay connected, reconnect; until cancelled."""

    def concentrator(self, gateway_id: str) -> None:
        """A concentrator exists: be ready to relay for it."""

    def send(self, parcel: Parcel, dated: Dated, late: bool) -> asyncio.Future[Verdict]:
        """Send one frame; the future ends with the far end's word or LinkLost."""

    def report(self, report: GatewayReport, utc_us: int | None) -> asyncio.Future[Verdict]:
        """Send counters; `utc_us` is when they were counted, None if unknown."""


class Relay:
    """One destination."""

    def __init__(
        self,
        name: str,
        number: int,
        *,
        filter_: Filter,
        turns: Turns,
        link: Link,
        spool: Spool,
        clock: Clock,
        calendar: Calendar,
        tally: Tally,
        budget: Budget | None = None,
        join_lifetime_us: int = 4_000_000,
        watch: Watch | None = None,
    ) -> None:
        self.name = name
        self.join_lifetime_us = join_lifetime_us
        self.number = number
        self.filter = filter_
        self.turns = turns
        self.link = link
        self.budget = budget or Budget()
        self.delivered = 0
        self.delivered_late = 0
        self.superseded = 0
        self.last_delivered_us: int | None = None
        self.changed_us = clock.mono_us()
        self.why = ""
        self._told_down = False
        self._spool = spool
        self._clock = clock
        self._calendar = calendar
        self._tally = tally
        self._watch = watch
        self._wake = asyncio.Event()
        self._ledger = Ledger()
        self._done: list[tuple[int, int]] = []
        self._flush_timer: asyncio.TimerHandle | None = None

    @property
    def flowing(self) -> bool:
        """Whether frames get through now."""
        return self.state.flowing

    @property
    def state(self) -> State:
        """What can go there now."""
        if not self.turns.up:
            return State.DOWN
        if self.turns.holding:
            return State.HOLDING
        return State.UP if self.turns.allowance is Allowance.ALL else State(self.turns.allowance.value)

    @property
    def buffered(self) -> int:
        """Frames in the spool that this destination has not acknowledged."""
        return max(0, self._spool.waiting(self.number) - len(self._done))

    # From the intake

    def offer(self, parcel: Parcel) -> None:
        """A frame for this destination; live ones leave within this call."""
        self.turns.offer(parcel)
        self._send_live()
        self._wake.set()

    def report(self, report: GatewayReport) -> None:
        """Counters of a concentrator: passed on while the destination takes messages, else added up."""
        moment = self._calendar.now()
        self._ledger.add(report, moment)
        if self.state is State.UP:
            self._send_sums()

    def look_at_budget(self) -> None:
        """Count what has gone over the wire; to be called every second."""
        before = self.turns.allowance
        utc_us = self._calendar.utc_us(self._calendar.now())
        self.turns.allowance = self.budget.spend(self.link.wire.total_bytes, utc_us, self._clock.mono_us())
        if self.turns.allowance is not before:
            used = {f"{period.name}_bytes": period.used_bytes for period in self.budget.periods()}
            fields = {"destination": self.name, "allowance": self.turns.allowance.value, **used}
            _log.log(logging.INFO if self.turns.allowance is Allowance.ALL else logging.WARNING, "budget", extra=fields)
            self._wake.set()

    def _send_report(self, counted: Sum) -> None:
        answer = self.link.report(counted.report, self._calendar.utc_us(counted.moment))

        def answered(future: asyncio.Future[Verdict]) -> None:
            if future.cancelled() or future.exception() is not None or future.result() is not Verdict.TAKEN:
                self._ledger.add(counted.report, counted.moment)

        answer.add_done_callback(answered)

    # From the link

    def link_up(self) -> None:
        """The link is ready to send."""
        now_us = self._clock.mono_us()
        fields = {
            "destination": self.name,
            "buffered": self.buffered,
            "down_s": (now_us - self.changed_us) // 1_000_000,
        }
        self.changed_us, self.why, self._told_down = now_us, "", False
        self.turns.link_up(now_us)
        _log.info("destination up", extra=fields)
        self._send_live()
        self._wake.set()

    def link_down(self, why: str) -> None:
        """The link has ended; futures of frames in flight end with LinkLost."""
        self.why = why
        if self.turns.up:
            self.changed_us = self._clock.mono_us()
        if not self._told_down:
            # Once an outage, also for one that was there before us.
            self._told_down = True
            _log.warning("destination down", extra={"destination": self.name, "why": why})
        self.turns.link_down()
        self._wake.set()

    # The loop

    async def run(self) -> None:
        """Send the backlog whenever the rules allow it; until cancelled."""
        while True:
            self._wake.clear()
            self._send_live()
            room = self.turns.replay_room(self._clock.mono_us())
            if room:
                await self._replay(room)
            else:
                await self._rest()

    async def _rest(self) -> None:
        now_us = self._clock.mono_us()
        due_us = self.turns.next_due(now_us)
        timer = None
        if due_us is not None:
            # Not asyncio.wait_for: until Python 3.12 it swallows a cancellation that comes together with the event.
            delay_s = max(0.001, (due_us - now_us) / 1_000_000)
            timer = asyncio.get_running_loop().call_later(delay_s, self._wake.set)
        try:
            await self._wake.wait()
        finally:
            if timer is not None:
                timer.cancel()

    async def _replay(self, room: int) -> None:
        self._flush()
        turns = self.turns
        busy = turns.busy(self._clock.mono_us())
        # Counted before asking: frames sent meanwhile must not hide that others still wait.
        in_flight = turns.stored_in_flight
        try:
            rows, complete = await self._spool.heads(self.number, turns.cursor, room, busy)
        except SpoolError as error:
            self._tally.count(_log, "spool cannot be read", str(error)[:60])
            await asyncio.sleep(1)
            return
        now_us = self._clock.mono_us()
        # And what came back unsent meanwhile waits as well.
        in_flight = min(in_flight, turns.stored_in_flight)
        for parcel in turns.take(rows, complete, self._spool.waiting(self.number) - in_flight, now_us):
            self._send(parcel)

    def _send_live(self) -> None:
        while (parcel := self.turns.next_live(self._clock.mono_us())) is not None:
            self._send(parcel)

    def _send(self, parcel: Parcel) -> None:
        dated = self._calendar.date(parcel.uplink, parcel.moment)
        late = dated.age_us is None or dated.age_us > _LATE_US
        self.turns.sent(parcel, self._clock.mono_us())
        answer = self.link.send(parcel, dated, late)
        answer.add_done_callback(lambda future: self._answered(parcel, late, future))

    def _answered(self, parcel: Parcel, late: bool, answer: asyncio.Future[Verdict]) -> None:
        verdict = Verdict.LOST
        if not answer.cancelled():
            error = answer.exception()
            verdict = answer.result() if error is None else Verdict.LOST
            if error is not None and not isinstance(error, LinkLost):
                kind = str(error) if isinstance(error, GatewayError) else type(error).__name__
                self._tally.count(_log, "sending failed", f"{self.name}: {kind}"[:80])
        if verdict in (Verdict.UNHEARD, Verdict.REFUSED):
            self._tally.count(_log, "frame held", f"{self.name}: {verdict.value}")
        now_us = self._clock.mono_us()
        forget = self.turns.settled(parcel, verdict, now_us)
        if verdict is Verdict.TAKEN or forget:
            self.delivered += 1
            self.delivered_late += late
            self.last_delivered_us = now_us
            if self._watch is not None:
                self._watch.delivered(parcel.seq, self.name, late)
        if forget:
            self._forget(parcel)
            if parcel.overtakes:
                self._supersede(parcel)
        self._send_live()
        self._wake.set()

    def _supersede(self, parcel: Parcel) -> None:
        """Rule 5: older frames of the device could only be refused by the server now."""

        if self._watch is not None:
            self._watch.superseded(parcel.dev_addr, parcel.seq, self.name)

        def counted(future: asyncio.Future[int]) -> None:
            if not future.cancelled() and future.exception() is None:
                self.superseded += future.result()

        self._spool.call(lambda store: store.supersede(self.number, parcel.dev_addr, parcel.seq)).add_done_callback(
            counted
        )

    def _send_sums(self) -> None:
        """With every report, what has added up in an outage goes out as well: one message an hour of it."""
        for counted in self._ledger.take():
            self._send_report(counted)

    # Deleting what was delivered

    def _forget(self, parcel: Parcel) -> None:
        self._done.extend((parcel.dev_addr, seq) for seq in (parcel.seq, *parcel.copies))
        if len(self._done) >= _FORGET_BATCH:
            self._flush()
        elif self._flush_timer is None:
            self._flush_timer = asyncio.get_running_loop().call_later(_FORGET_AFTER_S, self._flush)

    def _flush(self) -> None:
        if self._flush_timer is not None:
            self._flush_timer.cancel()
            self._flush_timer = None
        if self._done:
            done, self._done = self._done, []
            self._spool.forget(self.number, done).add_done_callback(self._forgotten)

    def _forgotten(self, future: asyncio.Future[None]) -> None:
        if not future.cancelled() and (error := future.exception()) is not None:
            # The frames stay in the file and will be sent once more: unpleasant, but nothing is lost.
            self._tally.count(_log, "spool cannot delete", str(error)[:60])
            self.turns.backlog = True

    def close(self) -> None:
        """Write down what has been delivered. The spool must still be open."""
        self._flush()
