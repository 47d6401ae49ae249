"""Findings about a gateway: what is well, what is not, and what to do next. The work behind `spatz-gateway doctor`.

Each check is a function that returns findings; none raises, none changes anything.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import shutil
import urllib.error
import urllib.request
from collections.abc import Callable
from enum import Enum
from pathlib import Path
from typing import Any, NamedTuple

from gateway.clock import Clock
from gateway.errors import LinkLost, LinkRefused
from gateway.settings import ChirpstackMqtt, Settings

_HTTP_PATIENCE_S = 3.0
_WARN_DAYS = 30
# An uplink an hour is little even for one quiet node.
_QUIET_S = 3600


class Level(Enum):
    """How bad a finding is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Finding(NamedTuple):
    """One thing looked at. `advice` is the next step, empty if all is well."""

    level: Level
    subject: str
    what: str
    advice: str = ""


def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """All checks, most local first."""
    findings = [*disk(settings), clock_state(clock)]
    health = _health(settings)
    findings += running(settings, health)
    for destination in settings.destination:
        if isinstance(destination, ChirpstackMqtt):
            findings += certificate(settings, destination)
            findings.append(asyncio.run(broker(settings, destination)))
    return findings


def disk(settings: Settings) -> list[Finding]:
    """Whether the spool can be written and may grow to its quota."""
    path = settings.resolve(settings.spool.path)
    place = path.parent if path.parent.exists() else path.parent.parent
    try:
        free = shutil.disk_usage(place).free
    except OSError as error:
        return [Finding(Level.BAD, "disk", f"{place}: {error.strerror}", "Create the directory of spool.path.")]
    used = path.stat().st_size if path.is_file() else 0
    wanted = settings.spool.max_bytes - used
    if free < wanted:
        what = f"{free >> 20} MiB free, but the spool may grow by {wanted >> 20} MiB"
        return [Finding(Level.BAD, "disk", what, "Free space or lower spool.max_bytes.")]
    return [Finding(Level.GOOD, "disk", f"{free >> 20} MiB free, spool uses {used >> 20} MiB")]


def clock_state(clock: Clock) -> Finding:
    """Whether late frames can be dated."""
    if clock.verified():
        return Finding(Level.GOOD, "clock", "synchronised")
    advice = "Install chrony or enable systemd-timesyncd. Late frames carry no time until then."
    return Finding(Level.WARNING, "clock", "not synchronised", advice)


def _health(settings: Settings) -> dict[str, Any] | None:
    if settings.status is None or settings.status.bind.port == 0:
        return None
    try:
        with urllib.request.urlopen(f"http://{settings.status.bind}/health", timeout=_HTTP_PATIENCE_S) as answer:
            health: dict[str, Any] = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError):
        return {}
    return health


def running(settings: Settings, health: dict[str, Any] | None) -> list[Finding]:
    """What a running gateway says of itself; `health` is None without a [status] section, {} without an answer."""
    if health is None:
        advice = 'Add [status] with bind = "127.0.0.1:8800" to see concentrators and last uplinks here.'
        return [Finding(Level.WARNING, "gateway", "cannot be asked", advice)]
    if not health:
        advice = "Start it: systemctl start spatz-gateway. Its log: journalctl -u spatz-gateway"
        return [Finding(Level.BAD, "gateway", "does not answer", advice)]
    findings = [Finding(Level.GOOD, "gateway", f"running, {health['buffered']} frames buffered")]
    if health["gateways"]:
        findings.append(Finding(Level.GOOD, "concentrator", ", ".join(health["gateways"])))
    else:
        binds = ", ".join(source.place for source in settings.source)
        advice = f"Does the packet forwarder run, with server_address and serv_port_up/down = {binds}?"
        findings.append(Finding(Level.BAD, "concentrator", "none heard", advice))
    findings.append(_last_uplink(health["last_uplink"]))
    for name, one in health["destinations"].items():
        level = Level.GOOD if one["state"] == "up" else Level.BAD
        advice = "" if level is Level.GOOD else _STATE_ADVICE[one["state"]]
        findings.append(Finding(level, f"destination {name}", f"{one['state']}, {one['buffered']} waiting", advice))
    return findings


_STATE_ADVICE = {
    "down": "Is the network there, and the server? Frames are kept meanwhile.",
    "holding": "The broker answers, but no network server listens: is ChirpStack up, with this topic_prefix?",
}


def _last_uplink(stamp_ms: int | None) -> Finding:
    if stamp_ms is None:
        return Finding(Level.WARNING, "last uplink", "none since start", "Antenna connected? Frequency plan right?")
    seconds = round(datetime.datetime.now(datetime.UTC).timestamp() - stamp_ms / 1000)
    if seconds > _QUIET_S:
        return Finding(Level.WARNING, "last uplink", f"{seconds} s ago", "Nodes asleep, or antenna lost?")
    return Finding(Level.GOOD, "last uplink", f"{max(0, seconds)} s ago")


def certificate(settings: Settings, destination: ChirpstackMqtt) -> list[Finding]:
    """How long the client certificate is good: ChirpStack gives twelve months and renews nothing by itself."""
    if not destination.cert:
        return []
    subject = f"certificate {destination.name}"
    days = days_left(settings.resolve(destination.cert))
    if days is None:
        return [Finding(Level.WARNING, subject, "cannot be read", "Is it PEM? Is cryptography installed?")]
    if days < 0:
        return [Finding(Level.BAD, subject, f"expired {-days} days ago", "Create a new one in ChirpStack, restart.")]
    if days < _WARN_DAYS:
        return [Finding(Level.WARNING, subject, f"{days} days left", "Create a new one in ChirpStack in time.")]
    return [Finding(Level.GOOD, subject, f"{days} days left")]


def days_left(path: Path) -> int | None:
    """Days until a PEM certificate expires; None if it cannot be read."""
    try:
        from cryptography import x509

        end = x509.load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc
    except (ImportError, OSError, ValueError):
        return None
    return (end - datetime.datetime.now(datetime.UTC)).days


async def broker(settings: Settings, destination: ChirpstackMqtt, connect: Callable[..., Any] | None = None) -> Finding:
    """Whether the broker lets us in, under another name than the running gateway uses."""
    from gateway.forwarders import mqtt
    from gateway.forwarders.access import broker_for

    subject = f"broker {destination.name}"
    try:
        parameters = broker_for(settings.resolve, destination)("spatz-doctor")
        connection = await mqtt.Connection.open(parameters, mqtt.Will("spatz/doctor", b""), lambda *_: None)
    except LinkRefused as error:
        return Finding(Level.BAD, subject, f"refused: {error}", "Check username, password_file, cert, access list.")
    except (LinkLost, OSError) as error:
        advice = "Check the address, the network, the firewall, and with mqtts:// ca, cert and key."
        return Finding(Level.BAD, subject, f"cannot be reached: {error}", advice)
    connection.close()
    return Finding(Level.GOOD, subject, f"{destination.server} answers")
