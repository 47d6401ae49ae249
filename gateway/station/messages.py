"""Messages of a station: what was heard becomes an `Uplink`, an order becomes dnmsg, and the few others.

A station takes frames apart before it sends them; here they are put together again as they were on air.
"""

from __future__ import annotations

import secrets
from typing import Any, NamedTuple

import msgspec

from gateway.errors import BadFrame
from gateway.frames import Crc, Delay, DownlinkItem, Fsk, GpsTime, Immediately, LoRa, Modulation, Uplink
from gateway.gps_time import utc_from_gps_us
from gateway.station.eui import read_eui, write_dashed
from gateway.station.regions import Region

_LONGEST_PHY_BYTES = 255
_FSK_BPS = 50_000
# s2e.c refuses more (RxTimingSetup has four bits).
_LONGEST_RX_DELAY_S = 15
# dnmsg demands a DevEui, which a gateway cannot know; the station uses it only to decide whether to answer, and
# any but zero will do.
_SOME_DEVICE = write_dashed(0x0101010101010101)

_read_json = msgspec.json.Decoder().decode
write_json = msgspec.json.Encoder().encode


class Transmitted(NamedTuple):
    """dntxed: the order with this number is on air. There is no message for the contrary."""

    number: int


def read(text: str | bytes) -> dict[str, Any]:
    """Any message as a dictionary with a `msgtype`. Raises BadFrame."""
    try:
        message = _read_json(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise BadFrame("station-json") from None
    if not isinstance(message, dict) or not isinstance(message.get("msgtype"), str):
        raise BadFrame("station-msgtype")
    return message


def read_router(text: str | bytes) -> int:
    """The EUI in a question to router-info. Raises BadFrame."""
    try:
        question = _read_json(text)
    except (msgspec.MsgspecError, RecursionError, UnicodeError):
        raise BadFrame("station-json") from None
    if not isinstance(question, dict):
        raise BadFrame("station-json")
    return read_eui(question.get("router"))


def _integer(message: dict[str, Any], key: str, lowest: int, highest: int) -> int:
    value = message.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or not lowest <= value <= highest:
        raise BadFrame(f"station-{key}"[:40])
    return value


def _hex(message: dict[str, Any], key: str) -> bytes:
    value = message.get(key, "")
    if not isinstance(value, str) or len(value) > 2 * _LONGEST_PHY_BYTES:
        raise BadFrame(f"station-{key}")
    try:
        return bytes.fromhex(value)
    except ValueError:
        raise BadFrame(f"station-{key}") from None


def _signed(message: dict[str, Any], key: str) -> bytes:
    """DevAddr and MIC are signed 32-bit numbers; some senders write them unsigned."""
    return (_integer(message, key, -(1 << 31), (1 << 32) - 1) & 0xFFFFFFFF).to_bytes(4, "little")


def phy_payload(message: dict[str, Any]) -> bytes:
    """The frame of updf, jreq, rejoin, propdf, jacc or dndf as it was on air."""
    kind = message["msgtype"]
    if kind in ("propdf", "jacc"):
        return _hex(message, "FRMPayload")
    mhdr = bytes((_integer(message, "MHdr", 0, 255),))
    mic = _signed(message, "MIC")
    if kind in ("jreq", "rejoin"):
        # A station that was configured with "JoinEUI" writes its names so, too (s2e.c).
        euis = b"".join(
            read_eui(message.get(f"{name}Eui", message.get(f"{name}EUI"))).to_bytes(8, "little")
            for name in ("Join", "Dev")
        )
        return mhdr + euis + _integer(message, "DevNonce", 0, 0xFFFF).to_bytes(2, "little") + mic
    port = _integer(message, "FPort", -1, 255)
    return b"".join(
        (
            mhdr,
            _signed(message, "DevAddr"),
            bytes((_integer(message, "FCtrl", 0, 255),)),
            _integer(message, "FCnt", 0, 0xFFFF).to_bytes(2, "little"),
            _hex(message, "FOpts"),
            b"" if port < 0 else bytes((port,)) + _hex(message, "FRMPayload"),
            mic,
        )
    )


UPLINKS = frozenset(("updf", "jreq", "rejoin", "propdf", "jacc", "dndf"))


def uplink(gateway_id: str, region: Region, message: dict[str, Any]) -> Uplink:
    """A frame heard by the station `gateway_id`. Raises BadFrame."""
    frame = phy_payload(message)
    if not 0 < len(frame) <= _LONGEST_PHY_BYTES:
        raise BadFrame("station-size")
    info = message.get("upinfo")
    if not isinstance(info, dict):
        raise BadFrame("station-upinfo")
    rssi, snr = info.get("rssi"), info.get("snr", 0)
    if not isinstance(rssi, int | float) or not -300 <= rssi <= 100:
        raise BadFrame("station-rssi")
    gps_us = info.get("gpstime", 0)
    # Exactly int: a stored `true` could not be read back.
    known = type(gps_us) is int and 0 < gps_us < 1 << 53
    return Uplink(
        gateway_id=gateway_id,
        phy_payload=frame,
        frequency_hz=_integer(message, "Freq", 1_000_000, 4_000_000_000),
        modulation=_modulation(region, _integer(message, "DR", 0, 15)),
        rssi_dbm=round(rssi),
        snr_db=float(snr) if isinstance(snr, int | float) and -200 <= snr <= 200 else 0.0,
        # Stations drop frames with a bad checksum themselves.
        crc=Crc.OK,
        uplink_id=secrets.randbits(32),
        # As gateway-bridge writes it: rctx and xtime, 8 bytes big-endian each, both to be echoed bit for bit.
        context=_integer(info, "rctx", 0, (1 << 63) - 1).to_bytes(8, "big")
        + _integer(info, "xtime", 0, (1 << 63) - 1).to_bytes(8, "big"),
        gps_us=gps_us if known else None,
        utc_us=utc_from_gps_us(gps_us) if known else None,
    )


def _modulation(region: Region, rate: int) -> Modulation:
    sf, bandwidth_khz, _ = region.rates[rate] if rate < len(region.rates) else (-1, 0, 0)
    if sf < 0:
        raise BadFrame("station-DR")
    return LoRa(sf, bandwidth_khz * 1000, "4/5") if sf else Fsk(_FSK_BPS)


def _rate(region: Region, modulation: Modulation) -> int:
    """The data rate for a downlink; where up and down share a modulation, that of the downlink list wins."""
    wanted = (modulation.spreading_factor, modulation.bandwidth_hz // 1000) if isinstance(modulation, LoRa) else (0, 0)
    found = [index for index, (sf, bandwidth_khz, _) in enumerate(region.rates) if (sf, bandwidth_khz) == wanted]
    if not found:
        raise BadFrame("station-rate")
    return max(found, key=lambda index: region.rates[index][2])


def order(region: Region, item: DownlinkItem, number: int, mux_time_s: float) -> dict[str, Any]:
    """dnmsg for one item. Each alternative is an order of its own, so the station's second window stays unused.

    Raises BadFrame `station-freq` if the region has no such frequency, `station-rate` if it has no such data rate, and
    `station-delay` if the delay is not of whole seconds. The station would drop such an order without a word.
    """
    if not region.range_hz[0] <= item.frequency_hz <= region.range_hz[1]:
        raise BadFrame("station-freq")
    rate = _rate(region, item.modulation)
    message: dict[str, Any] = {
        "msgtype": "dnmsg",
        "DevEui": _SOME_DEVICE,
        "diid": number,
        "pdu": item.phy_payload.hex(),
        "priority": 1,
        "MuxTime": mux_time_s,
    }
    if item.preamble:
        message["preamble"] = item.preamble
    if len(item.context) == 16:
        message["rctx"] = int.from_bytes(item.context[:8], "big")
        message["xtime"] = int.from_bytes(item.context[8:], "big")
    timing = item.timing
    if isinstance(timing, Delay):
        if timing.delay_us % 1_000_000 or not 1_000_000 <= timing.delay_us <= 16_000_000 or "xtime" not in message:
            raise BadFrame("station-delay")
        seconds = timing.delay_us // 1_000_000
        if seconds <= _LONGEST_RX_DELAY_S:
            message.update(dC=0, RxDelay=seconds, RX1DR=rate, RX1Freq=item.frequency_hz)
        else:
            # The second window of the longest delay: without a first one, a station adds the second by itself.
            message.update(dC=0, RxDelay=seconds - 1, RX2DR=rate, RX2Freq=item.frequency_hz)
    elif isinstance(timing, Immediately):
        message.update(dC=2, RX2DR=rate, RX2Freq=item.frequency_hz)
    elif isinstance(timing, GpsTime):
        message.update(dC=1, DR=rate, Freq=item.frequency_hz, gpstime=timing.gps_us)
    return message


def transmitted(message: dict[str, Any]) -> Transmitted:
    """Read dntxed."""
    return Transmitted(_integer(message, "diid", 0, (1 << 53) - 1))


def timesync(message: dict[str, Any], gps_us: int) -> dict[str, Any]:
    """The answer to a station's timesync."""
    return {"msgtype": "timesync", "txtime": message.get("txtime"), "gpstime": gps_us}
