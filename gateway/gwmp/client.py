"""The packet forwarder's side of the protocol, for one concentrator: what a relay has to say to somebody else's server.

Uplinks, counters and keepalives become datagrams; answers and orders come back as events. No socket, no clock.
"""

from __future__ import annotations

import secrets
from typing import NamedTuple

from gateway.errors import BadFrame
from gateway.frames import DownlinkItem, GatewayReport, TxStatus, Uplink
from gateway.gwmp.datagrams import Datagram, Kind
from gateway.gwmp.rxpk import write_json, write_rxpk, write_stat
from gateway.gwmp.txpk import read_txpk, write_ack

_VERSION = 2


class Acknowledged(NamedTuple):
    """The server has the PUSH_DATA with this token."""

    token: bytes


class Pulled(NamedTuple):
    """The server answered a keepalive."""


class Ordered(NamedTuple):
    """The server wants a downlink. `counter` is when, by the concentrator's clock, or None if `item` says it."""

    token: bytes
    item: DownlinkItem
    counter: int | None


class Client:
    """Datagrams for one server about one concentrator."""

    def __init__(self, gateway_id: str) -> None:
        self.gateway_id = gateway_id
        self._token = secrets.randbits(16)

    def _datagram(self, kind: Kind, body: bytes = b"") -> tuple[bytes, bytes]:
        self._token = (self._token + 1) & 0xFFFF
        token = self._token.to_bytes(2, "big")
        return token, Datagram(kind, _VERSION, token, self.gateway_id, body).to_bytes()

    def push(
        self, uplink: Uplink, counter: int, utc_us: int | None, gps_us: int | None, marks: dict[str, str]
    ) -> tuple[bytes, bytes]:
        """Token and datagram for one uplink under the counter value `counter`."""
        element = write_rxpk(uplink, counter, utc_us, gps_us, marks)
        return self._datagram(Kind.PUSH_DATA, write_json({"rxpk": [element]}))

    def report(self, report: GatewayReport, utc_us: int | None) -> tuple[bytes, bytes]:
        """Token and datagram for counters."""
        return self._datagram(Kind.PUSH_DATA, write_json({"stat": write_stat(report, utc_us)}))

    def pull(self) -> bytes:
        """The keepalive that opens the way back."""
        return self._datagram(Kind.PULL_DATA)[1]

    def tx_ack(self, token: bytes, status: TxStatus) -> bytes:
        """The answer to an order."""
        return Datagram(Kind.TX_ACK, _VERSION, token, self.gateway_id, write_ack(status)).to_bytes()

    def receive(self, data: bytes) -> Acknowledged | Pulled | Ordered:
        """Take one datagram of the server. Raises BadFrame."""
        datagram = Datagram.from_bytes(data)
        if datagram.kind is Kind.PUSH_ACK:
            return Acknowledged(datagram.token)
        if datagram.kind is Kind.PULL_ACK:
            return Pulled()
        if datagram.kind is Kind.PULL_RESP:
            item, counter = read_txpk(datagram.body)
            return Ordered(datagram.token, item, counter)
        raise BadFrame("direction")
