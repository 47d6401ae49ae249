"""What the gateway is measured against: the same libraries in the shortest loop that takes a datagram, makes it
durable, publishes it and acknowledges it. No order, no pace, no replay, no downlinks,
no second destination, no settings.

python -m tests.benchmarks._bare_loop BROKER_PORT DATABASE
"""

from __future__ import annotations

import base64
import contextlib
import json
import socket
import sqlite3
import sys
import time

import paho.mqtt.client as paho
from chirpstack_api import gw

_GATHER_S = 0.005
_MOST = 512
_PUSH_DATA = 0


def main(broker_port: int, database: str) -> None:
    """Print the UDP port, then serve for ever."""
    db = sqlite3.connect(database, isolation_level=None)
    db.executescript(
        "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; CREATE TABLE frame (seq INTEGER PRIMARY KEY, body BLOB)"
    )
    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.connect("127.0.0.1", broker_port)
    client.loop_start()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
    sock.bind(("127.0.0.1", 0))
    sys.stdout.write(f"{sock.getsockname()[1]}\n")
    sys.stdout.flush()
    while True:
        sock.settimeout(None)
        batch = [sock.recvfrom(65536)]
        time.sleep(_GATHER_S)
        sock.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while len(batch) < _MOST:
                batch.append(sock.recvfrom(65536))
        batch = [(data, peer) for data, peer in batch if data[3] == _PUSH_DATA]
        messages = [_message(data) for data, _ in batch]
        db.execute("BEGIN")
        db.executemany("INSERT INTO frame (body) VALUES (?)", [(message,) for message in messages])
        db.execute("COMMIT")
        for (data, peer), message in zip(batch, messages, strict=True):
            sock.sendto(data[:3] + b"\1", peer)
            client.publish("eu868/gateway/0016c001ff10a235/event/up", message, qos=1)


def _message(data: bytes) -> bytes:
    element = json.loads(data[12:])["rxpk"][0]
    frame = gw.UplinkFrame(phy_payload=base64.b64decode(element["data"]))
    frame.tx_info.frequency = round(element["freq"] * 1e6)
    lora = frame.tx_info.modulation.lora
    lora.spreading_factor, lora.bandwidth, lora.code_rate = 7, 125_000, gw.CR_4_5
    rx = frame.rx_info
    rx.gateway_id, rx.rssi, rx.snr = data[4:12].hex(), element["rssi"], element["lsnr"]
    rx.context = element["tmst"].to_bytes(4, "big")
    rx.crc_status = gw.CRC_OK
    return frame.SerializeToString()


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
