"""What the gateway takes and costs: latency of acknowledgements under load, cost and size of the spool, memory.

Real gateway process, real mosquitto, real UDP sockets, all on this machine.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench.broker import Broker
from gateway.frames import Moment
from gateway.store import Frame, Store
from tests.gateway.kit import Forwarder, GatewayProcess, Listener, data_frame, rxpk, uplink, wait_for, write_settings

DEVICES = 5000


def rss_mb(pid: int) -> float:
    """Resident memory of a process."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return round(pages * 4096 / 1e6, 1)


def percentile(values: list[float], share: float) -> float:
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000, 1)


@contextmanager
def running(directory: Path, listening: bool = True) -> Iterator[tuple[GatewayProcess, Forwarder, Listener | None]]:
    with Broker(directory / "broker") as broker:
        settings = write_settings(directory, broker.url)
        if not listening:
            broker.stop()
        listener = Listener(broker) if listening else None
        with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            if listener is not None:
                gateway.wait_event("destination up")
            yield gateway, forwarder, listener
        if listener is not None:
            listener.close()


def load(rate: int, seconds: float) -> dict[str, Any]:
    """Frames at a fixed rate through the whole chain: latency of PUSH_ACK, and whether all of them arrive."""
    with tempfile.TemporaryDirectory() as name, running(Path(name)) as (gateway, forwarder, listener):
        assert listener is not None
        sent: dict[bytes, float] = {}
        latencies: list[float] = []
        total = int(rate * seconds)

        def hear() -> None:
            while len(latencies) < total:
                answer = forwarder.up.recv(64)
                latencies.append(time.perf_counter() - sent[answer[1:3]])

        ear = threading.Thread(target=hear, daemon=True)
        datagrams = [_datagram(forwarder, number) for number in range(total)]
        ear.start()
        started = time.perf_counter()
        for number, (token, data) in enumerate(datagrams):
            while (wait_s := started + number / rate - time.perf_counter()) > 0:
                time.sleep(min(wait_s, 0.001))
            sent[token] = time.perf_counter()
            forwarder.up.send(data)
        ear.join(30)
        listener.wait(lambda one: len(one.of("/event/up")) >= total, "all frames", 60)
        return {
            "measure": "load",
            "rate_per_s": rate,
            "frames": total,
            "acknowledged": len(latencies),
            "ack_p50_ms": percentile(latencies, 0.5),
            "ack_p99_ms": percentile(latencies, 0.99),
            "rss_mb": rss_mb(gateway.pid),
        }


def _datagram(forwarder: Forwarder, number: int) -> tuple[bytes, bytes]:
    token = (number & 0xFFFF).to_bytes(2, "big")
    body = json.dumps({"rxpk": [rxpk(data_frame(number % DEVICES, number // DEVICES), tmst=number)]}).encode()
    return token, b"\x02" + token + b"\0" + forwarder.eui + body


def spool_cost(rows: int) -> Iterator[dict[str, Any]]:
    """Time of an append and of finding the next frame, from a thousand rows to many; bytes a frame; memory."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        store = Store(directory / "spool.db", 1 << 32, "bench")
        destination = store.destination("city")
        seq, filled = store.first_seq, 0
        body = uplink(data_frame(1, 1)).to_bytes()
        size = 1000
        while filled < rows:
            step = min(size, rows) - filled
            for _ in range(0, step, 1000):
                store.begin()
                frames = [
                    Frame(seq + n, (seq + n) * 7919 % 10_000, Moment(1, 0, 0), body, (destination,))
                    for n in range(1000)
                ]
                started = time.perf_counter()
                store.append(frames)
                store.commit()
                append_us = (time.perf_counter() - started) * 1000
                seq += 1000
            filled += step
            started = time.perf_counter()
            for at in range(200):
                store.heads(destination, at * 50, 1, frozenset())
            head_us = (time.perf_counter() - started) * 1e6 / 200
            used = store.bytes_used() / filled
            yield {
                "measure": "spool",
                "rows": filled,
                "append_us": round(append_us, 1),
                "next_us": round(head_us, 1),
                "bytes_per_frame": round(used),
            }
            size *= 10
        store.close()
        with Broker(directory / "broker") as broker:
            settings = write_settings(directory, broker.url)
            settings.write_text(settings.read_text().replace('"spool.db"', '"spool.db"\nmax_bytes = 4294967296'))
            broker.stop()
            started = time.perf_counter()
            with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
                start_s = time.perf_counter() - started
                forwarder.pull()
                for number in range(2000):
                    forwarder.push(rxpk(data_frame(number, 9)))
                broker.start()
                with Listener(broker) as listener:
                    wait_for(lambda: len(listener.of("/event/up")) > 40, "replay")
                yield {
                    "measure": "memory",
                    "rows": rows,
                    "rss_mb": rss_mb(gateway.pid),
                    "start_s": round(start_s, 2),
                }


def run(seconds: float = 5, rows: int = 1_000_000) -> Iterator[dict[str, Any]]:
    """All figures."""
    for rate in (250, 1000):
        yield load(rate, seconds)
    yield from spool_cost(rows)
