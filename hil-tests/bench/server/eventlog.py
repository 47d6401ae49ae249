"""Recent events of each device, and those who watch them: what StreamDeviceEvents shows."""

from __future__ import annotations

import json
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Iterator
from typing import TextIO

from chirpstack_api import api

from bench.server import events
from bench.server.outputs import AppEvent, Output

HISTORY_LENGTH = 10
"""`[monitoring] device_event_log_max_history`."""


class EventLog:
    """Keeps the last events of each device and passes new ones to its watchers; safe between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._history: defaultdict[str, deque[api.LogItem]] = defaultdict(lambda: deque(maxlen=HISTORY_LENGTH))
        self._watchers: defaultdict[str, list[queue.SimpleQueue[api.LogItem | None]]] = defaultdict(list)
        self._count = 0

    def listen(self, output: Output, now_us: int) -> None:
        """A listener of the live server."""
        if not isinstance(output, AppEvent):
            return
        with self._lock:
            self._count += 1
            item = api.LogItem(
                id=f"{now_us // 1000}-{self._count}",
                time=events.timestamp(now_us),
                description=output.kind,
                body=events.to_json(output.message),
                properties=_properties(output),
            )
            self._history[output.dev_eui].append(item)
            for watcher in self._watchers[output.dev_eui]:
                watcher.put(item)

    def watch(self, dev_eui: str) -> Watch:
        """Recent events, oldest first, then new ones."""
        inbox: queue.SimpleQueue[api.LogItem | None] = queue.SimpleQueue()
        with self._lock:
            for item in self._history[dev_eui]:
                inbox.put(item)
            self._watchers[dev_eui].append(inbox)
        return Watch(self, dev_eui, inbox)

    def close(self) -> None:
        """End all watches, so that streams do not hold up the end of the server."""
        with self._lock:
            for watchers in self._watchers.values():
                for inbox in watchers:
                    inbox.put(None)

    def forget(self, dev_eui: str, inbox: queue.SimpleQueue[api.LogItem | None]) -> None:
        """End one watch."""
        with self._lock:
            if inbox in self._watchers[dev_eui]:
                self._watchers[dev_eui].remove(inbox)
        inbox.put(None)


class EventFile:
    """Writes every event into a text file: {"kind", "dev_eui", "at_us", "body": as ChirpStack publishes it}."""

    def __init__(self, file: TextIO) -> None:
        self._file = file

    def listen(self, output: Output, now_us: int) -> None:
        """A listener of the live server."""
        if isinstance(output, AppEvent):
            head = json.dumps({"kind": output.kind, "dev_eui": output.dev_eui, "at_us": now_us})
            self._file.write(f'{head[:-1]}, "body": {events.to_json(output.message)}}}\n')
            self._file.flush()


class Watch:
    """An endless iterator over a device's events, until `stop()`."""

    def __init__(self, log: EventLog, dev_eui: str, inbox: queue.SimpleQueue[api.LogItem | None]) -> None:
        self._log = log
        self._dev_eui = dev_eui
        self._inbox = inbox

    def __iter__(self) -> Iterator[api.LogItem]:
        while (item := self._inbox.get()) is not None:
            yield item

    def stop(self) -> None:
        """End the iteration."""
        self._log.forget(self._dev_eui, self._inbox)


def _properties(event: AppEvent) -> dict[str, str]:
    """The few words ChirpStack shows beside an event."""
    message = event.message
    if event.kind == "up":
        return {
            "DR": str(message.dr),
            "FPort": str(message.f_port),
            "FCnt": str(message.f_cnt),
            "Data": message.data.hex(),
        }
    if event.kind == "join":
        return {"DevAddr": message.dev_addr}
    if event.kind == "status":
        return {"Margin": str(message.margin), "Battery level": f"{message.battery_level:.0f}"}
    if event.kind == "log":
        level = type(message).DESCRIPTOR.fields_by_name["level"].enum_type.values_by_number[message.level].name
        code = type(message).DESCRIPTOR.fields_by_name["code"].enum_type.values_by_number[message.code].name
        return {"Level": level, "Code": code}
    return {}
