"""What the core hands out: values only; shells carry them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chirpstack_api import gw


@dataclass(frozen=True, slots=True)
class SendDownlink:
    """A frame for the gateway named in it (topic `gateway/<id>/command/down`)."""

    frame: gw.DownlinkFrame


@dataclass(frozen=True, slots=True)
class AppEvent:
    """An event for the application (topic `application/<id>/device/<eui>/event/<kind>`)."""

    kind: str
    """up, join, ack, txack, status, log."""
    application_id: str
    dev_eui: str
    message: Any
    """A message of `chirpstack_api.integration`, its kind fitting `kind`."""


@dataclass(frozen=True, slots=True)
class LogEvent:
    """Something for the server's own log: ChirpStack would write it to its log file and tell no application."""

    level: str
    """info, warning, error."""
    text: str
    fields: dict[str, str | int] = field(default_factory=dict)


Output = SendDownlink | AppEvent | LogEvent
