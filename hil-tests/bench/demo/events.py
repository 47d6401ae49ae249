"""Application events as an operator watches them: the event stream of each device, over gRPC.

Not over MQTT: the demo takes the broker away, and a watcher that depends on it would miss what arrives in the moment
between the gateway's return and its own.
"""

from __future__ import annotations

import json
import queue
import threading
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from chirpstack_api import api

KINDS = ("up", "join", "ack", "txack", "log", "status")


@dataclass(frozen=True, slots=True)
class Event:
    """One event of one device: `kind` is one of `KINDS`; `body` as ChirpStack publishes it."""

    kind: str
    dev_eui: str
    body: dict[str, Any]


class Application:
    """Watches the events of devices; they wait in a queue until `drain` takes them."""

    def __init__(self, server: str, token: str) -> None:
        """`server`: HOST:PORT of the API, on loopback. `token`: an API key."""
        self._channel = grpc.insecure_channel(server)
        self._stub = api.InternalServiceStub(self._channel)
        self._metadata = [("authorization", f"Bearer {token}")]
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._watched: set[str] = set()
        self._calls: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        for call in self._calls:
            call.cancel()
        self._channel.close()

    def watch(self, dev_eui: str) -> None:
        """Watch a registered device from now on; its recent events come first. Watching twice is watching once."""
        if dev_eui in self._watched:
            return
        self._watched.add(dev_eui)
        call = self._stub.StreamDeviceEvents(
            api.StreamDeviceEventsRequest(dev_eui=dev_eui), metadata=self._metadata, wait_for_ready=True
        )
        self._calls.append(call)
        threading.Thread(target=self._read, args=(dev_eui, call), name=f"events-{dev_eui}", daemon=True).start()

    def drain(self) -> list[Event]:
        """All events since the last call, in order of arrival."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def _read(self, dev_eui: str, call: Any) -> None:
        try:
            for item in call:
                if item.description in KINDS:
                    self._events.put(Event(item.description, dev_eui, json.loads(item.body)))
        except grpc.RpcError:
            return  # cancelled, or the server ended
