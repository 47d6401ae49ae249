"""A subscriber that counts uplinks: says "listening", then how long the given number took, from the first one on.

python -m tests.benchmarks._counter BROKER_PORT FRAMES
"""

from __future__ import annotations

import sys
import time

import paho.mqtt.client as paho


def main(broker_port: int, frames: int) -> None:
    """Count, print, go."""
    count = 0
    started = 0.0

    def say(text: str) -> None:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()

    def heard(_client: object, _data: object, _message: object) -> None:
        nonlocal count, started
        started = started or time.perf_counter()
        count += 1
        if count == frames:
            say(str(time.perf_counter() - started))

    client = paho.Client(paho.CallbackAPIVersion.VERSION2, protocol=paho.MQTTv5)
    client.on_connect = lambda client, *_: client.subscribe("eu868/gateway/+/event/up", 0)
    client.on_subscribe = lambda *_: say("listening")
    client.on_message = heard
    client.connect("127.0.0.1", broker_port)
    client.loop_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
