"""What a source and the daemon expect of each other."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

from gateway.frames import DownlinkItem, GatewayReport, TxStatus, Uplink


class Source(Protocol):
    """One way to reach concentrators."""

    name: str

    @property
    def lead_us(self) -> int:
        """How long an order takes from here to the radio's queue, measured or known."""

    async def start(self) -> str:
        """Begin to serve; returns the address it really has (an `Address` if it listens). Raises OSError."""

    async def stop(self) -> None:
        """End serving."""

    def reachable(self) -> frozenset[str]:
        """Concentrators that show signs of life: a keepalive or an answer of late, or an open connection."""

    async def transmit(self, gateway_id: str, item: DownlinkItem, left_us: int | None) -> TxStatus:
        """Hand one downlink item, with the source's own context, to a concentrator and wait for its verdict.

        `left_us` is the time until the transmission, None if it has no set time. Raises NoPath if the concentrator
        cannot be reached or says nothing.
        """


class Sink(Protocol):
    """Where a source puts what it hears. None of these calls blocks."""

    def receive(self, uplinks: Sequence[Uplink]) -> asyncio.Future[bool]:
        """Take uplinks of one message; the future turns true when everything worth it is stored."""

    def report(self, report: GatewayReport) -> None:
        """Take the counters of a concentrator."""

    def concentrator(self, gateway_id: str, source: Source) -> None:
        """A concentrator can be reached over `source` from now on."""
