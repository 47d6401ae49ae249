"""The messages of ChirpStack's gateway API (chirpstack_api.gw), from and to our own values.

Protobuf, or its canonical JSON form, which ChirpStack recognises message by message.
"""

from __future__ import annotations

from typing import Any

from chirpstack_api import gw
from google.protobuf import json_format
from google.protobuf.message import DecodeError, Message

from gateway.chirpstack_modulation import read_modulation, write_modulation
from gateway.dating import Dated
from gateway.errors import BadFrame
from gateway.frames import (
    Delay,
    Downlink,
    DownlinkItem,
    DownlinkResult,
    GatewayReport,
    GpsTime,
    Immediately,
    Timing,
    Uplink,
)

_MOST_ITEMS = 8
_LONGEST_PHY_BYTES = 255


def write(message: Message, as_json: bool) -> bytes:
    """Serialise for the wire."""
    if as_json:
        return json_format.MessageToJson(message, indent=None).encode()
    return message.SerializeToString()


def uplink_frame(uplink: Uplink, context: bytes, dated: Dated, late: bool, marks: dict[str, str]) -> Any:
    """gw.UplinkFrame. tx_info holds exactly what other forwarders set, so that the server merges copies of one uplink
    from several gateways: its de-duplication compares these bytes.
    """
    frame = gw.UplinkFrame(phy_payload=uplink.phy_payload)
    frame.tx_info.frequency = uplink.frequency_hz
    write_modulation(frame.tx_info.modulation, uplink.modulation)
    rx = frame.rx_info
    rx.gateway_id = uplink.gateway_id
    rx.uplink_id = uplink.uplink_id
    rx.rssi = uplink.rssi_dbm
    rx.snr = uplink.snr_db
    rx.channel = uplink.channel
    rx.rf_chain = uplink.rf_chain
    rx.board = uplink.board
    rx.antenna = uplink.antenna
    rx.context = context
    rx.crc_status = int(uplink.crc)
    if dated.utc_us is not None:
        rx.gw_time.seconds, rx.gw_time.nanos = divmod(dated.utc_us, 1_000_000)
        rx.gw_time.nanos *= 1000
    # A live frame carries GPS time only if the concentrator told it; a late one whenever its time is known, because
    # the server believes no other time that is older than 30 s.
    if dated.gps_us is not None and (late or dated.source == "gps"):
        seconds, micros = divmod(dated.gps_us, 1_000_000)
        rx.time_since_gps_epoch.seconds, rx.time_since_gps_epoch.nanos = seconds, micros * 1000
    for key, value in (*uplink.metadata.items(), *marks.items()):
        rx.metadata[key] = value
    return frame


def downlink(payload: bytes) -> Downlink:
    """Read a gw.DownlinkFrame, protobuf or JSON. Raises BadFrame."""
    message = gw.DownlinkFrame()
    try:
        if payload[:1] == b"{":
            json_format.Parse(payload, message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(payload)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError):
        raise BadFrame("downlink") from None
    if not 0 < len(message.items) <= _MOST_ITEMS:
        raise BadFrame("downlink-items")
    return Downlink(message.downlink_id, message.gateway_id, tuple(_item(item) for item in message.items))


def _item(item: Any) -> DownlinkItem:
    if not 0 < len(item.phy_payload) <= _LONGEST_PHY_BYTES:
        raise BadFrame("downlink-size")
    info = item.tx_info
    parameters = info.modulation.WhichOneof("parameters")
    lora = info.modulation.lora
    return DownlinkItem(
        phy_payload=item.phy_payload,
        frequency_hz=info.frequency,
        power_dbm=info.power,
        modulation=read_modulation(info.modulation),
        timing=_timing(info.timing),
        invert_polarity=lora.polarization_inversion if parameters == "lora" else False,
        preamble=lora.preamble if parameters == "lora" else 0,
        no_crc=lora.no_crc if parameters == "lora" else False,
        board=info.board,
        antenna=info.antenna,
        context=info.context,
    )


def _timing(timing: Any) -> Timing:
    kind = timing.WhichOneof("parameters")
    if kind == "immediately":
        return Immediately()
    if kind == "delay":
        return Delay(_duration_us(timing.delay.delay))
    if kind == "gps_epoch":
        return GpsTime(_duration_us(timing.gps_epoch.time_since_gps_epoch))
    raise BadFrame("downlink-timing")


def _duration_us(duration: Any) -> int:
    microseconds: int = duration.seconds * 1_000_000 + duration.nanos // 1000
    if microseconds < 0:
        raise BadFrame("downlink-timing")
    return microseconds


def tx_ack(result: DownlinkResult) -> Any:
    """gw.DownlinkTxAck."""
    message = gw.DownlinkTxAck(gateway_id=result.gateway_id, downlink_id=result.downlink_id)
    for status in result.statuses:
        message.items.add().status = int(status)
    return message


def stats(report: GatewayReport, utc_us: int | None) -> Any:
    """gw.GatewayStats; `utc_us` selects the server's metrics bucket, None leaves that to the server."""
    message = gw.GatewayStats(
        gateway_id=report.gateway_id,
        rx_packets_received=report.rx_received,
        rx_packets_received_ok=report.rx_ok,
        tx_packets_received=report.tx_received,
        tx_packets_emitted=report.tx_emitted,
        metadata=report.metadata,
    )
    counts = report.counts
    message.rx_packets_per_frequency.update(counts.rx_per_frequency)
    message.tx_packets_per_frequency.update(counts.tx_per_frequency)
    message.tx_packets_per_status.update(counts.tx_per_status)
    for target, per_modulation in (
        (message.rx_packets_per_modulation, counts.rx_per_modulation),
        (message.tx_packets_per_modulation, counts.tx_per_modulation),
    ):
        for modulation, number in per_modulation.items():
            write_modulation(target.add(count=number).modulation, modulation)
    if utc_us is not None:
        message.time.seconds, micros = divmod(utc_us, 1_000_000)
        message.time.nanos = micros * 1000
    if report.latitude is not None and report.longitude is not None:
        message.location.latitude, message.location.longitude = report.latitude, report.longitude
        message.location.altitude = report.altitude_m
    return message


def conn_state(gateway_id: str, online: bool) -> Any:
    """gw.ConnState."""
    return gw.ConnState(gateway_id=gateway_id, state=gw.ConnState.ONLINE if online else gw.ConnState.OFFLINE)
