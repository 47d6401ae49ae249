"""The daemon: builds the parts from the settings, ties them together, and takes them down in order.

source -> Hub -> Intake -> Spool -> Relay -> link -> network server
network server -> link -> Desk -> source -> concentrator
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import msgspec

from gateway import spool_tool
from gateway.clock import Clock, SystemClock
from gateway.contexts import Contexts
from gateway.dating import Calendar
from gateway.downlinks import Desk
from gateway.duty import BANDS, DutyBook
from gateway.errors import SettingsError, SpoolError
from gateway.filters import Filter
from gateway.frames import GatewayReport, Uplink
from gateway.intake import Intake
from gateway.logs import Tally
from gateway.notes import Notes
from gateway.parts import Shared, make_link, make_source, rules_of
from gateway.relay import Relay
from gateway.setting_types import Address
from gateway.settings import Settings
from gateway.sources.port import Source
from gateway.spool import Spool
from gateway.store import Lost, Store
from gateway.systemd import Notifier
from gateway.turns import Turns
from gateway.wear_saving import WearSavingSpool

_log = logging.getLogger(__name__)

_HOUSEKEEPING_S = 1.0
_CLOCK_EVERY = 10
_EXPIRE_EVERY = 60
_EXPIRE_ROWS = 1000
# Frames of an earlier start of the machine are dated no better than this.
_OFFSET_MOVED_US = 50_000


class Reload(NamedTuple):
    """How to reload: set `asked`, and the daemon calls `load` (which may raise SettingsError)."""

    asked: asyncio.Event
    load: Callable[[], Settings]


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
        self.ready = False
        self.on_ready: Callable[[], None] = lambda: None
        self.addresses: list[str] = []
        self.status_address: Address | None = None
        self.started_us = self.clock.mono_us()
        self.spool: Spool
        self.calendar: Calendar
        self.intake: Intake
        self.desk: Desk
        self.contexts: Contexts
        self.notes: Notes
        self._remembered: list[str] = []
        self._tasks: list[asyncio.Task[None]] = []
        self._notifier = Notifier()

    async def run(self, stop: asyncio.Event, reload: Reload | None = None) -> None:
        """Serve until told to stop. Raises SpoolError and OSError (address in use) before anything was served."""
        path = self.settings.resolve(self.settings.spool.path)
        with spool_tool.lock(path):  # two daemons on one spool would send everything twice
            kind = WearSavingSpool if self.settings.spool.durability == "wear-saving" else Spool
            self.spool = await kind.open(path, self.settings.spool.max_bytes, self.clock.boot_id)
            if isinstance(self.spool, WearSavingSpool):
                self.spool.flowing = self._flowing
            try:
                await self._serve(stop, reload)
            finally:
                await self.spool.close()

    async def _serve(self, stop: asyncio.Event, reload: Reload | None) -> None:
        await self._build()
        sources = [make_source(one, self._shared, self) for one in self.settings.source]
        status = None
        if self.settings.status is not None:
            # Late: a gateway without a page needs no web server in memory (14 MB).
            from gateway.status import StatusServer

            status = StatusServer(self, self.settings.status.hosts)
        housekeeping: asyncio.Task[None] | None = None
        try:
            self.addresses = [await source.start() for source in sources]
            if status is not None and self.settings.status is not None:
                self.status_address = await status.start(self.settings.status.bind)
            self._start_relays()
            housekeeping = asyncio.create_task(self._housekeeping(), name="housekeeping")
            self.on_ready()
            ready = {"sources": self.addresses, "status": self.status_address, "buffered": self.buffered}
            _log.info("ready", extra=ready)
            self._notifier.tell("READY=1")
            self.ready = True
            await self._until(stop, reload, housekeeping)
        finally:
            self._notifier.tell("STOPPING=1")
            for source in sources:
                await source.stop()
            if status is not None:
                await status.stop()
            await self._stop_relays()
            if housekeeping is not None:
                housekeeping.cancel()
                await asyncio.gather(housekeeping, return_exceptions=True)
            await self._look_at_clock()
            _log.info("stopped", extra={"buffered": self.buffered})

    async def _until(self, stop: asyncio.Event, reload: Reload | None, housekeeping: asyncio.Task[None]) -> None:
        """Wait for the order to stop, reload when told. A task that ends by itself is a defect: it ends the daemon."""
        stopping = asyncio.create_task(stop.wait(), name="stop")
        reloading = None
        try:
            while True:
                if reload is not None and (reloading is None or reloading.done()):
                    reloading = asyncio.create_task(reload.asked.wait(), name="reload")
                extra = () if reloading is None else (reloading,)
                waiting: set[asyncio.Task[Any]] = {stopping, housekeeping, *self._tasks, *extra}
                done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                if stopping in done:
                    return
                for task in done:
                    await task
                if reload is not None and reload.asked.is_set():
                    reload.asked.clear()
                    await self._reload(reload)
        finally:
            stopping.cancel()
            if reloading is not None:
                reloading.cancel()

    async def _reload(self, reload: Reload) -> None:
        """New destinations at once; the other sections need a restart. A bad file changes nothing."""
        try:
            fresh = reload.load()
        except SettingsError as error:
            _log.error("reload refused", extra={"problems": [str(problem) for problem in error.problems]})
            return
        parts = ("gateway", "spool", "source", "status")
        changed = [name for name in parts if getattr(fresh, name) != getattr(self.settings, name)]
        self._notifier.tell("RELOADING=1")
        await self._stop_relays()
        kept = {name: getattr(self.settings, name) for name in parts}
        self.settings = msgspec.structs.replace(fresh, **kept)
        await self._build_relays()
        self._start_relays()
        self._notifier.tell("READY=1")
        names = [relay.name for relay in self.relays]
        _log.info("reloaded", extra={"destinations": names, "restart_needed_for": changed})

    @property
    def _only(self) -> str:
        return "" if self.settings.gateway.id == "auto" else str(self.settings.gateway.id)

    async def _build(self) -> None:
        """The parts that live as long as the daemon."""
        spool = self.spool
        offsets, self._remembered = await spool.call(lambda store: (store.offsets(), store.gateways()))
        self.calendar = Calendar(self.clock, spool.boot, offsets)
        self.contexts = Contexts()
        self.intake = Intake(spool, contexts=self.contexts, calendar=self.calendar, tally=self.tally)
        duty = DutyBook(BANDS[self.settings.gateway.duty_cycle])
        self.desk = Desk(self.contexts, self.clock, self.tally, self.gateways, duty, self.intake.watch)
        spool.on_loss = self._lost
        self.notes = Notes(spool)
        await self.notes.restore(duty, self.clock.mono_us())
        await self._build_relays()
        await self._look_at_clock()

    async def _build_relays(self) -> None:
        """The destinations of the settings, each going on where its name stopped."""
        relays = []
        for destination in self.settings.destination:
            number = await self.spool.call(partial(Store.destination, name=destination.name))
            relay = Relay(
                destination.name,
                number,
                filter_=Filter(destination.dev_addr_prefixes, destination.join_eui_prefixes, destination.lorawan_only),
                # There may be a backlog; the first look into the spool tells.
                turns=Turns(rules_of(destination), backlog=True),
                link=make_link(destination, number, self._shared, self.contexts, self.desk),
                spool=self.spool,
                clock=self.clock,
                calendar=self.calendar,
                tally=self.tally,
                budget=await self.notes.budget(
                    destination.name, destination.max_bytes_per_day, destination.max_bytes_per_month
                ),
                join_lifetime_us=destination.join_lifetime,
                watch=self.intake.watch,
            )
            relays.append(relay)
            for gateway_id in ([self._only] if self._only else self._remembered) + list(self.gateways):
                relay.link.concentrator(gateway_id)
        self.relays = tuple(relays)
        self.intake.relays = self.relays
        above = max((one.live_first_above for one in self.settings.destination), default=0)
        self.intake.count_to = above + 1 if above else 0

    def _start_relays(self) -> None:
        for relay in self.relays:
            self._tasks.append(asyncio.create_task(relay.link.run(relay), name=f"link-{relay.name}"))
            self._tasks.append(asyncio.create_task(relay.run(), name=f"relay-{relay.name}"))

    async def _stop_relays(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for relay in self.relays:
            relay.look_at_budget()
            relay.close()
        await self._keep_notes()

    @property
    def _shared(self) -> Shared:
        return Shared(self.settings, self._only, self.clock, self.tally)

    # The sink of the sources

    def receive(self, uplinks: Sequence[Uplink]) -> asyncio.Future[bool]:
        """See `Sink.receive`."""
        return self.intake.receive(uplinks)

    def report(self, report: GatewayReport) -> None:
        """See `Sink.report`."""
        self.intake.watch.reported(report, self.clock.wall_us())
        for relay in self.relays:
            relay.report(report)

    def concentrator(self, gateway_id: str, source: Source) -> None:
        """See `Sink.concentrator`."""
        if self.gateways.get(gateway_id) is source:
            return
        self.gateways[gateway_id] = source
        for relay in self.relays:
            relay.link.concentrator(gateway_id)
        wall_us = self.clock.wall_us()
        self.spool.call(lambda store: store.note_gateway(gateway_id, wall_us)).add_done_callback(_unimportant)

    # Housekeeping

    @property
    def buffered(self) -> int:
        """Frames some destination has not acknowledged; of several destinations, the longest queue."""
        return max((relay.buffered for relay in self.relays), default=0)

    @property
    def silent(self) -> list[str]:
        """Concentrators that were heard since start and show no sign of life now."""
        return sorted(name for name, source in self.gateways.items() if name not in source.reachable())

    def _flowing(self) -> bool:
        return bool(self.relays) and all(relay.flowing for relay in self.relays)

    async def _housekeeping(self) -> None:
        beat = 0
        while True:
            flowing = self._flowing()
            # Balanced: wait for the medium only while the spool is what keeps frames alive.
            self.spool.set_synchronous(self.settings.spool.durability == "paranoid" or not flowing)
            if isinstance(self.spool, WearSavingSpool) and not flowing:
                self.spool.write_held()
            if beat % _CLOCK_EVERY == 0:
                await self._look_at_clock()
            for relay in self.relays:
                relay.look_at_budget()
            if beat % _EXPIRE_EVERY == 0:
                await self._expire()
                await self._keep_notes()
            if self._notifier.watchdog_s is not None:
                self._notifier.tell("WATCHDOG=1")
            beat += 1
            await asyncio.sleep(_HOUSEKEEPING_S)

    async def _keep_notes(self) -> None:
        budgets = [(relay.name, relay.budget) for relay in self.relays]
        try:
            await self.notes.write(budgets, self.desk.duty, self.clock.mono_us())
        except SpoolError as error:
            self.tally.count(_log, "spool cannot write", str(error)[:60])

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
