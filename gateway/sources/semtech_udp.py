"""Source "semtech_udp": the socket around `gateway.gwmp.server`.

Everything received is handed to the sink within the datagram callback; PUSH_ACK leaves when the sink has stored it.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections import OrderedDict

from gateway.clock import Clock
from gateway.errors import BadFrame, NoAnswer, NoPath
from gateway.frames import DownlinkItem, TxStatus
from gateway.gwmp.server import PacketForwarders, Peer, Pulled, Pushed, Transmitted
from gateway.logs import Tally
from gateway.setting_types import Address
from gateway.sources.port import Sink

_log = logging.getLogger(__name__)

# lora_pkt_fwd answers a PULL_RESP as soon as its queue has judged it, in milliseconds. A second item (RX2) still
# has time after this wait.
_TX_ACK_PATIENCE_S = 0.3
_FIRST_LEAD_US = 20_000
# Bursts wait in the kernel while the interpreter works: 1000 datagrams of 400 bytes cost it about 800 bytes each.
_RECEIVE_BUFFER_BYTES = 4 << 20
# Taken from the kernel before anything else gets its turn: asyncio reads one a turn of its loop, and everything that
# waits to be relayed comes in between. 32 take about 5 ms.
_MOST_IN_TURN = 32
_LONGEST_DATAGRAM = 65_536
# Datagrams the network doubled come within moments of each other.
_MOST_RECENT = 512

# Packet forwarders show themselves every 5 to 30 s; three missed keepalives, and one is gone.
_SILENT_US = 90_000_000

_RecentKey = tuple[str, bytes, int]


class SemtechUdpSource:
    """Serves packet forwarders on one UDP address."""

    def __init__(self, bind: Address, only: str, sink: Sink, clock: Clock, tally: Tally) -> None:
        self.name = f"semtech_udp {bind}"
        self._bind = bind
        self._core = PacketForwarders(only)
        self._sink = sink
        self._clock = clock
        self._tally = tally
        self._lead_us = _FIRST_LEAD_US
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[tuple[str, bytes], asyncio.Future[TxStatus]] = {}
        self._recent: OrderedDict[_RecentKey, asyncio.Future[bool]] = OrderedDict()

    async def start(self) -> Address:
        """Open the socket; returns the address it really has. Raises OSError."""
        loop = asyncio.get_running_loop()
        family = socket.AF_INET6 if ":" in self._bind.host else socket.AF_INET
        sock = socket.socket(family, socket.SOCK_DGRAM)
        try:
            sock.setblocking(False)
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVE_BUFFER_BYTES)
            sock.bind((self._bind.host, self._bind.port))
        except OSError:
            sock.close()
            raise
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self, sock), sock=sock)
        self._transport = transport
        host, port = transport.get_extra_info("sockname")[:2]
        address = Address.of(host, port)
        self.name = f"semtech_udp {address}"
        _log.info("source ready", extra={"source": "semtech_udp", "bind": address})
        return address

    async def stop(self) -> None:
        """Close the socket."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    def reachable(self) -> frozenset[str]:
        """See `Source.reachable`."""
        return self._core.heard_since(self._clock.mono_us() - _SILENT_US)

    def datagram(self, data: bytes, peer: Peer) -> None:
        """One datagram arrived."""
        try:
            heard = self._core.receive(data, peer, self._clock.mono_us())
        except BadFrame as error:
            self._tally.count(_log, "datagram refused", error.kind)
            return
        if isinstance(heard, Pulled):
            self._send(heard.ack, peer)
            self._sink.concentrator(heard.gateway_id, self)
            if heard.first:
                _log.info("concentrator pulls", extra={"gateway": heard.gateway_id, "peer": f"{peer[0]}:{peer[1]}"})
        elif isinstance(heard, Pushed):
            self._pushed(heard, peer)
        else:
            self._transmitted(heard)

    def _pushed(self, heard: Pushed, peer: Peer) -> None:
        for kind in heard.push.rejected:
            self._tally.count(_log, "element refused", kind)
        if heard.push.report is not None:
            self._sink.report(heard.push.report)
        if not heard.push.uplinks:
            self._send(heard.ack, peer)
            return
        key = (heard.datagram.gateway_id, heard.datagram.token, hash(heard.datagram.body))
        stored = self._recent.get(key)
        if stored is None:
            self._sink.concentrator(heard.datagram.gateway_id, self)
            stored = self._sink.receive(heard.push.uplinks)
            self._recent[key] = stored
            if len(self._recent) > _MOST_RECENT:
                self._recent.popitem(last=False)
        else:
            self._tally.count(_log, "datagram doubled", "push")
        stored.add_done_callback(lambda future: self._stored(key, future, heard.ack, peer))

    def _stored(self, key: _RecentKey, stored: asyncio.Future[bool], ack: bytes, peer: Peer) -> None:
        if not stored.cancelled() and stored.exception() is None and stored.result():
            self._send(ack, peer)
        else:
            self._recent.pop(key, None)

    def _transmitted(self, heard: Transmitted) -> None:
        waiting = self._waiting.get((heard.gateway_id, heard.token))
        if waiting is not None and not waiting.done():
            waiting.set_result(heard.status)
        elif waiting is None:
            self._tally.count(_log, "datagram refused", "tx-ack-unasked")

    @property
    def lead_us(self) -> int:
        """Half the way to the packet forwarder and back, smoothed."""
        return self._lead_us

    async def transmit(self, gateway_id: str, item: DownlinkItem, left_us: int | None) -> TxStatus:
        """See `Source.transmit`. Version 1 forwarders do not answer: sent counts as done."""
        order = self._core.pull_resp(gateway_id, item)
        if self._transport is None:
            raise NoPath("the socket is closed")
        if not order.acknowledged:
            self._send(order.data, order.peer)
            return TxStatus.OK
        started_us = self._clock.mono_us()
        waiting = self._waiting[gateway_id, order.token] = asyncio.get_running_loop().create_future()
        try:
            self._send(order.data, order.peer)
            async with asyncio.timeout(_TX_ACK_PATIENCE_S):
                status: TxStatus = await waiting
            way_us = (self._clock.mono_us() - started_us) // 2
            self._lead_us = (7 * self._lead_us + way_us) // 8
            return status
        except TimeoutError:
            raise NoAnswer(f"no TX_ACK from {gateway_id} within {_TX_ACK_PATIENCE_S} s") from None
        finally:
            del self._waiting[gateway_id, order.token]

    def _send(self, data: bytes, peer: Peer) -> None:
        if self._transport is not None:
            self._transport.sendto(data, peer)


class _Datagrams(asyncio.DatagramProtocol):
    """The callback object asyncio wants."""

    def __init__(self, source: SemtechUdpSource, sock: socket.socket) -> None:
        self._source = source
        self._sock = sock

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """One datagram, and those that wait behind it."""
        self._source.datagram(data, (addr[0], addr[1]))
        for _ in range(_MOST_IN_TURN - 1):
            try:
                data, addr = self._sock.recvfrom(_LONGEST_DATAGRAM)
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                self.error_received(error)
                return
            self._source.datagram(data, (addr[0], addr[1]))

    def error_received(self, exc: Exception) -> None:
        _log.debug("socket error", extra={"error": str(exc)})
