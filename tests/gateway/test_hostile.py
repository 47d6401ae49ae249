"""A running gateway under attack on all its sockets: it lives, it does not grow, it says each thing once, and it goes
on serving its own.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
from collections import Counter
from contextlib import suppress
from pathlib import Path

import aiohttp
import pytest

from bench.broker import Broker, mosquitto_program
from tests.gateway import fuzzing
from tests.gateway.fuzzing import Damage
from tests.gateway.kit import (
    EUI,
    Forwarder,
    GatewayProcess,
    Listener,
    address_and_counter,
    data_frame,
    rxpk,
    write_settings,
)

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(mosquitto_program() is None, reason="mosquitto is not installed"),
]

QUICK, LONG = 3_000, 100_000
# What a flood may leave behind: tables that are bounded, and what an allocator keeps.
GROWTH_MB = 40.0
# Each leaves a quarter of a megabyte to the garbage collector; after so many the process has grown as far as it does.
HANDSHAKES = 80
ROUND = 500
# Each station that connects is told at info level.
MOST_CONNECTIONS = 10_000
MOST_KINDS = 60


def rss_mb(pid: int) -> float:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def settings_under_attack(directory: Path, broker: Broker, papers: dict[str, Path]) -> Path:
    path = write_settings(directory, broker.url)
    stations = f"""
[[source]]
type = "basics_station"
bind = "127.0.0.1:0"
[[source]]
type = "basics_station"
bind = "127.0.0.1:0"
ca = "{papers["ca"]}"
cert = "{papers["server"]}"
key = "{papers["server-key"]}"
"""
    text = path.read_text().replace("[[destination]]", f"{stations}[[destination]]", 1)
    path.write_text(f'{text}\n[status]\nbind = "127.0.0.1:0"\n')
    return path


def ports(gateway: GatewayProcess) -> list[int]:
    return [int(address.rpartition(":")[2]) for address in gateway.wait_event("ready")["sources"]]


def served(gateway: GatewayProcess, listener: Listener, number: int) -> None:
    """Whatever came before, a good frame is stored, acknowledged and delivered."""
    with Forwarder(gateway.address) as forwarder:
        forwarder.push(rxpk(data_frame(0x01020304, number)))
    wanted = (0x01020304, number)
    listener.wait(
        lambda one: any(address_and_counter(frame.phy_payload) == wanted for frame in one.uplinks()), "a good frame"
    )


def throw_datagrams(gateway: GatewayProcess, number: int, seed: int) -> None:
    """Damaged ones, foreign gateways, the largest there are; never faster than the gateway answers."""
    chance = random.Random(seed)
    with Forwarder(gateway.address) as forwarder:
        for count, data in enumerate(Damage(fuzzing.datagrams(), seed).take(number)):
            if count % 5 == 0:
                data = data[:4] + chance.randbytes(8) + data[12:]
            if count % 50 == 0:
                data = (data * (65_000 // max(1, len(data)) + 1))[:65_000]
            forwarder.up.send(data)
            if count % ROUND == 0:
                forwarder.pull()


async def throw_messages(port: int, number: int, seed: int) -> None:
    """Damaged messages over WebSocket; a connection that the gateway ends is opened again."""
    messages = Damage(fuzzing.station_messages(), seed).take(number)
    left = number
    async with aiohttp.ClientSession() as session:
        while left > 0:
            path = random.Random(left).choice(("router-info", f"station/{EUI}", f"station/{EUI}", "station/zz"))
            with suppress(aiohttp.ClientError, ConnectionError):
                async with session.ws_connect(f"ws://127.0.0.1:{port}/{path}") as station:
                    for data in messages:
                        left -= 1
                        if left % 100 == 0:
                            data = data * (400_000 // max(1, len(data)))
                        if left % 3:
                            await station.send_str(data.decode("utf-8", "replace"))
                        else:
                            await station.send_bytes(data)
                        if left % 50 == 0 or path == "router-info" or station.closed:
                            break
            left -= 1


def throw_bytes(port: int, number: int, seed: int) -> None:
    """No HTTP, no TLS: bytes, half requests, connections that say nothing."""
    chance = random.Random(seed)
    openings = (
        b"",
        b"\x16\x03\x01\x02\0",
        b"GET /router-info HTTP/1.1\r\nUpgrade: websocket\r\n",
        b"GET " + b"a" * 20_000,
    )
    for _ in range(number):
        with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=2) as sock:
            sock.sendall(chance.choice(openings) + chance.randbytes(chance.randrange(200)))


def wrong_tls(port: int, papers: dict[str, Path], number: int) -> None:
    """No certificate, and a protocol that is too old."""
    for count in range(number):
        context = ssl.create_default_context(cafile=str(papers["ca"]))
        context.check_hostname = False
        if count % 2:
            context.verify_mode = ssl.CERT_NONE
            context.set_ciphers("AES128-SHA")
            context.maximum_version = ssl.TLSVersion.TLSv1_2
        with (
            suppress(OSError, ssl.SSLError),
            socket.create_connection(("127.0.0.1", port), timeout=2) as sock,
            context.wrap_socket(sock, server_hostname="localhost") as wrapped,
        ):
            wrapped.sendall(b"GET /router-info HTTP/1.1\r\n\r\n")
            wrapped.recv(100)


def throw_downlinks(listener: Listener, number: int, seed: int) -> None:
    for count, data in enumerate(Damage(fuzzing.downlinks(), seed).take(number)):
        topic = "command/down" if count % 4 else "command/exec"
        listener.publish(f"eu868/gateway/{EUI}/{topic}", data)


def attack(tmp_path: Path, papers: dict[str, Path], number: int, seed: int) -> None:
    with (
        Broker(tmp_path / "broker") as broker,
        Listener(broker) as listener,
        GatewayProcess(settings_under_attack(tmp_path, broker, papers)) as gateway,
    ):
        udp, station, tls = ports(gateway)
        assert udp == gateway.address[1]
        assert gateway.status is not None
        status = int(gateway.status.rpartition(":")[2])
        with Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            gateway.wait_event("destination up")
        served(gateway, listener, 1)
        # Once through everything: what is loaded and filled at first use is no growth.
        for round_, share in enumerate((number // 5, number)):
            throw_datagrams(gateway, share, seed + round_)
            asyncio.run(throw_messages(station, share // 3, seed + round_))
            throw_bytes(station, share // 30, seed)
            throw_bytes(tls, share // 30, seed)
            throw_bytes(status, share // 30, seed)
            wrong_tls(tls, papers, HANDSHAKES)
            throw_downlinks(listener, share // 10, seed + round_)
            served(gateway, listener, 2 + round_)
            if round_ == 0:
                before_mb = rss_mb(gateway.pid)
        grown_mb = rss_mb(gateway.pid) - before_mb
        assert grown_mb < GROWTH_MB, f"seed {seed}: {grown_mb:.1f} MB more after {number} inputs"
        lines = list(gateway.log)
        assert gateway.stop() == 0
    assert_said_once(lines)


def assert_said_once(lines: list[dict[str, object]]) -> None:
    """One line a kind and minute, no stack, no text that is no log line."""
    assert not [line for line in lines if "traceback" in line or line["event"] == "text"]
    counted = Counter(
        (line["event"], line["kind"], str(line["time"])[:16])
        for line in lines
        if line["level"] == "warning" and "kind" in line
    )
    assert len({kind for _, kind, _ in counted}) <= MOST_KINDS, "strangers choose what is counted"
    # A minute of the gateway may lie in two of the clock.
    assert not [kind for kind, times in counted.items() if times > 2]
    others = Counter(str(line["event"]) for line in lines if "kind" not in line)
    assert not {event: times for event, times in others.items() if times > MOST_CONNECTIONS}


@pytest.mark.timeout(120)
def test_a_running_gateway_survives_thousands_of_hostile_inputs(tmp_path: Path, papers: dict[str, Path]) -> None:
    attack(tmp_path, papers, QUICK, _seed(7))


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_a_running_gateway_survives_a_hundred_thousand_hostile_inputs(tmp_path: Path, papers: dict[str, Path]) -> None:
    attack(tmp_path, papers, LONG, _seed(random.SystemRandom().randrange(1 << 32)))


def _seed(default: int) -> int:
    return int(os.environ.get("SPATZ_FUZZ_SEED", default))
