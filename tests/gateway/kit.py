"""Tools of the gateway's tests: a clock to move, a packet forwarder on a real socket, a listener at a real broker,
and the gateway as a real process.
"""

from __future__ import annotations

import asyncio
import base64
import json
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import paho.mqtt.client as paho
from chirpstack_api import gw

from bench.broker import Broker
from gateway.clock import SystemClock
from gateway.daemon import Daemon
from gateway.frames import Crc, LoRa, Uplink
from gateway.setting_types import Address
from gateway.settings import load

EUI = "0016c001ff10a235"
PATIENCE_S = 20.0
ROOT = Path(__file__).resolve().parents[2]


class FakeClock:
    """Clocks that move when told to."""

    def __init__(self, mono_us: int = 1_000_000_000, wall_us: int = 1_760_000_000_000_000) -> None:
        self.boot_id = "boot-a"
        self._mono_us = mono_us
        self._wall_us = wall_us
        self.is_verified = True

    def advance(self, seconds: float) -> None:
        self._mono_us += round(seconds * 1e6)
        self._wall_us += round(seconds * 1e6)

    def step_wall(self, seconds: float) -> None:
        self._wall_us += round(seconds * 1e6)

    def mono_us(self) -> int:
        return self._mono_us

    def wall_us(self) -> int:
        return self._wall_us

    def verified(self) -> bool:
        return self.is_verified


def data_frame(dev_addr: int, fcnt: int, confirmed: bool = False, tail: bytes = b"\x01abcd") -> bytes:
    """A data uplink with a made-up MIC."""
    mhdr = bytes((0x80 if confirmed else 0x40,))
    return mhdr + dev_addr.to_bytes(4, "little") + b"\0" + (fcnt & 0xFFFF).to_bytes(2, "little") + tail + b"MIC."


def join_request(dev_nonce: int, join_eui: int = 0x0102030405060708) -> bytes:
    return b"\0" + join_eui.to_bytes(8, "little") + bytes(8) + dev_nonce.to_bytes(2, "little") + b"MIC."


def downlink_frame(dev_addr: int = 0x01020304) -> bytes:
    return b"\x60" + dev_addr.to_bytes(4, "little") + b"\0\1\0" + b"\x01xy" + b"MIC."


def address_and_counter(phy_payload: bytes) -> tuple[int, int]:
    return int.from_bytes(phy_payload[1:5], "little"), int.from_bytes(phy_payload[6:8], "little")


def uplink(phy_payload: bytes, **changes: Any) -> Uplink:
    values: dict[str, Any] = {
        "gateway_id": EUI,
        "phy_payload": phy_payload,
        "frequency_hz": 868_100_000,
        "modulation": LoRa(7, 125_000, "4/5"),
        "rssi_dbm": -60,
        "snr_db": 7.5,
        "crc": Crc.OK,
        "uplink_id": 1,
        "context": b"\0\0\x04\xd2",
    }
    return Uplink(**{**values, **changes})


def rxpk(phy_payload: bytes, tmst: int = 1234, **changes: Any) -> dict[str, Any]:
    element = {
        "tmst": tmst,
        "chan": 0,
        "rfch": 1,
        "freq": 868.1,
        "stat": 1,
        "modu": "LORA",
        "datr": "SF7BW125",
        "codr": "4/5",
        "rssi": -60,
        "lsnr": 7.5,
        "size": len(phy_payload),
        "data": base64.b64encode(phy_payload).decode(),
    }
    return {key: value for key, value in {**element, **changes}.items() if value is not ...}


def push_data(elements: list[dict[str, Any]], token: int = 1, eui: str = EUI, version: int = 2, **extra: Any) -> bytes:
    body = json.dumps({"rxpk": elements, **extra}).encode()
    return bytes((version,)) + token.to_bytes(2, "big") + b"\0" + bytes.fromhex(eui) + body


def wait_for(condition: Callable[[], bool], what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait for something that another thread or process does."""
    deadline = time.monotonic() + patience_s
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience_s} s: {what}")
        time.sleep(0.005)


class Forwarder:
    """A packet forwarder: one socket up, one down, as lora_pkt_fwd has."""

    def __init__(self, address: tuple[str, int], eui: str = EUI, version: int = 2) -> None:
        self.eui = bytes.fromhex(eui)
        self.version = bytes((version,))
        self.up = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.down = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for one in (self.up, self.down):
            one.settimeout(PATIENCE_S)
            one.connect(address)
        self._token = 0

    def pull(self) -> bytes:
        self.down.send(self.version + b"\x12\x34\x02" + self.eui)
        return self.down.recv(65536)

    def push(self, *elements: dict[str, Any]) -> bytes:
        """Send PUSH_DATA and wait for its PUSH_ACK."""
        token = self.send(*elements)
        while True:
            answer = self.up.recv(65536)
            if answer[1:3] == token:
                return answer

    def send(self, *elements: dict[str, Any]) -> bytes:
        self._token = (self._token + 1) & 0xFFFF
        token = self._token.to_bytes(2, "big")
        body = json.dumps({"rxpk": elements}).encode()
        self.up.send(self.version + token + b"\0" + self.eui + body)
        return token

    def answer_pull_resp(self, error: str = "NONE") -> dict[str, Any]:
        """Wait for a PULL_RESP, answer it, and return its txpk."""
        data = self.down.recv(65536)
        assert data[3] == 3
        body = json.dumps({"txpk_ack": {"error": error}}).encode()
        self.down.send(self.version + data[1:3] + b"\x05" + self.eui + body)
        return json.loads(data[4:])["txpk"]

    def close(self) -> None:
        self.up.close()
        self.down.close()

    def __enter__(self) -> Forwarder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Listener:
    """A subscriber that keeps everything, as a network server's side would see it."""

    def __init__(self, broker: Broker, topics: str = "eu868/#") -> None:
        self.messages: list[tuple[str, bytes, bool]] = []
        self.times: list[float] = []
        self._changed = threading.Condition()
        self._subscribed = threading.Event()
        self._client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(topics, 1)
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._message
        self._client.connect("127.0.0.1", broker.port)
        self._client.loop_start()
        assert self._subscribed.wait(PATIENCE_S)

    def _message(self, _client: object, _data: object, message: paho.MQTTMessage) -> None:
        with self._changed:
            self.messages.append((message.topic, bytes(message.payload), message.retain))
            self.times.append(time.monotonic())
            self._changed.notify_all()

    def publish(self, topic: str, payload: bytes) -> None:
        self._client.publish(topic, payload, qos=1)

    def send_downlink(self, frame: Any) -> None:
        self.publish(f"eu868/gateway/{frame.gateway_id}/command/down", frame.SerializeToString())

    def repeat(self, tail: str) -> None:
        """Publish the last message of a topic once more."""
        self.publish(*next((topic, payload) for topic, payload, _ in reversed(self.messages) if topic.endswith(tail)))

    def of(self, tail: str) -> list[bytes]:
        with self._changed:
            return [payload for topic, payload, _ in self.messages if topic.endswith(tail)]

    def uplinks(self) -> list[Any]:
        return [gw.UplinkFrame.FromString(payload) for payload in self.of("/event/up")]

    def acks(self) -> list[Any]:
        return [gw.DownlinkTxAck.FromString(payload) for payload in self.of("/event/ack")]

    def states(self) -> list[str]:
        names = gw.ConnState.State
        return [names.Name(gw.ConnState.FromString(payload).state) for payload in self.of("/state/conn")]

    def wait(self, condition: Callable[[Listener], bool], what: str, patience_s: float = PATIENCE_S) -> None:
        deadline = time.monotonic() + patience_s
        with self._changed:
            while not condition(self):
                left = deadline - time.monotonic()
                assert left > 0, f"not within {patience_s} s: {what}; topics so far: {[m[0] for m in self.messages]}"
                self._changed.wait(left)

    def wait_uplinks(self, number: int, patience_s: float = PATIENCE_S) -> list[Any]:
        self.wait(lambda one: len(one.of("/event/up")) >= number, f"{number} uplinks", patience_s)
        return self.uplinks()

    def close(self) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def __enter__(self) -> Listener:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class GatewayProcess:
    """`spatz-gateway run` as a real process, started by the words `by` if there are any; `log` is all it said."""

    def __init__(self, config: Path, *by: str) -> None:
        self.log: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            [*by, sys.executable, "-m", "gateway", "run", "--config", str(config)],
            cwd=ROOT,
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        ready = self.wait_event("ready")
        host, _, port = ready["sources"][0].rpartition(":")
        self.address = (host, int(port) if port.isdigit() else 0)
        self.status: str | None = ready["status"]
        self.pid = self._process.pid

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            try:
                self.log.append(json.loads(line))
            except ValueError:
                self.log.append({"event": "text", "text": line.rstrip()})

    def wait_event(self, event: str, **fields: object) -> dict[str, Any]:
        found: list[dict[str, Any]] = []

        def seen() -> bool:
            found[:] = [e for e in self.log if e["event"] == event and fields.items() <= e.items()]
            return bool(found) or self._process.poll() is not None

        wait_for(seen, f"log line {event}")
        assert found, self.log
        return found[-1]

    def kill(self) -> None:
        """SIGKILL: no farewell, no flush."""
        self._process.kill()
        self._process.wait()
        self._reader.join(PATIENCE_S)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        self._process.terminate()
        code = self._process.wait(PATIENCE_S)
        self._reader.join(PATIENCE_S)
        return code

    def __enter__(self) -> GatewayProcess:
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self.stop()


class ShiftClock(SystemClock):
    """Real clocks that can be put forward, and a machine that can be restarted."""

    def __init__(self, boot_id: str = "boot-a", verified: bool = True) -> None:
        super().__init__()
        self.is_verified = verified
        self.boot_name = boot_id
        self.forward_us = 0
        self.wall_error_us = 0

    @property
    def boot_id(self) -> str:
        return self.boot_name

    def mono_us(self) -> int:
        return super().mono_us() + self.forward_us

    def wall_us(self) -> int:
        return super().wall_us() + self.forward_us + self.wall_error_us

    def verified(self) -> bool:
        return self.is_verified

    def advance(self, seconds: float) -> None:
        self.forward_us += round(seconds * 1e6)


class GatewayThread:
    """The daemon in a thread of the test, so that the test can move its clock."""

    def __init__(self, config: Path, clock: ShiftClock) -> None:
        self.clock = clock
        self._loop = asyncio.new_event_loop()
        self._error: BaseException | None = None
        self._stop: asyncio.Event | None = None
        self.daemon = Daemon(load(config), clock)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        wait_for(lambda: self.daemon.ready or self._error is not None, "gateway ready")
        if self._error is not None:
            raise self._error
        first = self.daemon.addresses[0]
        self.address = (first.host, first.port) if isinstance(first, Address) else (first, 0)

    def _run(self) -> None:
        async def scenario() -> None:
            self._stop = asyncio.Event()
            await self.daemon.run(self._stop)

        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(scenario())
        except BaseException as error:
            self._error = error

    def up(self) -> None:
        wait_for(lambda: all(relay.flowing for relay in self.daemon.relays), "destinations up")

    def stop(self) -> None:
        if self._thread.is_alive() and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(PATIENCE_S)

    def __enter__(self) -> GatewayThread:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def write_settings(directory: Path, broker_url: str, extra: str = "", destination: str = "") -> Path:
    """A settings file for one source and one destination on ports the system chooses."""
    path = directory / "gateway.toml"
    path.write_text(
        f"""
[gateway]
clock = "always"
[spool]
path = "spool.db"
[[source]]
type = "semtech_udp"
bind = "127.0.0.1:0"
[[destination]]
name = "city"
type = "chirpstack_mqtt"
server = "{broker_url}"
topic_prefix = "eu868"
reconnect_max = "250ms"
{destination}
{extra}
""",
        encoding="utf-8",
    )
    return path
