"""rxpk and stat: what a packet forwarder tells, as JSON, and back.

Tolerant element by element: an element that cannot be understood is left out and counted, the others of its
datagram are kept. Vendors omit fields, add fields, and write base64 in either alphabet with or without padding.
"""

from __future__ import annotations

import binascii
import re
import secrets
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from gateway.errors import BadFrame
from gateway.frames import Crc, Fsk, GatewayReport, LoRa, LrFhss, Modulation, Uplink

# The PHY header of LoRa and FSK has one byte of length.
LONGEST_PHY_BYTES = 255
# A datagram of 64 KiB cannot carry more worth having; lora_pkt_fwd sends at most 255 packets.
_MOST_ELEMENTS = 255
_MOST_METADATA = 16
_LONGEST_METADATA = 64
_DATR_LORA = re.compile(r"SF(5|6|7|8|9|10|11|12)BW(\d{1,4})")
_DATR_LR_FHSS = re.compile(r"M0CW(\d{1,4})")
_CRC = {1: Crc.OK, 0: Crc.NONE, -1: Crc.BAD}
_STAT = {crc: stat for stat, crc in _CRC.items()}
# Errors of msgspec and the depth guard of its scanner.
_UNREADABLE = (msgspec.MsgspecError, RecursionError, UnicodeDecodeError)

Number = int | float


class _Body(msgspec.Struct):
    rxpk: msgspec.Raw = msgspec.Raw(b"[]")
    stat: msgspec.Raw = msgspec.Raw(b"")


class _Antenna(msgspec.Struct):
    ant: int = 0
    chan: int = 0
    rssic: Number | None = None
    rssis: Number | None = None
    lsnr: Number | None = None


class _Rxpk(msgspec.Struct):
    tmst: Number
    freq: Number
    datr: str | Number
    data: str
    modu: str = "LORA"
    codr: str | None = None
    stat: Number | None = 1
    rssi: Number | None = None
    rssis: Number | None = None
    lsnr: Number | None = None
    chan: Number | None = 0
    rfch: Number | None = 0
    brd: Number | None = 0
    ant: Number | None = 0
    time: str | None = None
    tmms: Number | None = None
    rsig: msgspec.Raw = msgspec.Raw(b"")
    meta: msgspec.Raw = msgspec.Raw(b"")


class _Stat(msgspec.Struct):
    lati: Number | None = None
    long: Number | None = None
    alti: Number | None = None
    rxnb: Number | None = None
    rxok: Number | None = None
    dwnb: Number | None = None
    txnb: Number | None = None
    ackr: Number | None = None
    meta: msgspec.Raw = msgspec.Raw(b"")


_read_body = msgspec.json.Decoder(_Body).decode
_read_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_rxpk = msgspec.json.Decoder(_Rxpk).decode
_read_rsig = msgspec.json.Decoder(list[_Antenna]).decode
_read_stat = msgspec.json.Decoder(_Stat).decode
_read_any = msgspec.json.Decoder(dict[str, Any]).decode
write_json = msgspec.json.Encoder().encode


class Push(NamedTuple):
    """Content of a PUSH_DATA; `rejected` names what was wrong with the elements left out."""

    uplinks: tuple[Uplink, ...]
    report: GatewayReport | None
    rejected: tuple[str, ...]


def read_push(gateway_id: str, body: bytes) -> Push:
    """Read the JSON of a PUSH_DATA; raises BadFrame `json` only if nothing of it can be read."""
    try:
        content = _read_body(body)
        elements = _read_list(content.rxpk)
    except _UNREADABLE:
        raise BadFrame("json") from None
    rejected = ["rxpk-many"] if len(elements) > _MOST_ELEMENTS else []
    uplinks: list[Uplink] = []
    for element in elements[:_MOST_ELEMENTS]:
        try:
            uplinks.append(_uplink(gateway_id, _read_rxpk(element)))
        except _UNREADABLE:
            rejected.append("rxpk-json")
        except BadFrame as error:
            rejected.append(error.kind)
    report = None
    if bytes(content.stat) not in (b"", b"null"):
        try:
            report = _report(gateway_id, _read_stat(content.stat))
        except (*_UNREADABLE, BadFrame):
            rejected.append("stat")
    return Push(tuple(uplinks), report, tuple(rejected))


def read_base64(text: str) -> bytes:
    """Both alphabets, any padding; raises BadFrame `base64`."""
    text = text.rstrip("=").translate(_URL_SAFE)
    try:
        return binascii.a2b_base64(text + "=" * (-len(text) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise BadFrame("base64") from None


_URL_SAFE = str.maketrans("-_", "+/")


def write_base64(data: bytes) -> str:
    """Standard alphabet with padding, as lora_pkt_fwd writes and reads it."""
    return binascii.b2a_base64(data, newline=False).decode("ascii")


def read_modulation(modu: str, datr: str | Number, codr: str | None) -> Modulation:
    """The three fields that describe a modulation; raises BadFrame `modulation`."""
    if modu == "LORA" and isinstance(datr, str) and (lora := _DATR_LORA.fullmatch(datr)):
        return LoRa(int(lora.group(1)), int(lora.group(2)) * 1000, codr or "")
    if modu == "LR-FHSS" and isinstance(datr, str) and (hopping := _DATR_LR_FHSS.fullmatch(datr)):
        return LrFhss(int(hopping.group(1)) * 1000, codr or "")
    if modu == "FSK" and not isinstance(datr, str) and 0 < datr < 1_000_000:
        return Fsk(int(datr))
    raise BadFrame("modulation")


def write_modulation(modulation: Modulation) -> dict[str, str | int]:
    """modu, datr and, where it exists, codr."""
    if isinstance(modulation, LoRa):
        datr = f"SF{modulation.spreading_factor}BW{modulation.bandwidth_hz // 1000}"
        return {"modu": "LORA", "datr": datr, "codr": modulation.code_rate or "OFF"}
    if isinstance(modulation, Fsk):
        return {"modu": "FSK", "datr": modulation.datarate_bps}
    datr = f"M0CW{modulation.channel_width_hz // 1000}"
    return {"modu": "LR-FHSS", "datr": datr, "codr": modulation.code_rate}


def read_frequency_hz(freq_mhz: Number) -> int:
    """MHz as a JSON number to Hz, rounded and never truncated; raises BadFrame `freq`."""
    if not 1 <= freq_mhz < 4000:
        raise BadFrame("freq")
    return round(freq_mhz * 1_000_000)


def small(value: Number | None, lowest: int, highest: int, default: int = 0) -> int:
    """A field nobody's fate depends on: what is absent or absurd becomes `default`."""
    return int(value) if value is not None and lowest <= value <= highest else default


def _uplink(gateway_id: str, rxpk: _Rxpk) -> Uplink:
    phy_payload = read_base64(rxpk.data)
    if not 0 < len(phy_payload) <= LONGEST_PHY_BYTES:
        raise BadFrame("size")
    if not -1 < rxpk.tmst < 1 << 32:
        raise BadFrame("tmst")
    signal = _best_antenna(rxpk)
    rssi = signal.rssic if signal.rssic is not None else signal.rssis
    if rssi is None or not -300 <= rssi <= 100:
        raise BadFrame("rssi")
    snr = signal.lsnr if signal.lsnr is not None and -200 <= signal.lsnr <= 200 else 0.0
    gps_us = int(rxpk.tmms) * 1000 if rxpk.tmms is not None and 0 < rxpk.tmms < 1 << 43 else None
    return Uplink(
        gateway_id=gateway_id,
        phy_payload=phy_payload,
        frequency_hz=read_frequency_hz(rxpk.freq),
        modulation=read_modulation(rxpk.modu, rxpk.datr, rxpk.codr),
        rssi_dbm=round(rssi),
        snr_db=float(snr),
        crc=_CRC.get(small(rxpk.stat, -1, 1, 1), Crc.OK),
        uplink_id=secrets.randbits(32),
        channel=small(signal.chan, 0, 255),
        rf_chain=small(rxpk.rfch, 0, 255),
        board=small(rxpk.brd, 0, 255),
        antenna=small(signal.ant, 0, 255),
        # As in chirpstack-mqtt-forwarder: the concentrator's counter, 4 bytes big-endian.
        context=int(rxpk.tmst).to_bytes(4, "big"),
        gps_us=gps_us,
        utc_us=_read_time_us(rxpk.time),
        metadata=_metadata(rxpk.meta),
    )


def _best_antenna(rxpk: _Rxpk) -> _Antenna:
    """The element's own signal fields, or the strongest of its antennas (extension of Kerlink and v2 hardware)."""
    if rxpk.rssi is None and bytes(rxpk.rsig):
        antennas = _read_rsig(rxpk.rsig)
        if antennas:
            return max(antennas, key=lambda antenna: antenna.rssic if antenna.rssic is not None else -1000)
    return _Antenna(
        ant=small(rxpk.ant, 0, 255), chan=small(rxpk.chan, 0, 255), rssic=rxpk.rssi, rssis=rxpk.rssis, lsnr=rxpk.lsnr
    )


def _read_time_us(text: str | None) -> int | None:
    """ISO 8601 UTC, as a concentrator with GPS writes it; None if absent or unreadable."""
    if not text or len(text) > 40:
        return None
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        delta = instant - _EPOCH
    except (ValueError, OverflowError):
        return None
    return (delta.days * 86_400 + delta.seconds) * 1_000_000 + delta.microseconds if delta.days > 0 else None


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def _metadata(raw: msgspec.Raw) -> dict[str, str]:
    """The string map some forwarders add, cut to a size that cannot hurt."""
    if not bytes(raw):
        return {}
    try:
        content = _read_any(raw)
    except _UNREADABLE:
        return {}
    texts: Iterable[tuple[str, str]] = ((key, value) for key, value in content.items() if isinstance(value, str))
    kept = [(k, v) for k, v in texts if len(k) <= _LONGEST_METADATA and len(v) <= _LONGEST_METADATA]
    return dict(kept[:_MOST_METADATA])


def _report(gateway_id: str, stat: _Stat) -> GatewayReport:
    counter = 0xFFFFFFFF
    placed = stat.lati is not None and stat.long is not None and abs(stat.lati) <= 90 and abs(stat.long) <= 180
    return GatewayReport(
        gateway_id=gateway_id,
        rx_received=small(stat.rxnb, 0, counter),
        rx_ok=small(stat.rxok, 0, counter),
        tx_received=small(stat.dwnb, 0, counter),
        tx_emitted=small(stat.txnb, 0, counter),
        latitude=float(stat.lati) if placed and stat.lati is not None else None,
        longitude=float(stat.long) if placed and stat.long is not None else None,
        altitude_m=float(small(stat.alti, -1000, 100_000)),
        metadata=_metadata(stat.meta),
        acknowledged_percent=float(stat.ackr) if stat.ackr is not None and 0 <= stat.ackr <= 100 else None,
    )


def write_rxpk(
    uplink: Uplink,
    tmst: int,
    utc_us: int | None = None,
    gps_us: int | None = None,
    marks: dict[str, str] | None = None,
) -> dict[str, object]:
    """An uplink as an rxpk element, under the counter value `tmst`; reception times and `marks` where there are any."""
    element: dict[str, object] = {
        "tmst": tmst,
        "chan": uplink.channel,
        "rfch": uplink.rf_chain,
        "brd": uplink.board,
        "ant": uplink.antenna,
        "freq": uplink.frequency_hz / 1_000_000,
        "stat": _STAT[uplink.crc],
        **write_modulation(uplink.modulation),
        "rssi": uplink.rssi_dbm,
        "lsnr": uplink.snr_db,
        "size": len(uplink.phy_payload),
        "data": write_base64(uplink.phy_payload),
    }
    if utc_us is not None:
        element["time"] = (_EPOCH + timedelta(microseconds=utc_us)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if gps_us is not None:
        element["tmms"] = gps_us // 1000
    if metadata := {**uplink.metadata, **(marks or {})}:
        element["meta"] = metadata
    return element


def write_stat(report: GatewayReport, utc_us: int | None) -> dict[str, object]:
    """Counters as a stat object; its time format is not that of rxpk."""
    instant = _EPOCH + timedelta(microseconds=utc_us) if utc_us is not None else None
    stat: dict[str, object] = {
        "rxnb": report.rx_received,
        "rxok": report.rx_ok,
        "rxfw": report.rx_ok,
        "ackr": 100.0,
        "dwnb": report.tx_received,
        "txnb": report.tx_emitted,
    }
    if instant is not None:
        stat["time"] = instant.strftime("%Y-%m-%d %H:%M:%S GMT")
    if report.latitude is not None and report.longitude is not None:
        stat.update(lati=report.latitude, long=report.longitude, alti=round(report.altitude_m))
    return stat
