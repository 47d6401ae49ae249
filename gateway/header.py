"""The unencrypted front of a LoRaWAN frame: enough to sort and filter it, nothing of its payload.

LoRaWAN 1.0.4 section 4: PHYPayload = MHDR(1) | MACPayload | MIC(4), all little-endian on air.
"""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple

_MIC_BYTES = 4
# MHDR(1) DevAddr(4) FCtrl(1) FCnt(2) MIC(4): section 4.3.1 with an empty FOpts and no FPort.
_SHORTEST_DATA_BYTES = 12
# MHDR(1) DevAddr(4) FCtrl(1) FCnt(2), FOpts not counted.
_PORT_AT = 8
_FOPTS_LENGTH_MASK = 0x0F
_ADR_ACK_REQ = 0x40
# MHDR(1) JoinEUI(8) DevEUI(8) DevNonce(2) MIC(4): section 6.2.5.
_JOIN_REQUEST_BYTES = 23


class Kind(Enum):
    """What the gateway does differently, by message type (MHDR bits 7..5, section 4.2.1)."""

    DATA = "data"  # unconfirmed and confirmed uplink: stored
    JOIN = "join"  # join-request and rejoin-request: useless a few seconds later
    DOWN = "down"  # frames of another gateway: never relayed
    PROPRIETARY = "proprietary"  # type 7, or a major version this gateway does not know


class Header(NamedTuple):
    """`dev_addr` of data frames, `join_eui` of join-requests; both as integers in printed order, None if absent.
    `port` is the FPort, which is not encrypted; None if the frame has none.
    """

    kind: Kind
    dev_addr: int | None = None
    join_eui: int | None = None
    fcnt: int | None = None
    confirmed: bool = False
    adr_ack_req: bool = False
    port: int | None = None

    @property
    def wants_answer(self) -> bool:
        """Whether the device waits for a downlink (confirmed uplink or ADRACKReq)."""
        return self.confirmed or self.adr_ack_req


def read(phy_payload: bytes) -> Header | None:
    """Look at a PHYPayload; None if it is too short to be what its first byte says."""
    if len(phy_payload) <= _MIC_BYTES:
        return None
    message_type = phy_payload[0] >> 5
    if phy_payload[0] & 0x03 != 0 or message_type == 7:
        return Header(Kind.PROPRIETARY)
    if message_type in (2, 4):
        fopts_bytes = phy_payload[5] & _FOPTS_LENGTH_MASK if len(phy_payload) > 5 else 0
        if len(phy_payload) < _SHORTEST_DATA_BYTES + fopts_bytes:
            return None
        return Header(
            Kind.DATA,
            dev_addr=int.from_bytes(phy_payload[1:5], "little"),
            fcnt=int.from_bytes(phy_payload[6:8], "little"),
            confirmed=message_type == 4,
            adr_ack_req=bool(phy_payload[5] & _ADR_ACK_REQ),
            # Behind FHDR, in front of FRMPayload, if anything is there: section 4.3.2.
            port=phy_payload[_PORT_AT + fopts_bytes] if len(phy_payload) > _SHORTEST_DATA_BYTES + fopts_bytes else None,
        )
    if message_type == 0:
        if len(phy_payload) != _JOIN_REQUEST_BYTES:
            return None
        return Header(Kind.JOIN, join_eui=int.from_bytes(phy_payload[1:9], "little"))
    if message_type == 6:
        # Rejoin type 1 carries a JoinEUI, types 0 and 2 a NetID (LoRaWAN 1.1 section 6.2.4).
        rejoin_type = phy_payload[1]
        eui = int.from_bytes(phy_payload[2:10], "little") if rejoin_type == 1 and len(phy_payload) >= 10 else None
        return Header(Kind.JOIN, join_eui=eui)
    return Header(Kind.DOWN)


def downlink_dev_addr(phy_payload: bytes) -> int | None:
    """DevAddr a data downlink (types 3 and 5) is for; None for join-accepts, which are encrypted, and others."""
    if len(phy_payload) < _SHORTEST_DATA_BYTES or phy_payload[0] >> 5 not in (3, 5):
        return None
    return int.from_bytes(phy_payload[1:5], "little")
