"""A packet forwarder that does nothing but send and take the time, as a process of its own: what it measures is not
held up by the benchmark.

python -m tests.benchmarks._sender PORT DEVICES RATE SECONDS [RATE SECONDS ..]   at these rates, one after the other
python -m tests.benchmarks._sender PORT WINDOW FRAMES      so many in flight at once, as fast as they are taken

Prints one JSON object: what was sent, acknowledged, and the latencies.
"""

from __future__ import annotations

import base64
import json
import socket
import sys
import threading
import time

from bench.chaos.load import data_uplink, device

EUI = bytes.fromhex("0016c001ff10a235")
_PATIENCE_S = 10.0
_PAYLOAD = bytes(20)
_PULL_EVERY_S = 2.0


def datagram(number: int, devices: int) -> bytes:
    """PUSH_DATA with the next frame of the next device."""
    phy_payload = data_uplink(device(number % devices), number // devices, _PAYLOAD, confirmed=False)
    element = {
        "tmst": number * 1000 & 0xFFFFFFFF,
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
    return b"\x02" + (number & 0xFFFF).to_bytes(2, "big") + b"\0" + EUI + json.dumps({"rxpk": [element]}).encode()


def percentile_ms(values: list[float], share: float) -> float:
    """In milliseconds."""
    return round(sorted(values)[min(len(values) - 1, int(share * len(values)))] * 1000, 1)


def _socket(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.connect(("127.0.0.1", port))
    sock.settimeout(_PATIENCE_S)
    return sock


def pull(port: int) -> socket.socket:
    """Open the way back; the gateway connects to its server when the first concentrator pulls."""
    sock = _socket(port)
    sock.send(b"\x02\0\1\x02" + EUI)
    return sock


def at_rates(port: int, devices: int, stretches: list[tuple[float, float]]) -> dict[str, object]:
    """Send at (rate, seconds), one stretch after the other. Latencies are those of frames sent at the highest rate."""
    highest = max(rate for rate, _ in stretches)
    due_s: list[float] = []
    hurried: set[int] = set()
    end_s = 0.0
    for rate, seconds in stretches:
        frames = range(len(due_s), len(due_s) + int(rate * seconds))
        due_s += [end_s + number / rate for number in range(len(frames))]
        hurried.update(frames if rate == highest else ())
        end_s += seconds
    total = len(due_s)
    up, down = _socket(port), pull(port)
    sent = [(0, 0.0)] * 65_536
    latencies: list[float] = []
    acknowledged = 0

    def hear() -> None:
        nonlocal acknowledged
        while acknowledged < total:
            try:
                answer = up.recv(64)
            except TimeoutError:
                return
            number, sent_s = sent[int.from_bytes(answer[1:3], "big")]
            acknowledged += 1
            if number in hurried:
                latencies.append(time.perf_counter() - sent_s)

    ear = threading.Thread(target=hear, daemon=True)
    ready = [datagram(number, devices) for number in range(min(total, 20_000))]
    ear.start()
    started = pulled = time.perf_counter()
    behind = 0.0
    for number in range(total):
        data = ready[number] if number < len(ready) else datagram(number, devices)
        while (wait_s := started + due_s[number] - time.perf_counter()) > 0:
            time.sleep(min(wait_s, 0.002))
        behind = max(behind, -wait_s)
        now_s = time.perf_counter()
        sent[number & 0xFFFF] = (number, now_s)
        up.send(data)
        if now_s - pulled > _PULL_EVERY_S:
            pulled = now_s
            down.send(b"\x02\0\1\x02" + EUI)
    took_s = time.perf_counter() - started
    ear.join(_PATIENCE_S)
    return {
        "frames": total,
        "acknowledged": acknowledged,
        "sent_per_s": round(total / took_s, 1),
        "sender_behind_ms": round(behind * 1000, 1),
        "ack_p50_ms": percentile_ms(latencies, 0.5),
        "ack_p99_ms": percentile_ms(latencies, 0.99),
        "ack_worst_ms": percentile_ms(latencies, 1.0),
    }


def in_flight(port: int, window: int, frames: int) -> dict[str, object]:
    """Keep `window` datagrams unanswered; every frame is of another device."""
    up, _down = _socket(port), pull(port)
    ready = [datagram(number, frames) for number in range(frames)]
    started = time.perf_counter()
    for data in ready[:window]:
        up.send(data)
    for number in range(frames):
        up.recv(64)
        if number + window < frames:
            up.send(ready[number + window])
    return {"frames": frames, "acknowledged_per_s": round(frames / (time.perf_counter() - started))}


if __name__ == "__main__":
    words = [float(word) for word in sys.argv[2:]]
    port = int(sys.argv[1])
    if len(words) == 2:
        result = in_flight(port, *map(int, words))
    else:
        result = at_rates(port, int(words[0]), list(zip(words[1::2], words[2::2], strict=True)))
    sys.stdout.write(json.dumps(result))
