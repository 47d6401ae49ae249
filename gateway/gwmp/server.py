"""The server's side of the protocol, for any number of packet forwarders: datagrams and the time in, events and
datagrams out.

A packet forwarder uses two source ports: PUSH_ACK goes back to where PUSH_DATA came from, PULL_RESP to where the
latest PULL_DATA came from. It never repeats a PUSH_DATA and may end itself when nobody acknowledges, so PULL_DATA is
answered always and at once, and PUSH_DATA as soon as its frames are safe (which is the caller's business).
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import NamedTuple

from gateway.errors import BadFrame, NoPath
from gateway.frames import DownlinkItem, TxStatus
from gateway.gwmp.datagrams import Datagram, Kind
from gateway.gwmp.rxpk import Push, read_push
from gateway.gwmp.txpk import read_ack, write_txpk

# One machine serves a handful of concentrators; more is somebody playing with forged EUIs.
_MOST_GATEWAYS = 64
# Shipped keepalives are 5 to 30 s. After five minutes of silence an entry makes room for another.
_FORGET_US = 300_000_000

Peer = tuple[str, int]


class Pushed(NamedTuple):
    """Uplinks or counters arrived. Send `ack` back once every frame of `push` is stored."""

    datagram: Datagram
    ack: bytes
    push: Push


class Pulled(NamedTuple):
    """A packet forwarder keeps its way back open. Send `ack` at once. `first` marks a new way."""

    gateway_id: str
    ack: bytes
    first: bool


class Transmitted(NamedTuple):
    """What became of the PULL_RESP with `token`."""

    gateway_id: str
    token: bytes
    status: TxStatus


class PullResp(NamedTuple):
    """A downlink on its way: send `data` to `peer`; a TX_ACK follows if `acknowledged` (protocol version 2)."""

    token: bytes
    data: bytes
    peer: Peer
    acknowledged: bool


@dataclass(slots=True)
class _Forwarder:
    heard_us: int
    peer: Peer | None = None
    version: int = 2


class PacketForwarders:
    """The known packet forwarders. `only` restricts service to one EUI; "" serves all."""

    def __init__(self, only: str = "") -> None:
        self._only = only
        self._known: dict[str, _Forwarder] = {}
        self._token = secrets.randbits(16)

    def receive(self, data: bytes, peer: Peer, now_us: int) -> Pushed | Pulled | Transmitted:
        """Take one datagram. Raises BadFrame: nothing is to be answered."""
        datagram = Datagram.from_bytes(data)
        if datagram.kind not in (Kind.PUSH_DATA, Kind.PULL_DATA, Kind.TX_ACK):
            raise BadFrame("direction")
        forwarder = self._forwarder(datagram.gateway_id, now_us)
        if datagram.kind is Kind.PULL_DATA:
            first = forwarder.peer != peer
            forwarder.peer, forwarder.version = peer, datagram.version
            return Pulled(datagram.gateway_id, datagram.answer(Kind.PULL_ACK), first)
        if datagram.kind is Kind.TX_ACK:
            return Transmitted(datagram.gateway_id, datagram.token, read_ack(datagram.body))
        push = read_push(datagram.gateway_id, datagram.body)
        return Pushed(datagram, datagram.answer(Kind.PUSH_ACK), push)

    def _forwarder(self, gateway_id: str, now_us: int) -> _Forwarder:
        if self._only and gateway_id != self._only:
            raise BadFrame("gateway-unknown")
        forwarder = self._known.get(gateway_id)
        if forwarder is None:
            if len(self._known) >= _MOST_GATEWAYS:
                self._forget(now_us - _FORGET_US)
            if len(self._known) >= _MOST_GATEWAYS:
                raise BadFrame("gateways-many")
            forwarder = self._known[gateway_id] = _Forwarder(now_us)
        forwarder.heard_us = now_us
        return forwarder

    def _forget(self, before_us: int) -> None:
        for gateway_id in [name for name, one in self._known.items() if one.heard_us < before_us]:
            del self._known[gateway_id]

    def heard_since(self, since_us: int) -> frozenset[str]:
        """Packet forwarders that sent anything since then."""
        return frozenset(gateway_id for gateway_id, one in self._known.items() if one.heard_us >= since_us)

    def pull_resp(self, gateway_id: str, item: DownlinkItem) -> PullResp:
        """Make the datagram for a downlink; raises NoPath if its packet forwarder has never pulled."""
        forwarder = self._known.get(gateway_id)
        if forwarder is None or forwarder.peer is None:
            raise NoPath(f"no PULL_DATA from {gateway_id} so far: does the packet forwarder's serv_port_down fit?")
        # Our own counter: part of the server's downlink_id, as others use, lets two downlinks collide.
        self._token = (self._token + 1) & 0xFFFF
        token = self._token.to_bytes(2, "big")
        datagram = Datagram(Kind.PULL_RESP, forwarder.version, token, body=write_txpk(item))
        return PullResp(token, datagram.to_bytes(), forwarder.peer, forwarder.version > 1)
