"""Destination "semtech_udp": any server that packet forwarders can talk to.

Toward the server we are a packet forwarder, one socket a concentrator. A frame counts as delivered when its PUSH_ACK
comes; unlike a packet forwarder we send it again otherwise. Orders name a counter value instead of a context: they are
carried out only if the value lies in a receive window of a frame that is live and was given to this server, and late
frames go out under a counter value that cannot be mistaken for one (rule 7).
"""

from __future__ import annotations

import asyncio
import logging
import zlib

import msgspec

from gateway.clock import Clock
from gateway.contexts import Contexts
from gateway.dating import Dated
from gateway.downlinks import Desk
from gateway.errors import BadFrame, LinkLost
from gateway.filters import Filter
from gateway.forwarders.marks import marks
from gateway.forwarders.wire import Wire
from gateway.frames import Delay, Downlink, GatewayReport, TxStatus
from gateway.gwmp.client import Acknowledged, Client, Ordered
from gateway.logs import Tally
from gateway.relay import Relay
from gateway.settings import SemtechUdp
from gateway.turns import Parcel, Verdict

_log = logging.getLogger(__name__)

# A server answers within a round trip; over LTE that is a second at worst.
_ACK_PATIENCE_S = 2.0
# So many unanswered datagrams in a row, and the path is taken for dead.
_MISSES_TO_DOWN = 3
_MOST_DOWNLINKS = 64


class SemtechUdpLink:
    """The link of one such destination: a small station for each concentrator."""

    def __init__(
        self,
        settings: SemtechUdp,
        *,
        number: int,
        clock: Clock,
        contexts: Contexts,
        desk: Desk,
        tally: Tally,
    ) -> None:
        self._settings = settings
        self._number = number
        self._clock = clock
        self._contexts = contexts
        self._desk = desk
        self._tally = tally
        self._filter = Filter(settings.dev_addr_prefixes, settings.join_eui_prefixes, settings.lorawan_only)
        self.wire = Wire()
        self._stations: dict[str, _Station] = {}
        self._relay: Relay | None = None
        self._misses = 0
        self._downlinks: set[asyncio.Task[None]] = set()

    def concentrator(self, gateway_id: str) -> None:
        """See `Link.concentrator`."""
        self._station(gateway_id)

    def _station(self, gateway_id: str) -> _Station:
        """The station of a concentrator; a new one opens with the next keepalive."""
        station = self._stations.get(gateway_id)
        if station is None:
            station = self._stations[gateway_id] = _Station(self, gateway_id)
        return station

    async def run(self, relay: Relay) -> None:
        """See `Link.run`."""
        self._relay = relay
        try:
            while True:
                for station in list(self._stations.values()):
                    await self._pull(station)
                await asyncio.sleep(self._settings.keepalive.seconds)
        finally:
            self._lost("closed")
            for station in self._stations.values():
                station.close()

    async def _pull(self, station: _Station) -> None:
        try:
            await station.open(self._settings.server.host, self._settings.server.port)
        except OSError as error:
            self._tally.count(_log, "destination unreachable", f"{self._settings.name}: {error.strerror}"[:80])
            self._lost(str(error))
            return
        if station.unanswered_pulls >= _MISSES_TO_DOWN:
            self._lost("keepalives are not answered")
        station.unanswered_pulls += 1
        station.send(station.client.pull())

    def _lost(self, why: str) -> None:
        if self._relay is not None:
            self._relay.link_down(why)
        for station in self._stations.values():
            station.give_up(why)

    # Up

    def send(self, parcel: Parcel, dated: Dated, late: bool) -> asyncio.Future[Verdict]:
        """See `Link.send`."""
        uplink = parcel.uplink
        station = self._station(uplink.gateway_id)
        counter = self._contexts.counter_for(parcel.seq, uplink.gateway_id, self._clock.mono_us())
        gps_us = dated.gps_us if late or dated.source == "gps" else None
        token, datagram = station.client.push(
            uplink, counter, dated.utc_us, gps_us, marks(parcel, dated) if late else {}
        )
        return station.ask(token, datagram)

    def report(self, report: GatewayReport, utc_us: int | None) -> asyncio.Future[Verdict]:
        """See `Link.report`."""
        station = self._station(report.gateway_id)
        return station.ask(*station.client.report(report, utc_us))

    def missed(self) -> None:
        """A datagram was not acknowledged in time."""
        self._misses += 1
        if self._misses >= _MISSES_TO_DOWN:
            self._lost("frames are not acknowledged")

    # From the server

    def datagram(self, station: _Station, data: bytes) -> None:
        """One datagram of the server."""
        try:
            heard = station.client.receive(data)
        except BadFrame as error:
            self._tally.count(_log, "order refused", error.kind)
            return
        self._misses = 0
        station.unanswered_pulls = 0
        if isinstance(heard, Acknowledged):
            station.acknowledged(heard.token)
        elif isinstance(heard, Ordered):
            self._ordered(station, heard, zlib.crc32(data))
        elif self._relay is not None and not self._relay.turns.up:
            self._relay.link_up()

    def _ordered(self, station: _Station, order: Ordered, order_id: int) -> None:
        if len(self._downlinks) >= _MOST_DOWNLINKS:
            self._tally.count(_log, "order refused", "too many at once")
            return
        task = asyncio.create_task(self._carry_out(station, order, order_id), name=f"downlink-{order_id}")
        self._downlinks.add(task)
        task.add_done_callback(self._downlinks.discard)

    async def _carry_out(self, station: _Station, order: Ordered, order_id: int) -> None:
        item = order.item
        if order.counter is not None:
            found = self._contexts.find(station.client.gateway_id, self._number, order.counter, self._clock.mono_us())
            if found is not None:
                context, delay_us = found
                item = msgspec.structs.replace(item, context=context, timing=Delay(delay_us))
        downlink = Downlink(order_id, station.client.gateway_id, (item,))
        result = await self._desk.carry_out(self._number, self._filter, downlink)
        if result is None:
            return
        status = result.statuses[0]
        if status is TxStatus.TOO_LATE and self._settings.late_downlink_ack == "silent":
            return
        station.send(station.client.tx_ack(order.token, status))


class _Station(asyncio.DatagramProtocol):
    """One concentrator's socket to the server."""

    def __init__(self, link: SemtechUdpLink, gateway_id: str) -> None:
        self.client = Client(gateway_id)
        self.unanswered_pulls = 0
        self._link = link
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[bytes, tuple[asyncio.Future[Verdict], asyncio.TimerHandle]] = {}

    async def open(self, host: str, port: int) -> None:
        """Open the socket if it is not open. Raises OSError."""
        if self._transport is None:
            loop = asyncio.get_running_loop()
            self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=(host, port))

    def close(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def send(self, data: bytes) -> None:
        """Send one datagram."""
        if self._transport is not None:
            self._link.wire.datagram(len(data))
            self._transport.sendto(data)

    def ask(self, token: bytes, data: bytes) -> asyncio.Future[Verdict]:
        """Send one that will be acknowledged."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Verdict] = loop.create_future()
        if self._transport is None:
            future.set_exception(LinkLost("not connected"))
            return future
        self._waiting[token] = (future, loop.call_later(_ACK_PATIENCE_S, self._missed, token))
        self.send(data)
        return future

    def acknowledged(self, token: bytes) -> None:
        """PUSH_ACK."""
        future, timer = self._waiting.pop(token, (None, None))
        if future is not None and timer is not None:
            timer.cancel()
            if not future.done():
                future.set_result(Verdict.TAKEN)

    def _missed(self, token: bytes) -> None:
        future, _ = self._waiting.pop(token, (None, None))
        if future is not None and not future.done():
            future.set_exception(LinkLost("no PUSH_ACK"))
        self._link.missed()

    def give_up(self, why: str) -> None:
        """Nobody will answer any more."""
        waiting, self._waiting = self._waiting, {}
        for future, timer in waiting.values():
            timer.cancel()
            if not future.done():
                future.set_exception(LinkLost(why))

    def datagram_received(self, data: bytes, _addr: tuple[str, int]) -> None:
        self._link.wire.datagram(len(data))
        self._link.datagram(self, data)

    def error_received(self, exc: Exception) -> None:
        _log.debug("socket error", extra={"error": str(exc)})
