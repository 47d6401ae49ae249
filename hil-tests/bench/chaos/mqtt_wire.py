"""MQTT 5 packets out of a byte stream, and the few of them that a run looks into or makes itself.

Source: MQTT Version 5.0 (OASIS), section 2.1 (fixed header), 3.3 (PUBLISH), 3.8 to 3.11 (subscriptions).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

PUBLISH, SUBACK, UNSUBACK = 3, 9, 11
OWN_PACKET_ID = 0xFFFF
"""Of packets that the network slips in; clients count from 1 and do not get there in a run."""


class Packet(NamedTuple):
    """`data` is the whole packet."""

    kind: int
    flags: int
    body: bytes
    data: bytes


class Packets:
    """Cuts a stream into packets."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Packet]:
        """Add bytes; all packets that are complete now."""
        self._rest += data
        while (packet := self._next()) is not None:
            yield packet

    def _next(self) -> Packet | None:
        size, shift, at = 0, 0, 1
        while True:
            if at >= len(self._rest):
                return None
            byte = self._rest[at]
            size |= (byte & 0x7F) << shift
            shift, at = shift + 7, at + 1
            if not byte & 0x80:
                break
        end = at + size
        if len(self._rest) < end:
            return None
        data, self._rest = self._rest[:end], self._rest[end:]
        return Packet(data[0] >> 4, data[0] & 0x0F, data[at:], data)


def published(packet: Packet) -> tuple[str, bytes]:
    """Topic and payload of a PUBLISH."""
    body = packet.body
    at = 2 + int.from_bytes(body[:2], "big")
    topic = body[2:at].decode()
    if packet.flags & 0b0110:
        at += 2
    properties, at = _variable(body, at)
    return topic, body[at + properties :]


def packet_id(packet: Packet) -> int:
    """Of a SUBACK or UNSUBACK."""
    return int.from_bytes(packet.body[:2], "big")


def subscribe(topic: str) -> bytes:
    """SUBSCRIBE with QoS 1 under `OWN_PACKET_ID`."""
    return _packet(0x82, OWN_PACKET_ID.to_bytes(2, "big") + b"\0" + _text(topic) + b"\1")


def unsubscribe(topic: str) -> bytes:
    """UNSUBSCRIBE under `OWN_PACKET_ID`."""
    return _packet(0xA2, OWN_PACKET_ID.to_bytes(2, "big") + b"\0" + _text(topic))


def _packet(first: int, body: bytes) -> bytes:
    if len(body) > 0x7F:
        raise ValueError("only short packets are made here")
    return bytes((first, len(body))) + body


def _text(text: str) -> bytes:
    raw = text.encode()
    return len(raw).to_bytes(2, "big") + raw


def _variable(data: bytes, at: int) -> tuple[int, int]:
    value, shift = 0, 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        shift, at = shift + 7, at + 1
        if not byte & 0x80:
            return value, at
