"""txpk and txpk_ack: orders to transmit and what became of them, as JSON, and back."""

from __future__ import annotations

import msgspec

from gateway.errors import BadFrame
from gateway.frames import Delay, DownlinkItem, Fsk, GpsTime, Immediately, TxStatus
from gateway.gwmp.rxpk import write_base64, write_json, write_modulation

_COUNTER = 1 << 32

# txpk_ack.error words. TX_POWER was an error before protocol 1.5; since then the frame was sent with less power.
_STATUS = {
    "NONE": TxStatus.OK,
    "TX_POWER": TxStatus.OK,
    "TOO_LATE": TxStatus.TOO_LATE,
    "TOO_EARLY": TxStatus.TOO_EARLY,
    "COLLISION_PACKET": TxStatus.COLLISION_PACKET,
    "COLLISION_BEACON": TxStatus.COLLISION_BEACON,
    "TX_FREQ": TxStatus.TX_FREQ,
    "GPS_UNLOCKED": TxStatus.GPS_UNLOCKED,
}


class _AckContent(msgspec.Struct, frozen=True):
    error: str = "NONE"


class _Ack(msgspec.Struct):
    txpk_ack: _AckContent = _AckContent()


_read_ack = msgspec.json.Decoder(_Ack).decode


def read_ack(body: bytes) -> TxStatus:
    """The status in a TX_ACK; an empty body means no error, an unknown word INTERNAL_ERROR. Raises BadFrame."""
    body = body.strip(b"\0 \r\n\t")
    if not body:
        return TxStatus.OK
    try:
        word = _read_ack(body).txpk_ack.error
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        raise BadFrame("tx-ack") from None
    return _STATUS.get(word or "NONE", TxStatus.INTERNAL_ERROR)


def write_txpk(item: DownlinkItem) -> bytes:
    """The JSON of a PULL_RESP. For a class A answer `item.context` holds the counter (4 bytes) of the uplink.

    Optional fields that mean nothing are left out: forwarders stumble over nulls.
    """
    txpk: dict[str, object] = {
        "rfch": 0,
        "freq": item.frequency_hz / 1_000_000,
        "powe": item.power_dbm,
        **write_modulation(item.modulation),
        "ipol": item.invert_polarity,
        "size": len(item.phy_payload),
        "data": write_base64(item.phy_payload),
    }
    if isinstance(item.modulation, Fsk):
        txpk["fdev"] = item.modulation.frequency_deviation_hz
    if item.board:
        txpk["brd"] = item.board
    if item.antenna:
        txpk["ant"] = item.antenna
    if item.preamble:
        txpk["prea"] = item.preamble
    if item.no_crc:
        txpk["ncrc"] = True
    timing = item.timing
    if isinstance(timing, Immediately):
        txpk["imme"] = True
    elif isinstance(timing, Delay):
        # The counter is 32 bits wide and wraps every 71 min 35 s: so must the sum.
        txpk["tmst"] = (int.from_bytes(item.context[:4], "big") + timing.delay_us) % _COUNTER
    elif isinstance(timing, GpsTime):
        txpk["tmms"] = timing.gps_us // 1000
    return write_json({"txpk": txpk})
