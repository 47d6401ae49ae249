"""Hostile input: valid messages of every kind, and a source of damaged ones made from them.

Damage happens on three levels: to bytes, to the structure of JSON, and to lines of text. The same seed makes the same
input.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Callable, Iterator
from typing import Any

from chirpstack_api import gw

from tests.gateway.kit import EUI, data_frame, downlink_frame, join_request, push_data, rxpk
from tests.gateway.test_station import taken_apart

_HEAD = b"\x02\x12\x34"
_EUI = bytes.fromhex(EUI)
_VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 255, 256, 1 << 31, 1 << 32, 1 << 63, 1 << 64, -(1 << 63), 10**400, 0.5, -0.0, 1e308,
    float("inf"), float("nan"), "", "0", "\0", "\ud800", "é" * 40, "A" * 5000, "SF7BW125", "SF99BW1", "4/5",
    "2026-13-45T99:99:99Z", "::", "1e999", [], {}, [[]], [None] * 300, {"": ""}, {"msgtype": "updf"},
)  # fmt: skip
_SNIPPETS = (
    b"", b"\0", b"\xff" * 8, b"[" * 3000, b"{" * 3000, b'{"a":' * 600, b'"', b"\\u0000", b"\\ud800", b"1e999", b"-",
    b"9" * 400, b"\xc3\x28", b"\xed\xa0\x80", b"NaN", b"Infinity", b'"rxpk":', b'"txpk_ack":', b" " * 2000, b",,",
)  # fmt: skip
_SETTINGS = """\
[gateway]
id = "auto"
clock = "auto"
[spool]
path = "spool.db"
durability = "balanced"
max_bytes = 268435456
max_age = "7d"
[[source]]
type = "semtech_udp"
bind = "127.0.0.1:1700"
[[source]]
type = "basics_station"
bind = "[::1]:1887"
region = "EU868"
[[destination]]
name = "dortmund"
type = "chirpstack_mqtt"
server = "mqtts://broker.example.org:8883"
topic_prefix = "eu868"
dev_addr_prefixes = ["26000000/7"]
join_eui_prefixes = ["70b3d57ed0000000/36"]
replay_per_second = 20.0
device_spacing = "1s"
[[destination]]
name = "schwerte"
type = "semtech_udp"
server = "192.0.2.7:1700"
[status]
bind = "127.0.0.1:8800"
"""


def datagrams() -> list[bytes]:
    """What packet forwarders send."""
    frame, join = data_frame(0x26011BDA, 7), join_request(7)
    antennas = [{"ant": 0, "chan": 7, "rssic": -70, "lsnr": 8.0, "etime": "AAAA"}]
    stat = {
        "time": "2026-11-22 06:00:00 GMT",
        "lati": 51.5,
        "long": 7.5,
        "alti": 90,
        "rxnb": 2,
        "rxok": 2,
        "ackr": 100.0,
    }
    errors = (
        {"txpk_ack": {"error": "NONE"}},
        {"txpk_ack": {"error": "TOO_LATE"}},
        {"txpk_ack": {"warn": "TX_POWER", "value": 14}},
    )
    fsk = rxpk(frame, modu="FSK", datr=50000)
    return [
        push_data([rxpk(frame)]),
        push_data([rxpk(frame), rxpk(join)], token=77),
        push_data([fsk, rxpk(frame, time="2026-11-22T06:00:00.123456Z", tmms=1_400_000_000_000)]),
        push_data([rxpk(frame, rsig=antennas, meta={"a": "b"}, modu="LR-FHSS", datr="M0CW137")]),
        push_data([], stat=stat),
        push_data([rxpk(downlink_frame())], version=1),
        _HEAD + b"\x02" + _EUI,
        _HEAD + b"\x05" + _EUI,
        *(_HEAD + b"\x05" + _EUI + json.dumps(error).encode() for error in errors),
        b"\x02\x12\x34\x03" + json.dumps({"txpk": {"imme": True, "data": "YQ=="}}).encode(),
    ]


def station_messages() -> list[bytes]:
    """What stations send, and the question to router-info."""
    frame = data_frame(0x26011BDA, 7)
    updf = taken_apart(frame)
    join = {
        **updf,
        "msgtype": "jreq",
        "JoinEui": "00-00-00-00-00-00-00-01",
        "DevEui": "70-b3-d5-7e-d0-00-00-01",
        "DevNonce": 7,
    }
    messages = [
        {
            "msgtype": "version",
            "station": "2.0.6",
            "firmware": "",
            "package": "",
            "model": "x",
            "protocol": 2,
            "features": "rmtsh",
        },
        updf,
        join,
        {**join, "msgtype": "rejoin"},
        {**updf, "msgtype": "propdf", "FRMPayload": "e0aabb"},
        {**updf, "msgtype": "dndf", "FPort": -1},
        {
            "msgtype": "dntxed",
            "diid": 7,
            "DR": 5,
            "Freq": 868_100_000,
            "xtime": 1,
            "rctx": 0,
            "txtime": 1.0,
            "gpstime": 0,
        },
        {"msgtype": "timesync", "txtime": 123_456_789},
        {"router": "::1"},
        {"router": "00-16-c0-01-ff-10-a2-35"},
    ]
    return [json.dumps(message).encode() for message in messages]


def downlinks() -> list[bytes]:
    """What network servers order, as protobuf."""
    frame = gw.DownlinkFrame(downlink_id=7, gateway_id=EUI)
    for delay_s in (1, 2):
        item = frame.items.add(phy_payload=downlink_frame())
        item.tx_info.frequency, item.tx_info.power = 868_100_000, 14
        lora = item.tx_info.modulation.lora
        lora.bandwidth, lora.spreading_factor, lora.code_rate = 125_000, 7, gw.CR_4_5
        item.tx_info.timing.delay.delay.seconds = delay_s
        item.tx_info.context = bytes(17)
    return [frame.SerializeToString()]


def settings_files() -> list[bytes]:
    """Settings as operators write them."""
    return [_SETTINGS.encode()]


class Damage:
    """An endless source of damaged copies of the given messages."""

    def __init__(self, corpus: list[bytes], seed: int) -> None:
        self._corpus = corpus
        self._chance = random.Random(f"damage/{seed}")
        self._ways: tuple[Callable[[bytes], bytes], ...] = (
            *(self._flip, self._cut, self._insert, self._double, self._splice, self._line),
            *(self._structure,) * 3,
        )

    def take(self, number: int) -> Iterator[bytes]:
        """So many of them."""
        chance = self._chance
        for _ in range(number):
            data = chance.choice(self._corpus)
            for _ in range(chance.choice((1, 1, 1, 2, 5))):
                data = chance.choice(self._ways)(data)
            yield data[:65_000]

    def _flip(self, data: bytes) -> bytes:
        raw = bytearray(data)
        for _ in range(self._chance.choice((1, 1, 2, 8))):
            if raw:
                raw[self._chance.randrange(len(raw))] = self._chance.randrange(256)
        return bytes(raw)

    def _cut(self, data: bytes) -> bytes:
        return data[: self._chance.randrange(len(data) + 1)]

    def _insert(self, data: bytes) -> bytes:
        at = self._chance.randrange(len(data) + 1)
        return data[:at] + self._chance.choice(_SNIPPETS) + data[at:]

    def _double(self, data: bytes) -> bytes:
        first, last = sorted(self._chance.randrange(len(data) + 1) for _ in range(2))
        return data[:last] + data[first:]

    def _splice(self, data: bytes) -> bytes:
        other = self._chance.choice(self._corpus)
        return data[: self._chance.randrange(len(data) + 1)] + other[self._chance.randrange(len(other) + 1) :]

    def _line(self, data: bytes) -> bytes:
        lines = data.split(b"\n")
        at = self._chance.randrange(len(lines))
        key = lines[at].partition(b"=")[0]
        value = json.dumps(self._chance.choice(_VALUES)).encode()
        lines[at] = self._chance.choice((b"", key + b"= " + value, lines[self._chance.randrange(len(lines))]))
        return b"\n".join(lines)

    def _structure(self, data: bytes) -> bytes:
        start = data.find(b"{")
        try:
            value = json.loads(data[start:]) if start >= 0 else None
        except (ValueError, RecursionError):
            value = None
        if not isinstance(value, dict) or not value:
            return self._flip(data)
        self._spoil(value)
        return data[:start] + json.dumps(value).encode()

    def _spoil(self, value: Any) -> None:
        keys = list(value) if isinstance(value, dict) else list(range(len(value)))
        key = self._chance.choice(keys)
        inner = value[key]
        if isinstance(inner, dict | list) and inner and self._chance.random() < 0.8:
            self._spoil(inner)
        elif self._chance.random() < 0.15:
            del value[key]
        elif self._chance.random() < 0.2:
            value[key] = base64.b64encode(self._chance.randbytes(self._chance.choice((0, 1, 12, 255, 256)))).decode()
        else:
            value[key] = self._chance.choice(_VALUES)
