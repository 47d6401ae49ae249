"""Between air and network server: what the server makes of each frame, and for whom each downlink is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from bench.server.core import NetworkServer
from bench.server.crypto import SessionKeys
from bench.server.frames import DataFrame, FType, frame_type
from bench.server.outputs import AppEvent, LogEvent, Output, SendDownlink

Noted = Callable[[str], None]
Judged = Callable[[bytes, str], None]


class Witness:
    """The core, with a witness before it: give it to a `DirectLink` in the server's place.

    `judged(frame, reason)` is called for each uplink once the server has decided; the reason is empty for an accepted
    one. `noted` gets what the server says about no uplink in particular.
    """

    def __init__(self, server: NetworkServer, judged: Judged, noted: Noted) -> None:
        self._server = server
        self._judged = judged
        self._noted = noted
        self._waiting: dict[bytes, int] = {}
        """Frames in de-duplication, and when that ends."""
        self._targets: dict[bytes, str] = {}
        self.keys: dict[str, SessionKeys] = {}
        """Of every session there ever was, by DevAddr. Never to be shown."""

    def target(self, downlink: bytes) -> str | None:
        """DevEUI of the device a downlink of this server is for."""
        return self._targets.get(downlink)

    def handle_uplink(self, frame: Any, now_us: int) -> Iterable[Output]:
        """As the core's."""
        outputs = self._read(self._server.handle_uplink(frame, now_us), now_us)
        due_us = now_us + self._server.settings.deduplication_delay_us
        self._waiting.setdefault(bytes(frame.phy_payload), due_us)
        return outputs

    def handle_tx_ack(self, ack: Any, now_us: int) -> Iterable[Output]:
        """As the core's."""
        return self._read(self._server.handle_tx_ack(ack, now_us), now_us)

    def poll(self, now_us: int) -> Iterable[Output]:
        """As the core's."""
        return self._read(self._server.poll(now_us), now_us)

    def next_us(self) -> int | None:
        """As the core's."""
        return self._server.next_us()

    def _read(self, outputs: list[Output], now_us: int) -> list[Output]:
        for session in (device.session for device in self._server.storage.devices.values()):
            if session is not None:
                self.keys[session.dev_addr] = session.keys
        self._read_targets(outputs)
        decided = [frame for frame, due_us in self._waiting.items() if due_us <= now_us]
        for frame in decided:
            del self._waiting[frame]
        told = [text for text in map(_told, outputs) if text]
        if not decided:
            for text in told:
                self._noted(text)
            return outputs
        accepted = any(isinstance(output, AppEvent) and output.kind in ("up", "join") for output in outputs)
        for frame in decided:
            self._judged(frame, "" if accepted else told[0] if told else "the server says nothing of it")
        for text in told if accepted else []:
            self._noted(text)
        return outputs

    def _read_targets(self, outputs: list[Output]) -> None:
        answered: SendDownlink | None = None
        for output in outputs:
            if isinstance(output, SendDownlink):
                answered = output
                for item in output.frame.items:
                    self._read_target(bytes(item.phy_payload))
            elif isinstance(output, AppEvent) and output.kind == "join" and answered is not None:
                # The flow of a join sends the Join-Accept, then tells the application.
                for item in answered.frame.items:
                    self._targets[bytes(item.phy_payload)] = output.dev_eui

    def _read_target(self, frame: bytes) -> None:
        if frame_type(frame) is FType.JOIN_ACCEPT:
            return
        for device in self._server.storage.active_devices(DataFrame.parse(frame).dev_addr):
            self._targets[frame] = device.dev_eui


def _told(output: Output) -> str:
    if isinstance(output, LogEvent):
        details = ", ".join(f"{name} {value}" for name, value in output.fields.items())
        return f"{output.text} ({details})" if details else output.text
    if isinstance(output, AppEvent) and output.kind == "log":
        return str(output.message.description)
    return ""
