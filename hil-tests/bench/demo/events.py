"""Application events as an application gets them: JSON over the real broker."""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode

TOPIC = "application/+/device/+/event/+"


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one device: `kind` is up, join, ack, txack, log or status; `body` as ChirpStack publishes it."""

    kind: str
    dev_eui: str
    body: dict[str, Any]


class Application:
    """A subscriber of all application events; reconnects by itself, events wait in a queue."""

    def __init__(self, port: int) -> None:
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._subscribed = threading.Event()
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "bench-application", protocol=MQTTProtocolVersion.MQTTv5)
        self._client.reconnect_delay_set(1, 2)
        self._client.on_connect = self._connected
        self._client.on_subscribe = lambda *_: self._subscribed.set()
        self._client.on_message = self._arrived
        self._client.connect("127.0.0.1", port)

    def __enter__(self) -> Self:
        self._client.loop_start()
        self._subscribed.wait(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def drain(self) -> list[Event]:
        """All events since the last call, in order of arrival."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def _connected(
        self, client: mqtt.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Properties | None
    ) -> None:
        if not reason.is_failure:
            client.subscribe(TOPIC, qos=1)

    def _arrived(self, _client: mqtt.Client, _data: Any, message: mqtt.MQTTMessage) -> None:
        parts = message.topic.split("/")
        try:
            body = json.loads(message.payload)
        except ValueError:
            return
        if isinstance(body, dict):
            self._events.put(Event(parts[5], parts[3], body))
