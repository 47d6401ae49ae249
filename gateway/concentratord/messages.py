"""Events of Concentratord, and the commands it takes.

event      gw.Event: an uplink frame, counters, or a message of a mesh
command    gw.Command; the answer is the bare message that belongs to it, or nothing if it was not understood
"""

from __future__ import annotations

import contextlib
import re
import secrets
from itertools import islice
from typing import Any, NamedTuple

from chirpstack_api import gw
from google.protobuf.message import DecodeError

from gateway.chirpstack_modulation import read_modulation, write_modulation
from gateway.errors import BadFrame
from gateway.frames import Counts, Crc, Delay, DownlinkItem, GatewayReport, GpsTime, LoRa, Modulation, TxStatus, Uplink
from gateway.gps_time import utc_from_gps_us

_LONGEST_PHY_BYTES = 255
_EUI = re.compile(r"[0-9a-f]{16}")
# The counter of a concentrator has 4 bytes; ChirpStack Gateway Mesh writes 9 (prefix, relay, uplink).
_LONGEST_CONTEXT_BYTES = 32
_MOST_METADATA = 16
# A concentrator has ten channels and eight data rates.
_MOST_COUNTERS = 64
_LONGEST_METADATA = 64


class Mesh(NamedTuple):
    """A message of ChirpStack Gateway Mesh, which is no business of a concentrator's relay."""

    gateway_id: str


def read_event(data: bytes) -> Uplink | GatewayReport | Mesh:
    """Read one gw.Event. Raises BadFrame."""
    event = gw.Event()
    try:
        event.ParseFromString(data)
    except DecodeError:
        raise BadFrame("event") from None
    kind = event.WhichOneof("event")
    if kind == "uplink_frame":
        return _uplink(event.uplink_frame)
    if kind == "gateway_stats":
        return _report(event.gateway_stats)
    if kind == "mesh":
        return Mesh(_gateway_id(event.mesh.gateway_id))
    raise BadFrame("event-empty")


def _gateway_id(text: str) -> str:
    """An EUI as this protocol writes it, 16 lower-case hex digits. Raises BadFrame."""
    if not _EUI.fullmatch(text):
        raise BadFrame("gateway-id")
    return text


def _uplink(frame: Any) -> Uplink:
    """gw_time is the clock of this machine, not of a GPS receiver, and is left out: the gateway dates frames itself."""
    info = frame.rx_info
    if not 0 < len(frame.phy_payload) <= _LONGEST_PHY_BYTES:
        raise BadFrame("size")
    if not 1_000_000 <= frame.tx_info.frequency <= 4_000_000_000:
        raise BadFrame("freq")
    if not -300 <= info.rssi <= 100:
        raise BadFrame("rssi")
    if len(info.context) > _LONGEST_CONTEXT_BYTES:
        raise BadFrame("context")
    gps_us = None
    if info.HasField("time_since_gps_epoch"):
        since = info.time_since_gps_epoch
        microseconds = since.seconds * 1_000_000 + since.nanos // 1000
        gps_us = microseconds if 0 < microseconds < 1 << 53 else None
    return Uplink(
        gateway_id=_gateway_id(info.gateway_id),
        phy_payload=frame.phy_payload,
        frequency_hz=frame.tx_info.frequency,
        modulation=read_modulation(frame.tx_info.modulation),
        rssi_dbm=info.rssi,
        snr_db=info.snr if -200 <= info.snr <= 200 else 0.0,
        crc=Crc(info.crc_status) if info.crc_status in Crc.__members__.values() else Crc.BAD,
        uplink_id=info.uplink_id or secrets.randbits(32),
        channel=info.channel,
        rf_chain=info.rf_chain,
        board=info.board,
        antenna=info.antenna,
        context=info.context,
        gps_us=gps_us,
        utc_us=None if gps_us is None else utc_from_gps_us(gps_us),
        metadata=_metadata(info.metadata),
    )


def _metadata(content: Any) -> dict[str, str]:
    kept = [(k, v) for k, v in content.items() if len(k) <= _LONGEST_METADATA and len(v) <= _LONGEST_METADATA]
    return dict(kept[:_MOST_METADATA])


def _report(stats: Any) -> GatewayReport:
    placed = stats.HasField("location")
    return GatewayReport(
        gateway_id=_gateway_id(stats.gateway_id),
        rx_received=stats.rx_packets_received,
        rx_ok=stats.rx_packets_received_ok,
        tx_received=stats.tx_packets_received,
        tx_emitted=stats.tx_packets_emitted,
        latitude=stats.location.latitude if placed else None,
        longitude=stats.location.longitude if placed else None,
        altitude_m=stats.location.altitude if placed else 0.0,
        metadata=_metadata(stats.metadata),
        counts=Counts(
            rx_per_frequency=_first(stats.rx_packets_per_frequency),
            tx_per_frequency=_first(stats.tx_packets_per_frequency),
            rx_per_modulation=_per_modulation(stats.rx_packets_per_modulation),
            tx_per_modulation=_per_modulation(stats.tx_packets_per_modulation),
            tx_per_status=_first(stats.tx_packets_per_status),
        ),
    )


def _first(counters: Any) -> dict[Any, int]:
    """A map of counters, cut to a size that cannot hurt."""
    return dict(islice(counters.items(), _MOST_COUNTERS))


def _per_modulation(counters: Any) -> dict[Modulation, int]:
    found: dict[Modulation, int] = {}
    for counter in islice(counters, _MOST_COUNTERS):
        with contextlib.suppress(BadFrame):
            modulation = read_modulation(counter.modulation)
            found[modulation] = found.get(modulation, 0) + counter.count
    return found


def ask_gateway_id() -> bytes:
    """The command that asks whom Concentratord serves."""
    return _bytes(gw.Command(get_gateway_id=gw.GetGatewayIdRequest()))


def read_gateway_id(answer: bytes) -> str:
    """The answer to it. Raises BadFrame."""
    message = gw.GetGatewayIdResponse()
    try:
        message.ParseFromString(answer)
    except DecodeError:
        raise BadFrame("answer") from None
    return _gateway_id(message.gateway_id)


def order(gateway_id: str, number: int, item: DownlinkItem) -> bytes:
    """The command to transmit one item, with the context of its uplink."""
    frame = gw.DownlinkFrame(downlink_id=number, gateway_id=gateway_id)
    target = frame.items.add(phy_payload=item.phy_payload)
    info = target.tx_info
    info.frequency, info.power = item.frequency_hz, item.power_dbm
    info.board, info.antenna, info.context = item.board, item.antenna, item.context
    write_modulation(info.modulation, item.modulation)
    if isinstance(item.modulation, LoRa):
        lora = info.modulation.lora
        lora.polarization_inversion, lora.preamble, lora.no_crc = item.invert_polarity, item.preamble, item.no_crc
    timing = item.timing
    if isinstance(timing, Delay):
        _write_duration(info.timing.delay.delay, timing.delay_us)
    elif isinstance(timing, GpsTime):
        _write_duration(info.timing.gps_epoch.time_since_gps_epoch, timing.gps_us)
    else:
        info.timing.immediately.SetInParent()
    return _bytes(gw.Command(send_downlink_frame=frame))


def read_verdict(answer: bytes, number: int) -> TxStatus:
    """What Concentratord says to an order. Raises BadFrame; an empty answer means that it did not understand."""
    if not answer:
        return TxStatus.INTERNAL_ERROR
    message = gw.DownlinkTxAck()
    try:
        message.ParseFromString(answer)
    except DecodeError:
        raise BadFrame("answer") from None
    if message.downlink_id != number or len(message.items) != 1:
        raise BadFrame("answer")
    status = message.items[0].status
    return TxStatus(status) if status in TxStatus.__members__.values() else TxStatus.INTERNAL_ERROR


def _write_duration(target: Any, microseconds: int) -> None:
    target.seconds, target.nanos = divmod(microseconds, 1_000_000)
    target.nanos *= 1000


def _bytes(message: Any) -> bytes:
    data: bytes = message.SerializeToString()
    return data
