"""What an application gets of its devices: a listener on a running server that judges can ask.

with Service(...) as service:
    application = Application(service.live)
    application.add(device)
    application.wait(lambda: len(application.ups) == 5, "five uplinks")
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

from chirpstack_api import integration

from bench.server.crypto import SessionKeys
from bench.server.live import LiveServer
from bench.server.outputs import AppEvent, LogEvent, Output, SendDownlink

_APP_KEY = bytes(16)


class Up(NamedTuple):
    """An `up` event. Times in microseconds since the Unix epoch: `time_us` is the server's time of the uplink, `at_us`
    when it came to the application.
    """

    dev_eui: str
    dev_addr: int
    f_cnt: int
    time_us: int
    at_us: int
    gateways: frozenset[str]
    marks: Mapping[str, str]


class Application:
    """Everything that one server told its applications since this was made; and its log lines about frames."""

    def __init__(self, live: LiveServer) -> None:
        self.ups: list[Up] = []
        self.joins: list[str] = []
        self.complaints: list[tuple[str, str]] = []
        """(device, code) of every log event."""
        self.dropped: list[str] = []
        """What the server's own log says of frames that led nowhere."""
        self.downlinks: list[str] = []
        """Gateways that were given a downlink."""
        self._live = live
        self._changed = threading.Condition()
        live.listen(self._listen)

    def add(self, dev_eui: str, dev_addr: int, keys: SessionKeys, f_cnt_up: int = 0) -> None:
        """Register a device with a session by personalisation."""
        with self._live.turn() as turn:
            turn.core.add_device(dev_eui, _APP_KEY)
            turn.core.personalise(dev_eui, f"{dev_addr:08x}", keys, f_cnt_up=f_cnt_up)

    def counters(self, dev_addr: int) -> list[int]:
        """Frame counters of a device in the order in which they came."""
        with self._changed:
            return [up.f_cnt for up in self.ups if up.dev_addr == dev_addr]

    def counter_complaints(self) -> list[str]:
        """Codes of log events about frame counters: frames that came twice, or too late to count."""
        with self._changed:
            return [code for _, code in self.complaints if code.startswith("UPLINK_F_CNT")]

    def wait(self, true: Callable[[], bool], what: str, patience_s: float = 30.0) -> None:
        """Wait for something here to become true. Raises AssertionError with what there is."""
        deadline = time.monotonic() + patience_s
        with self._changed:
            while not true():
                left_s = deadline - time.monotonic()
                if left_s <= 0:
                    here = f"{len(self.ups)} uplinks, complaints {self.complaints[:5]}, dropped {self.dropped[-5:]}"
                    raise AssertionError(f"not within {patience_s} s: {what}; {here}")
                self._changed.wait(min(left_s, 0.25))

    def _listen(self, output: Output, now_us: int) -> None:
        with self._changed:
            if isinstance(output, LogEvent):
                self.dropped.append(output.text)
            elif isinstance(output, SendDownlink):
                self.downlinks.append(output.frame.gateway_id)
            elif isinstance(output, AppEvent):
                self._event(output, now_us)
            self._changed.notify_all()

    def _event(self, event: AppEvent, now_us: int) -> None:
        message = event.message
        if event.kind == "up":
            receptions = list(message.rx_info)
            self.ups.append(
                Up(
                    event.dev_eui,
                    int(message.dev_addr, 16),
                    message.f_cnt,
                    message.time.ToMicroseconds(),
                    now_us,
                    frozenset(one.gateway_id for one in receptions),
                    dict(receptions[0].metadata),
                )
            )
        elif event.kind == "join":
            self.joins.append(event.dev_eui)
        elif event.kind == "log":
            self.complaints.append((event.dev_eui, integration.LogCode.Name(message.code)))
