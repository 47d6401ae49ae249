"""What a network server gets as "context" of an uplink, and what it is worth when it comes back with a downlink.

A concentrator times an answer by its own counter, which wraps after 71 minutes: a counter value from an old frame can
look like a moment a few minutes ahead, and the radio would really transmit. So a raw counter never stands alone
(rule 7 of facts/gateway.md section 6). The context sent is

    version(1) | tag of this run of the gateway(4) | seq of the frame(8) | context of the source

and it is good for a few seconds, for frames of this run, from a destination that was given the frame.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from typing import NamedTuple

_VERSION = 1
_TAG_BYTES = 4
_SEQ_BYTES = 8
_HEAD_BYTES = 1 + _TAG_BYTES + _SEQ_BYTES
# Rule 7. Servers answer within a second of the frame; the longest RX1 delay is 15 s and counts from then.
_LIVE_US = 10_000_000
_COUNTER = 1 << 32
# RXDelay is 15 s at most (LoRaWAN 1.0.4 section 5.7), RX2 one second after it.
_LONGEST_DELAY_US = 16_000_000
# 10 s of the greatest burst, 1000 frames/s, and a little more.
_MOST_LIVE = 12_000


class Origin(NamedTuple):
    """Where a live frame came from, when (monotonic, microseconds), and the destinations that are given it."""

    gateway_id: str
    context: bytes
    received_us: int
    destinations: tuple[int, ...]


class Contexts:
    """The table of live frames of this run."""

    def __init__(self, tag: bytes | None = None) -> None:
        self._tag = secrets.token_bytes(_TAG_BYTES) if tag is None else tag
        self._live: OrderedDict[int, Origin] = OrderedDict()

    def remember(self, seq: int, origin: Origin) -> None:
        """A frame has been received."""
        self._drop_older(origin.received_us - _LIVE_US)
        self._live[seq] = origin
        if len(self._live) > _MOST_LIVE:
            self._live.popitem(last=False)

    def _drop_older(self, before_us: int) -> None:
        while self._live:
            seq, origin = next(iter(self._live.items()))
            if origin.received_us >= before_us:
                break
            del self._live[seq]

    def write(self, seq: int, context: bytes) -> bytes:
        """The context to send with a frame."""
        return bytes((_VERSION,)) + self._tag + seq.to_bytes(_SEQ_BYTES, "big") + context

    def read(self, context: bytes, now_us: int) -> Origin | None:
        """The live frame a returned context belongs to; None if it is foreign, of an earlier run, or too old."""
        if len(context) < _HEAD_BYTES or context[0] != _VERSION or context[1 : 1 + _TAG_BYTES] != self._tag:
            return None
        origin = self._live.get(int.from_bytes(context[1 + _TAG_BYTES : _HEAD_BYTES], "big"))
        if origin is None or now_us - origin.received_us > _LIVE_US or origin.context != context[_HEAD_BYTES:]:
            return None
        return origin

    def find(self, gateway_id: str, destination: int, counter: int, now_us: int) -> tuple[bytes, int] | None:
        """The live frame that an order by counter value answers, for servers that know no contexts.

        Returns its context (ours) and the delay in microseconds, or None if the counter lies in no receive window of
        any live frame this destination was given.
        """
        for seq, origin in reversed(self._live.items()):
            if now_us - origin.received_us > _LIVE_US:
                break
            if origin.gateway_id != gateway_id or destination not in origin.destinations:
                continue
            delay_us = (counter - counter_of(origin.context)) % _COUNTER
            if delay_us <= _LONGEST_DELAY_US:
                return self.write(seq, origin.context), delay_us
        return None

    def counter_for(self, seq: int, gateway_id: str, now_us: int) -> int:
        """The counter value to show with a frame: its own while it is live, else one no live frame is near."""
        origin = self._live.get(seq)
        if origin is not None and now_us - origin.received_us <= _LIVE_US:
            return counter_of(origin.context)
        newest = next((one for one in reversed(self._live.values()) if one.gateway_id == gateway_id), None)
        now = counter_of(newest.context) + now_us - newest.received_us if newest is not None else 0
        return (now + _COUNTER // 2) % _COUNTER


def counter_of(context: bytes) -> int:
    """The 32-bit microsecond counter in a source's context: 4 bytes of Semtech UDP and Concentratord, or the low half
    of xtime in the 16 bytes of Basics Station.
    """
    return int.from_bytes(context[-4:], "big")
