"""Source "basics_station": a LoRaWAN network server (LNS) for Basics Station, on WebSocket.

A station asks /router-info where to go, connects to /station/EUI, says its version and is configured. Because the LNS
is on the same machine, a station's radio goes on receiving while the uplink network is away.

There is no acknowledgement for uplinks in this protocol: what a station has sent is ours to keep at once. There is
none for a downlink that was not sent either: silence after its moment means that it was not.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
import ssl
from typing import Any, cast

from aiohttp import WSMsgType, web

from gateway.clock import Clock
from gateway.errors import BadFrame, NoPath
from gateway.frames import Delay, DownlinkItem, TxStatus
from gateway.gps_time import gps_from_utc_us
from gateway.logs import Counted, Tally
from gateway.setting_types import Address
from gateway.sources.door import Door
from gateway.sources.port import Sink
from gateway.station import messages
from gateway.station.eui import write_id6
from gateway.station.regions import Region, router_config

_log = logging.getLogger(__name__)

# The largest message of a station is an uplink of 255 bytes in hex and its fields.
_LONGEST_MESSAGE = 16_384
_MOST_STATIONS = 64
# Each has one connection, a second one while it comes back, and another for router-info.
_MOST_CONNECTIONS = 3 * _MOST_STATIONS
# Stations expect a ping about every minute.
_PING_S = 60.0
_HELLO_PATIENCE_S = 20.0
# dntxed is sent after the transmission: airtime of SF12 is 2.5 s for a full frame.
_DNTXED_PATIENCE_S = 0.3
_LONGEST_AIRTIME_S = 2.5
# From here over loopback to a station that sleeps 10 ms at most.
_LEAD_US = 50_000
# Said by stations, of no concern to a relay.
_IGNORED = frozenset(("getxtime", "alarm", "event"))


class _Station:
    """One connected station."""

    def __init__(self, gateway_id: str, socket: web.WebSocketResponse) -> None:
        self.gateway_id = gateway_id
        self.socket = socket
        self.orders: dict[int, asyncio.Future[TxStatus]] = {}


class BasicsStationSource:
    """Serves stations on one address. `token`: what the Authorization header must say, "" for anything."""

    def __init__(
        self,
        bind: Address,
        *,
        region: Region,
        only: str,
        tls: ssl.SSLContext | None,
        token: str,
        sink: Sink,
        clock: Clock,
        tally: Tally,
    ) -> None:
        self.name = f"basics_station {bind}"
        self._bind = bind
        self._region = region
        self._only = only
        self._tls = tls
        self._token = token
        self._sink = sink
        self._clock = clock
        self._tally = tally
        self._stations: dict[str, _Station] = {}
        self._number = 0
        self._runner: web.AppRunner | None = None
        self._door: Door | None = None

    async def start(self) -> Address:
        """See `Source.start`."""
        app = web.Application()
        app.router.add_get("/router-info", self._router_info)
        app.router.add_get("/station/{gateway_id:[0-9a-f]{16}}", self._connected)
        told = Counted(self._tally, _log, "station refused")
        self._runner = web.AppRunner(app, access_log=None, logger=told, handle_signals=False, shutdown_timeout=0.5)
        await self._runner.setup()
        make = cast(web.Server, self._runner.server)  # there since `setup`
        self._door = Door(make, tls=self._tls, most=_MOST_CONNECTIONS, tally=self._tally, event="station refused")
        address = self._door.open(self._bind)
        _log.info("source ready", extra={"source": "basics_station", "bind": address})
        return address

    async def stop(self) -> None:
        """See `Source.stop`."""
        if self._door is not None:
            await self._door.close()
        for station in list(self._stations.values()):
            await station.socket.close()
        if self._runner is not None:
            await self._runner.cleanup()

    def reachable(self) -> frozenset[str]:
        """See `Source.reachable`."""
        return frozenset(self._stations)

    def _admit(self, request: web.Request) -> None:
        if self._token and not hmac.compare_digest(
            request.headers.get("Authorization", "").encode(), self._token.encode()
        ):
            self._tally.count(_log, "station refused", "token")
            raise web.HTTPUnauthorized(text="wrong or missing token")

    # Discovery

    async def _router_info(self, request: web.Request) -> web.WebSocketResponse:
        """Tell a station where to connect: here."""
        self._admit(request)
        socket = web.WebSocketResponse(max_msg_size=_LONGEST_MESSAGE)
        await socket.prepare(request)
        try:
            async with asyncio.timeout(_HELLO_PATIENCE_S):
                question = await socket.receive_str()
            router = messages.read_router(question)
        except (BadFrame, TypeError, TimeoutError):
            self._tally.count(_log, "station refused", "router-info")
            await socket.close()
            return socket
        answer: dict[str, Any] = {"router": write_id6(router)}
        if self._only and f"{router:016x}" != self._only:
            answer["error"] = "this gateway serves another concentrator"
        else:
            scheme = "ws" if self._tls is None else "wss"
            answer["muxs"] = "::0"
            answer["uri"] = f"{scheme}://{request.host}/station/{router:016x}"
        await socket.send_str(messages.write_json(answer).decode())
        await socket.close()
        return socket

    # A session

    async def _connected(self, request: web.Request) -> web.WebSocketResponse:
        self._admit(request)
        gateway_id = request.match_info["gateway_id"]
        if (self._only and gateway_id != self._only) or len(self._stations) >= _MOST_STATIONS:
            self._tally.count(_log, "station refused", "gateway-unknown" if self._only else "gateways-many")
            raise web.HTTPForbidden(text="this gateway serves another concentrator")
        socket = web.WebSocketResponse(heartbeat=_PING_S, max_msg_size=_LONGEST_MESSAGE)
        await socket.prepare(request)
        station = _Station(gateway_id, socket)
        older = self._stations.get(gateway_id)
        self._stations[gateway_id] = station
        if older is not None:
            await older.socket.close()
        _log.info("station connected", extra={"gateway": gateway_id, "peer": request.remote})
        try:
            async for message in socket:
                if message.type in (WSMsgType.TEXT, WSMsgType.BINARY):
                    await self._heard(station, message.data)
        finally:
            if self._stations.get(gateway_id) is station:
                del self._stations[gateway_id]
            for future in station.orders.values():
                if not future.done():
                    future.set_exception(NoPath("the station has gone"))
            _log.info("station disconnected", extra={"gateway": gateway_id})
        return socket

    async def _heard(self, station: _Station, data: str | bytes) -> None:
        """One message. What cannot be understood is counted and costs nothing else."""
        try:
            message = messages.read(data)
            kind = message["msgtype"]
            if kind in messages.UPLINKS:
                self._sink.concentrator(station.gateway_id, self)
                self._sink.receive([messages.uplink(station.gateway_id, self._region, message)])
            elif kind == "version":
                await self._send(station, router_config(self._region, self._clock.wall_us() / 1e6))
                self._sink.concentrator(station.gateway_id, self)
            elif kind == "dntxed":
                self._transmitted(station, messages.transmitted(message))
            elif kind == "timesync" and self._clock.verified():
                await self._send(station, messages.timesync(message, gps_from_utc_us(self._clock.wall_us())))
            elif kind not in _IGNORED:
                # Not by its own word: there could be any number of them, in log and metrics.
                self._tally.count(_log, "station message ignored", "unknown")
        except BadFrame as error:
            self._tally.count(_log, "station message refused", error.kind)

    @staticmethod
    def _transmitted(station: _Station, done: messages.Transmitted) -> None:
        future = station.orders.get(done.number)
        if future is not None and not future.done():
            future.set_result(TxStatus.OK)

    async def _send(self, station: _Station, message: dict[str, Any]) -> None:
        try:
            await station.socket.send_str(messages.write_json(message).decode())
        except ConnectionError:
            raise NoPath("the station has gone") from None

    # Down

    @property
    def lead_us(self) -> int:
        """See `Source.lead_us`."""
        return _LEAD_US

    async def transmit(self, gateway_id: str, item: DownlinkItem, left_us: int | None) -> TxStatus:
        """See `Source.transmit`."""
        station = self._stations.get(gateway_id)
        if station is None:
            raise NoPath(f"station {gateway_id} is not connected")
        self._number += 1
        number = self._number
        try:
            message = messages.order(self._region, item, number, self._clock.wall_us() / 1e6)
        except BadFrame as error:
            self._tally.count(_log, "downlink refused", error.kind)
            return TxStatus.TX_FREQ if error.kind == "station-freq" else TxStatus.INTERNAL_ERROR
        patience_s = _DNTXED_PATIENCE_S + _LONGEST_AIRTIME_S
        if isinstance(item.timing, Delay) and left_us is not None:
            # A second alternative comes one second later and needs its time.
            patience_s = left_us / 1e6 + _DNTXED_PATIENCE_S
        future = station.orders[number] = asyncio.get_running_loop().create_future()
        try:
            await self._send(station, message)
            async with asyncio.timeout(patience_s):
                status: TxStatus = await future
            return status
        except TimeoutError:
            raise NoPath(f"no dntxed from {gateway_id}") from None
        finally:
            del station.orders[number]


def server_tls(cert: str, key: str, ca: str = "") -> ssl.SSLContext:
    """TLS for stations; with `ca` each must show a certificate of that authority."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if ca:
        context.load_verify_locations(ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context
