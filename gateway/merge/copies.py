"""One gateway's copy of a frame: out of the message it came in, and into the one it goes on with.

Everything here is hostile until checked: only a data uplink whose gateway and partition agree with the topic passes.
"""

from __future__ import annotations

import hashlib
import re
from typing import Any, NamedTuple

from chirpstack_api import gw
from google.protobuf import json_format
from google.protobuf.message import DecodeError

from gateway.errors import BadFrame
from gateway.gps_time import gps_from_utc_us
from gateway.header import Kind, read
from gateway.merge.words import partition

# An UplinkFrame is 124 bytes as protobuf and 399 as JSON (facts/gateway.md section 3); metadata may add some.
_MOST_BYTES = 4096
_GATEWAY_ID = re.compile(r"[0-9a-f]{16}")
_DIGEST_BYTES = 16
_TX_BYTES = 8
LATE_MARK = "spatz_late"


class Copy(NamedTuple):
    """A data uplink as one gateway heard it. `payload` is the message as it came, `frame` a digest of the PHYPayload,
    `tx` one of the bytes by which ChirpStack recognises copies of one transmission. `late` is the gateway's own word.
    """

    gateway_id: str
    uplink_id: int
    dev_addr: int
    fcnt: int
    frame: bytes
    tx: bytes
    rssi: int
    late: bool
    payload: bytes

    @property
    def partition(self) -> str:
        """See `gateway.merge.words`."""
        return partition(self.dev_addr)


def check_gateway_id(text: str) -> str:
    """A gateway's id out of a topic. Raises BadFrame."""
    if not _GATEWAY_ID.fullmatch(text):
        raise BadFrame("late-topic")
    return text


def read_copy(gateway_id: str, partition_word: str, payload: bytes) -> Copy:
    """Judge a message to `gateway/<gateway_id>/late/<partition_word>`. Raises BadFrame with a word for counting."""
    check_gateway_id(gateway_id)
    if len(payload) > _MOST_BYTES:
        raise BadFrame("late-size")
    message = _parse(payload)
    if message.rx_info.gateway_id != gateway_id:
        raise BadFrame("late-gateway-id")
    phy_payload = bytes(message.phy_payload)
    header = read(phy_payload)
    if header is None or header.kind is not Kind.DATA or header.dev_addr is None or header.fcnt is None:
        raise BadFrame("late-no-data-uplink")
    if partition(header.dev_addr) != partition_word:
        raise BadFrame("late-partition")
    if not message.HasField("tx_info"):
        raise BadFrame("late-tx-info")
    return Copy(
        gateway_id,
        message.rx_info.uplink_id,
        header.dev_addr,
        header.fcnt,
        hashlib.blake2b(phy_payload, digest_size=_DIGEST_BYTES).digest(),
        hashlib.blake2b(message.tx_info.SerializeToString(deterministic=True), digest_size=_TX_BYTES).digest(),
        message.rx_info.rssi,
        message.rx_info.metadata.get(LATE_MARK) == "1",
        payload,
    )


def _parse(payload: bytes) -> Any:
    message = gw.UplinkFrame()
    try:
        if payload[:1] == b"{":
            json_format.Parse(payload, message, ignore_unknown_fields=True)
        else:
            message.ParseFromString(payload)
    except (DecodeError, json_format.ParseError, UnicodeDecodeError, RecursionError, ValueError):
        raise BadFrame("late-message") from None
    return message


def made_late(payload: bytes) -> bytes:
    """The message of a frame that was live when it came and is not any more: with the time that the server believes
    of a late frame (rule 6) and the mark (rule 8), as its gateway would have sent it.
    """
    message = _parse(payload)
    rx = message.rx_info
    if rx.HasField("gw_time"):
        if not rx.HasField("time_since_gps_epoch"):
            gps_us = gps_from_utc_us(rx.gw_time.seconds * 1_000_000 + rx.gw_time.nanos // 1000)
            rx.time_since_gps_epoch.seconds, micros = divmod(gps_us, 1_000_000)
            rx.time_since_gps_epoch.nanos = micros * 1000
        rx.metadata["spatz_clock"] = "ntp"
    else:
        rx.metadata["spatz_clock"] = "none"
    rx.metadata[LATE_MARK] = "1"
    if payload[:1] == b"{":
        return json_format.MessageToJson(message, indent=None).encode()
    serialized: bytes = message.SerializeToString()
    return serialized
