"""Which frames a destination is given, judged frame by frame and never by datagram.

Meaning as in ChirpStack: data uplinks are judged by DevAddr, join-requests by JoinEUI; an empty list lets everything
of its kind pass; a frame that has neither identifier passes, unless the destination wants LoRaWAN only.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.header import Header, Kind, downlink_dev_addr
from gateway.setting_types import DevAddrPrefix, JoinEuiPrefix


class Filter(NamedTuple):
    """The prefixes of one destination."""

    dev_addr_prefixes: tuple[DevAddrPrefix, ...] = ()
    join_eui_prefixes: tuple[JoinEuiPrefix, ...] = ()
    lorawan_only: bool = False

    def passes(self, header: Header) -> bool:
        """Whether the destination is given an uplink with this header."""
        if header.kind is Kind.DOWN:
            return False
        if header.dev_addr is not None:
            return self.owns(header.dev_addr)
        if header.join_eui is not None:
            return not self.join_eui_prefixes or any(p.matches(header.join_eui) for p in self.join_eui_prefixes)
        return not (self.lorawan_only and header.kind is Kind.PROPRIETARY)

    def owns(self, dev_addr: int) -> bool:
        """Whether devices of this address belong to the destination."""
        return not self.dev_addr_prefixes or any(p.matches(dev_addr) for p in self.dev_addr_prefixes)

    def may_send(self, phy_payload: bytes) -> bool:
        """Whether the destination may transmit this downlink. What has no readable address is judged by its context."""
        dev_addr = downlink_dev_addr(phy_payload)
        return dev_addr is None or self.owns(dev_addr)
