"""The daemon: builds the parts from the settings, ties them together, and takes them down in order.

source -> Hub -> Intake -> Spool -> Relay -> link -> network server
network server -> link -> Desk -> source -> concentrator
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from gateway.clock import Clock, SystemClock
from gateway.contexts import Contexts
from gateway.dating import Calendar
from gateway.downlinks import Desk
from gateway.errors import SpoolError
from gateway.filters import Filter
from gateway.forwarders import mqtt
from gateway.forwarders.chirpstack_mqtt import ChirpstackLink, tls_context
from gateway.forwarders.semtech_udp import SemtechUdpLink
from gateway.frames import GatewayReport, Uplink
from gateway.intake import Intake
from gateway.logs import Tally
from gateway.relay import Link, Relay
from gateway.setting_types import Address
from gateway.settings import ChirpstackMqtt, Destination, SemtechUdp, Settings
from gateway.sources.port import Source
from gateway.sources.semtech_udp import SemtechUdpSource
from gateway.spool import Spool
from gateway.status import StatusServer
from gateway.store import Lost, Store
from gateway.turns import Rules, Turns

_log = logging.getLogger(__name__)

_HOUSEKEEPING_S = 1.0
_CLOCK_EVERY = 10
_EXPIRE_EVERY = 60
_EXPIRE_ROWS = 1000
# Frames of an earlier start of the machine are dated no better than this.
_OFFSET_MOVED_US = 50_000


class Daemon:
    """One gateway. `await run(stop)` until `stop` is set."""

    def __init__(self, settings: Settings, clock: Clock | None = None) -> None:
        self.settings = settings
        self.clock = clock or SystemClock(settings.gateway.clock)
        self.tally = Tally()
        self.gateways: dict[str, Source] = {}
        self.relays: tuple[Relay, ...] = ()
        self.expired = 0
        self._noted_us = 0
        self.addresses: list[Address] = []
        self.status_address: Address | None = None
        self.started_us = self.clock.mono_us()
        self.spool: Spool
        self.calendar: Calendar
        self.intake: Intake
        self.desk: Desk
        self._links: list[Link] = []
        self._lock: int | None = None

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until told to stop. Raises SpoolError and OSError (address in use) before anything was served."""
        path = self.settings.resolve(self.settings.spool.path)
        self._take_lock(path)
        try:
            self.spool = await Spool.open(path, self.settings.spool.max_bytes, self.clock.boot_id)
            try:
                await self._serve(stop)
            finally:
                for relay in self.relays:
                    relay.close()
                await self.spool.close()
        finally:
            if self._lock is not None:
                os.close(self._lock)

    def _take_lock(self, path: Path) -> None:
        """Two daemons on one spool would send everything twice."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SpoolError(f"{path} is in use by another gateway") from None
        except OSError as error:
            raise SpoolError(f"{path}: {error.strerror}") from None

    async def _serve(self, stop: asyncio.Event) -> None:
        await self._build()
        sources = [SemtechUdpSource(one.bind, self._only, self, self.clock, self.tally) for one in self.settings.source]
        status = StatusServer(self) if self.settings.status is not None else None
        tasks: list[asyncio.Task[None]] = []
        try:
            self.addresses = [await source.start() for source in sources]
            if status is not None and self.settings.status is not None:
                self.status_address = await status.start(self.settings.status.bind)
            for link, relay in zip(self._links, self.relays, strict=True):
                tasks.append(asyncio.create_task(link.run(relay), name=f"link-{relay.name}"))
                tasks.append(asyncio.create_task(relay.run(), name=f"relay-{relay.name}"))
            tasks.append(asyncio.create_task(self._housekeeping(), name="housekeeping"))
            ready = {"sources": self.addresses, "status": self.status_address, "buffered": self.buffered}
            _log.info("ready", extra=ready)
            await self._until(stop, tasks)
        finally:
            for source in sources:
                await source.stop()
            if status is not None:
                await status.stop()
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await self._look_at_clock()
            _log.info("stopped", extra={"buffered": self.buffered})

    @staticmethod
    async def _until(stop: asyncio.Event, tasks: Sequence[asyncio.Task[None]]) -> None:
        """Wait for the order to stop. A task that ends by itself is a defect: it ends the daemon."""
        waiting = asyncio.create_task(stop.wait())
        try:
            done, _ = await asyncio.wait((waiting, *tasks), return_when=asyncio.FIRST_COMPLETED)
        finally:
            waiting.cancel()
        for task in done:
            if task is not waiting:
                await task

    @property
    def _only(self) -> str:
        return "" if self.settings.gateway.id == "auto" else str(self.settings.gateway.id)

    async def _build(self) -> None:
        settings, spool = self.settings, self.spool
        offsets, remembered = await spool.call(lambda store: (store.offsets(), store.gateways()))
        self.calendar = Calendar(self.clock, spool.boot, offsets)
        contexts = Contexts()
        self.desk = Desk(contexts, self.clock, self.tally, self.gateways)
        lifetimes: dict[int, int] = {}
        relays = []
        for destination in settings.destination:
            number = await spool.call(partial(Store.destination, name=destination.name))
            lifetimes[number] = destination.join_lifetime
            link = self._link(destination, number, contexts)
            rules = Rules(
                spacing_us=destination.device_spacing,
                replay_per_second=destination.replay_per_second,
                hold=destination.hold_without_listener if isinstance(destination, ChirpstackMqtt) else "off",
                live_first=destination.live_frames == "live-first",
                live_first_for_answers=destination.live_first_for_answers,
                live_first_above=destination.live_first_above,
            )
            turns = Turns(rules, backlog=spool.pending.get(number, 0) > 0)
            filter_ = Filter(destination.dev_addr_prefixes, destination.join_eui_prefixes, destination.lorawan_only)
            relays.append(
                Relay(
                    destination.name,
                    number,
                    filter_=filter_,
                    turns=turns,
                    link=link,
                    spool=spool,
                    clock=self.clock,
                    calendar=self.calendar,
                    tally=self.tally,
                )
            )
            self._links.append(link)
        self.relays = tuple(relays)
        above = max((one.live_first_above for one in settings.destination), default=0)
        self.intake = Intake(
            spool,
            contexts=contexts,
            calendar=self.calendar,
            tally=self.tally,
            join_lifetime_us=lifetimes,
            count_to=above + 1 if above else 0,
        )
        self.intake.relays = self.relays
        spool.on_loss = self._lost
        for gateway_id in [self._only] if self._only else remembered:
            for link in self._links:
                link.concentrator(gateway_id)
        await self._look_at_clock()

    def _link(self, destination: Destination, number: int, contexts: Contexts) -> Link:
        if isinstance(destination, SemtechUdp):
            return SemtechUdpLink(
                destination,
                number=number,
                clock=self.clock,
                contexts=contexts,
                desk=self.desk,
                tally=self.tally,
            )
        return ChirpstackLink(
            destination,
            number=number,
            broker_for=_broker_for(self.settings, destination),
            contexts=contexts,
            desk=self.desk,
            tally=self.tally,
        )

    # The sink of the sources

    def receive(self, uplinks: Sequence[Uplink]) -> asyncio.Future[bool]:
        """See `Sink.receive`."""
        return self.intake.receive(uplinks)

    def report(self, report: GatewayReport) -> None:
        """See `Sink.report`."""
        for relay in self.relays:
            relay.report(report)

    def concentrator(self, gateway_id: str, source: Source) -> None:
        """See `Sink.concentrator`."""
        if self.gateways.get(gateway_id) is source:
            return
        self.gateways[gateway_id] = source
        for link in self._links:
            link.concentrator(gateway_id)
        wall_us = self.clock.wall_us()
        self.spool.call(lambda store: store.note_gateway(gateway_id, wall_us)).add_done_callback(_unimportant)

    # Housekeeping

    @property
    def buffered(self) -> int:
        """Frames some destination has not acknowledged; of several destinations, the longest queue."""
        return max((relay.buffered for relay in self.relays), default=0)

    async def _housekeeping(self) -> None:
        beat = 0
        while True:
            # Balanced durability: wait for the medium only while the spool is what keeps frames alive.
            self.spool.set_synchronous(not all(relay.flowing for relay in self.relays))
            if beat % _CLOCK_EVERY == 0:
                await self._look_at_clock()
            if beat % _EXPIRE_EVERY == 0:
                await self._expire()
            beat += 1
            await asyncio.sleep(_HOUSEKEEPING_S)

    async def _look_at_clock(self) -> None:
        """Keep the verified offset of the clocks in the spool; written only when it moved, to spare the card."""
        offset_us = self.calendar.refresh()
        if offset_us is None or abs(offset_us - self._noted_us) < _OFFSET_MOVED_US:
            return
        self._noted_us = offset_us
        try:
            await self.spool.call(lambda store: store.note_offset(offset_us))
        except SpoolError as error:
            self.tally.count(_log, "spool cannot write", str(error)[:60])

    async def _expire(self) -> None:
        """Rule 9: frames older than max_age are given up. The oldest come first, so few rows are looked at."""
        max_age_us = self.settings.spool.max_age
        try:
            while True:
                rows = await self.spool.call(lambda store: store.oldest(_EXPIRE_ROWS))
                ages = [(seq, dev_addr, self.calendar.age_us(moment)) for seq, dev_addr, moment in rows]
                old = [(seq, dev_addr) for seq, dev_addr, age_us in ages if age_us is not None and age_us > max_age_us]
                if old:
                    lost = await self.spool.call(partial(Store.give_up, rows=old))
                    self.expired += lost.frames
                    _log.warning("frames expired", extra={"frames": lost.frames, "max_age_s": max_age_us / 1e6})
                if len(old) < _EXPIRE_ROWS:
                    return
        except SpoolError as error:
            self.tally.count(_log, "spool cannot expire", str(error)[:60])

    def _lost(self, lost: Lost) -> None:
        self.tally.count(_log, "frames evicted", "quota", lost.frames)


def _unimportant(future: asyncio.Future[None]) -> None:
    if not future.cancelled():
        future.exception()


def _broker_for(settings: Settings, destination: ChirpstackMqtt) -> Callable[[str], mqtt.Broker]:
    """Credentials are read anew for every connection, so that a renewed certificate needs no restart."""

    def broker(client_id: str) -> mqtt.Broker:
        password = ""
        if destination.password_file:
            password = settings.resolve(destination.password_file).read_text(encoding="utf-8").strip()
        tls = None
        if destination.server.tls:
            ca, cert, key = (
                str(settings.resolve(name)) if name else ""
                for name in (destination.ca, destination.cert, destination.key)
            )
            tls = tls_context(ca, cert, key)
        return mqtt.Broker(
            destination.server.host,
            destination.server.port,
            client_id,
            destination.username,
            password,
            tls,
            int(destination.keepalive.seconds),
        )

    return broker
