"""The supervisor's end of the bus: bytes to requests, answers to bytes. The words are in `bench.overlay.bench_ops`."""

from __future__ import annotations

import struct
from typing import NamedTuple

from bench.overlay import bench_ops as ops

_REQUEST = struct.Struct(ops.REQUEST)
_REPLY = struct.Struct(ops.REPLY)
MESSAGE_BYTES = 70_000  # above the largest request: a UART, SPI or NVS transfer of 64 KiB
MAX_INTERRUPTS = 255  # width of the count in a reply

Interrupt = tuple[int, int, int]
"""Kind, number of pin, timer or UART, value."""


class Request(NamedTuple):
    """One message of a board."""

    sequence: int
    op: int
    a: int
    b: int
    now_us: int
    data: bytes

    @property
    def posted(self) -> bool:
        """Whether the board goes on without an answer."""
        return self.op >= ops.POSTED


class Answer(NamedTuple):
    """What the world says to a request. `took_us`: how long the transfer keeps the board from now on."""

    value: int = 0
    data: bytes = b""
    status: int = ops.OK
    took_us: int = 0


def parse(message: bytes) -> Request:
    """A message of the board."""
    sequence, op, a, b, now_us = _REQUEST.unpack_from(message)
    return Request(sequence, op, a, b, now_us, message[ops.REQUEST_BYTES :])


def build(sequence: int, answer: Answer, now_us: int, lease_us: int, interrupts: list[Interrupt]) -> list[bytes]:
    """A reply to the request `sequence`: one message or two."""
    data = b"".join(struct.pack("<BBH", *interrupt) for interrupt in interrupts) + answer.data
    value, size = answer.value & 0xFFFFFFFF, len(data)
    head = _REPLY.pack(sequence, answer.status, len(interrupts), value, now_us, lease_us, size)
    return [head, data] if data else [head]
