"""Intake: sorts what the sources hear, stores what must not be lost, and offers it to the destinations.

The sorting is rule 2 of facts/gateway.md section 6:

    data uplinks              stored before anything else happens
    join- and rejoin-requests never stored, worth nothing a few seconds later
    proprietary frames        like join-requests
    downlink-type frames      of other gateways: dropped
    bad or missing checksum   dropped
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import NamedTuple

from gateway import header
from gateway.contexts import Contexts, Origin
from gateway.dating import Calendar
from gateway.errors import SpoolError
from gateway.frames import Crc, Moment, Uplink
from gateway.header import Kind
from gateway.logs import Tally
from gateway.relay import Relay
from gateway.spool import Spool
from gateway.store import NO_DEV_ADDR, Before, Frame
from gateway.turns import Parcel
from gateway.watch import Watch

_log = logging.getLogger(__name__)


class _Kept(NamedTuple):
    """What an append in progress is for."""

    uplink: Uplink
    wants_answer: bool
    relays: tuple[Relay, ...]


class Intake:
    """Takes uplinks of all sources for all destinations."""

    def __init__(
        self,
        spool: Spool,
        *,
        contexts: Contexts,
        calendar: Calendar,
        tally: Tally,
    ) -> None:
        self.relays: tuple[Relay, ...] = ()
        self.received = 0
        self.last_uplink_us: int | None = None
        self.watch = Watch()
        self.count_to = 0  # rule 5: how far to count what waits before a frame
        self._committed: list[tuple[list[Frame], list[_Kept], list[dict[int, Before]]]] = []
        self._spool = spool
        self._contexts = contexts
        self._calendar = calendar
        self._tally = tally

    def receive(self, uplinks: Sequence[Uplink]) -> asyncio.Future[bool]:
        """See `Sink.receive`. False: something could not be stored and must not be acknowledged."""
        moment = self._calendar.now()
        frames: list[Frame] = []
        kept: list[_Kept] = []
        for uplink in uplinks:
            self.received += 1
            self.last_uplink_us = moment.wall_us
            front = self._judge(uplink)
            if front is None:
                continue
            relays = tuple(relay for relay in self.relays if relay.filter.passes(front))
            seq = self._spool.next_seq()
            self.watch.heard(uplink, front, moment, seq, (relay.name for relay in relays))
            if not relays:
                self._tally.count(_log, "uplink dropped", "filtered")
                continue
            numbers = tuple(relay.number for relay in relays)
            self._contexts.remember(seq, Origin(uplink.gateway_id, uplink.context, moment.mono_us, numbers))
            if front.dev_addr is None:
                self._pass_on(seq, uplink, moment, relays)
            else:
                frames.append(Frame(seq, front.dev_addr, moment, uplink.to_bytes(), numbers))
                kept.append(_Kept(uplink, front.wants_answer, relays))
        return self._store(frames, kept)

    def _judge(self, uplink: Uplink) -> header.Header | None:
        """The header of a frame worth relaying, else None."""
        if uplink.crc is not Crc.OK:
            self._tally.count(_log, "uplink dropped", "checksum")
            return None
        front = header.read(uplink.phy_payload)
        if front is None:
            self._tally.count(_log, "uplink dropped", "malformed")
            return None
        if front.kind is Kind.DOWN:
            self._tally.count(_log, "uplink dropped", "downlink")
            return None
        return front

    def _pass_on(self, seq: int, uplink: Uplink, moment: Moment, relays: tuple[Relay, ...]) -> None:
        """Offer a frame that is not stored."""
        for relay in relays:
            expires_us = moment.mono_us + relay.join_lifetime_us
            relay.offer(Parcel(seq, NO_DEV_ADDR, moment, uplink, stored=False, expires_us=expires_us))

    def _store(self, frames: list[Frame], kept: list[_Kept]) -> asyncio.Future[bool]:
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if not frames:
            done.set_result(True)
            return done
        try:
            appended = self._spool.append(frames, self.count_to)
        except SpoolError as error:
            self._unstored(frames, kept, error)
            done.set_result(False)
            return done
        appended.add_done_callback(lambda future: self._stored(frames, kept, future, done))
        return done

    def _stored(
        self,
        frames: list[Frame],
        kept: list[_Kept],
        appended: asyncio.Future[list[dict[int, Before]]],
        done: asyncio.Future[bool],
    ) -> None:
        if appended.cancelled():
            done.cancel()
            return
        error = appended.exception()
        if error is not None:
            self._unstored(frames, kept, error)
            done.set_result(False)
            return
        # Acknowledgements have a deadline, the rest has not: offers wait until the event loop has gone round twice,
        # so that every frame of the same commit is acknowledged before the first is published.
        done.set_result(True)
        if not self._committed:
            loop = asyncio.get_running_loop()
            loop.call_soon(loop.call_soon, self._offer_committed)
        self._committed.append((frames, kept, appended.result()))

    def _offer_committed(self) -> None:
        committed, self._committed = self._committed, []
        for frames, kept, before in committed:
            self._offer(frames, kept, before)

    @staticmethod
    def _offer(frames: list[Frame], kept: list[_Kept], befores: list[dict[int, Before]]) -> None:
        for frame, (uplink, wants_answer, relays), before in zip(frames, kept, befores, strict=True):
            for relay in relays:
                waited = before.get(relay.number, Before())
                relay.offer(
                    Parcel(frame.seq, frame.dev_addr, frame.moment, uplink, before=waited, wants_answer=wants_answer)
                )

    def _unstored(self, frames: list[Frame], kept: list[_Kept], error: BaseException) -> None:
        """The disk failed. The frames are not acknowledged, but live service goes on as well as it can."""
        self._tally.count(_log, "uplink not stored", f"{type(error).__name__}: {error}"[:80])
        for frame, (uplink, _, relays) in zip(frames, kept, strict=True):
            self._pass_on(frame.seq, uplink, frame.moment, relays)
