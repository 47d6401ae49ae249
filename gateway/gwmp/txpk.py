"""txpk and txpk_ack: orders to transmit and what became of them, as JSON, and back."""

from __future__ import annotations

import msgspec

from gateway.errors import BadFrame
from gateway.frames import Delay, DownlinkItem, Fsk, GpsTime, Immediately, Timing, TxStatus
from gateway.gwmp.rxpk import (
    LONGEST_PHY_BYTES,
    Number,
    read_base64,
    read_frequency_hz,
    read_modulation,
    small,
    write_base64,
    write_json,
    write_modulation,
)

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


_WORDS = {
    TxStatus.TOO_LATE: "TOO_LATE",
    TxStatus.TOO_EARLY: "TOO_EARLY",
    TxStatus.COLLISION_PACKET: "COLLISION_PACKET",
    TxStatus.COLLISION_BEACON: "COLLISION_BEACON",
    TxStatus.TX_FREQ: "TX_FREQ",
    TxStatus.GPS_UNLOCKED: "GPS_UNLOCKED",
}


class _Txpk(msgspec.Struct):
    freq: Number
    datr: str | Number
    data: str
    modu: str = "LORA"
    codr: str | None = None
    powe: Number | None = 14
    imme: bool | None = None
    tmst: Number | None = None
    tmms: Number | None = None
    fdev: Number | None = 0
    ipol: bool | None = False
    prea: Number | None = 0
    ncrc: bool | None = False


class _Order(msgspec.Struct):
    txpk: _Txpk


class _AckContent(msgspec.Struct, frozen=True):
    error: str = "NONE"


class _Ack(msgspec.Struct):
    txpk_ack: _AckContent = _AckContent()


_read_ack = msgspec.json.Decoder(_Ack).decode
_read_order = msgspec.json.Decoder(_Order).decode
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)


def read_ack(body: bytes) -> TxStatus:
    """The status in a TX_ACK; an empty body means no error, an unknown word INTERNAL_ERROR. Raises BadFrame."""
    body = body.strip(b"\0 \r\n\t")
    if not body:
        return TxStatus.OK
    try:
        word = _read_ack(body).txpk_ack.error
    except _UNREADABLE:
        raise BadFrame("tx-ack") from None
    return _STATUS.get(word or "NONE", TxStatus.INTERNAL_ERROR)


def write_ack(status: TxStatus) -> bytes:
    """The JSON of a TX_ACK. What the protocol has no word for is TOO_LATE: the frame was not sent."""
    word = "NONE" if status is TxStatus.OK else _WORDS.get(status, "TOO_LATE")
    return write_json({"txpk_ack": {"error": word}})


def read_txpk(body: bytes) -> tuple[DownlinkItem, int | None]:
    """The order in a PULL_RESP, and the counter value it names, or None if it names none. Raises BadFrame.

    Precedence: imme, then tmst, then tmms. An order by counter is a `Delay` of 0 until somebody knows of what.
    """
    try:
        txpk = _read_order(body).txpk
    except _UNREADABLE:
        raise BadFrame("txpk") from None
    timing: Timing
    counter = None
    if txpk.imme:
        timing = Immediately()
    elif txpk.tmst is not None and -1 < txpk.tmst < _COUNTER:
        timing, counter = Delay(0), int(txpk.tmst)
    elif txpk.tmms is not None and 0 < txpk.tmms < 1 << 43:
        timing = GpsTime(int(txpk.tmms) * 1000)
    else:
        raise BadFrame("txpk-timing")
    modulation = read_modulation(txpk.modu, txpk.datr, txpk.codr)
    if isinstance(modulation, Fsk):
        modulation = Fsk(modulation.datarate_bps, small(txpk.fdev, 0, 1_000_000))
    phy_payload = read_base64(txpk.data)
    if not 0 < len(phy_payload) <= LONGEST_PHY_BYTES:
        raise BadFrame("size")
    item = DownlinkItem(
        phy_payload=phy_payload,
        frequency_hz=read_frequency_hz(txpk.freq),
        power_dbm=small(txpk.powe, -128, 127, 14),
        modulation=modulation,
        timing=timing,
        invert_polarity=bool(txpk.ipol),
        preamble=small(txpk.prea, 0, 0xFFFF),
        no_crc=bool(txpk.ncrc),
    )
    return item, counter


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
