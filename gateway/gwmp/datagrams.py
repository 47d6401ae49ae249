"""The fixed front of every datagram.

PUSH_DATA, PULL_DATA, TX_ACK   version(1) token(2) kind(1) gateway EUI(8, big-endian) [JSON]
PUSH_ACK, PULL_ACK             version(1) token(2) kind(1)
PULL_RESP                      version(1) token(2) kind(1) JSON
"""

from __future__ import annotations

from enum import IntEnum
from typing import NamedTuple

from gateway.errors import BadFrame

# Version 1 lacks TX_ACK; otherwise the datagrams are the same.
VERSIONS = (1, 2)
_HEADER_BYTES = 4
_EUI_BYTES = 8


class Kind(IntEnum):
    """Byte 3."""

    PUSH_DATA = 0
    PUSH_ACK = 1
    PULL_DATA = 2
    PULL_RESP = 3
    PULL_ACK = 4
    TX_ACK = 5


_WITH_EUI = (Kind.PUSH_DATA, Kind.PULL_DATA, Kind.TX_ACK)


class Datagram(NamedTuple):
    """One datagram. `token` is opaque and echoed; `gateway_id` is "" where the kind carries none."""

    kind: Kind
    version: int
    token: bytes
    gateway_id: str = ""
    body: bytes = b""

    def to_bytes(self) -> bytes:
        """As it goes over the wire."""
        eui = bytes.fromhex(self.gateway_id) if self.kind in _WITH_EUI else b""
        return bytes((self.version,)) + self.token + bytes((self.kind,)) + eui + self.body

    @staticmethod
    def from_bytes(data: bytes) -> Datagram:
        """Read one; raises BadFrame with kind `short`, `version` or `kind`."""
        if len(data) < _HEADER_BYTES:
            raise BadFrame("short")
        if data[0] not in VERSIONS:
            raise BadFrame("version")
        if data[3] > Kind.TX_ACK:
            raise BadFrame("kind")
        kind = Kind(data[3])
        if kind not in _WITH_EUI:
            return Datagram(kind, data[0], data[1:3], body=data[_HEADER_BYTES:])
        body_at = _HEADER_BYTES + _EUI_BYTES
        if len(data) < body_at:
            raise BadFrame("short")
        return Datagram(kind, data[0], data[1:3], data[_HEADER_BYTES:body_at].hex(), data[body_at:])

    def answer(self, kind: Kind) -> bytes:
        """The acknowledgement of this datagram, in the version and with the token of its sender."""
        return Datagram(kind, self.version, self.token).to_bytes()
