"""Findings about a gateway: what is well, what is not, and what to do next. The work behind `spatz-gateway doctor`.

Each check is a function that returns findings; none raises, none changes anything.
"""

from __future__ import annotations

import asyncio
import datetime
import json
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from gateway.clock import Clock
from gateway.errors import LinkLost, LinkRefused
from gateway.findings import Finding, Level
from gateway.papers import papers
from gateway.reserve import RESERVE_BYTES, Reserve
from gateway.settings import ChirpstackMqtt, Concentratord, Settings

_HTTP_PATIENCE_S = 3.0
# An uplink an hour is little even for one quiet node.
_QUIET_S = 3600


def examine(settings: Settings, clock: Clock) -> list[Finding]:
    """All checks, most local first."""
    findings = [*disk(settings), clock_state(clock), *sources(settings)]
    findings += running(settings, _health(settings))
    findings += papers(settings)
    for destination in settings.destination:
        if isinstance(destination, ChirpstackMqtt):
            findings.append(asyncio.run(broker(settings, destination)))
    return findings


def disk(settings: Settings) -> list[Finding]:
    """Whether the spool can be written and may grow to its quota, with the reserve for a full disk."""
    path = settings.resolve(settings.spool.path)
    place = path.parent if path.parent.exists() else path.parent.parent
    try:
        free = shutil.disk_usage(place).free
        used = path.stat().st_size if path.is_file() else 0
        wanted = settings.spool.max_bytes - used + (0 if Reserve(path).held else RESERVE_BYTES)
    except PermissionError:
        return [
            Finding(Level.WARNING, "disk", f"{place} may not be looked at", "Ask as root: sudo spatz-gateway doctor")
        ]
    except OSError as error:
        return [Finding(Level.BAD, "disk", f"{place}: {error.strerror}", "Create the directory of spool.path.")]
    if free < wanted:
        what = f"{free >> 20} MiB free, but the spool may grow by {wanted >> 20} MiB"
        return [Finding(Level.BAD, "disk", what, "Free space or lower spool.max_bytes.")]
    return [Finding(Level.GOOD, "disk", f"{free >> 20} MiB free, spool uses {used >> 20} MiB")]


def sources(settings: Settings) -> list[Finding]:
    """Whether the sockets of Concentratord are there and let us in."""
    findings = []
    for source in settings.source:
        if not isinstance(source, Concentratord):
            continue
        for word, url in (("events", source.event), ("commands", source.command)):
            if url.path:
                findings.append(_local_socket(f"concentratord {word}", Path(url.path)))
    return findings


def _local_socket(subject: str, path: Path) -> Finding:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.settimeout(1.0)
            probe.connect(str(path))
        except PermissionError:
            advice = "Let the service of Concentratord make its sockets for a group that the user spatz is in."
            return Finding(Level.BAD, subject, f"{path} does not let this user in", advice)
        except FileNotFoundError:
            advice = (
                "Does Concentratord run? Compare [concentratord.api] event_bind and command_bind with the settings."
            )
            return Finding(Level.BAD, subject, f"there is no {path}", advice)
        except OSError as error:
            advice = "Start Concentratord; this socket was left behind by one that ended."
            return Finding(Level.BAD, subject, f"{path}: {error.strerror}", advice)
    return Finding(Level.GOOD, subject, f"{path} answers")


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
    if health["spool"].get("disk_full"):
        advice = "Free space: new frames push out the oldest until then."
        findings.append(Finding(Level.BAD, "disk", "full, the spool lives on its reserve", advice))
    silent = health.get("silent", [])
    if silent:
        advice = "Look after the program that drives the concentrator: does it run, is its cable plugged in?"
        findings.append(Finding(Level.BAD, "concentrator", f"no sign of life from {', '.join(silent)}", advice))
    elif health["gateways"]:
        findings.append(Finding(Level.GOOD, "concentrator", ", ".join(health["gateways"])))
    else:
        binds = ", ".join(source.place for source in settings.source)
        advice = f"Does the packet forwarder run, with server_address and serv_port_up/down = {binds}?"
        findings.append(Finding(Level.BAD, "concentrator", "none heard", advice))
    findings.append(_last_uplink(health["last_uplink"]))
    for name, one in health["destinations"].items():
        level = Level.GOOD if one["state"] == "up" else Level.BAD
        advice = "" if level is Level.GOOD else _STATE_ADVICE.get(one["state"], "")
        if level is Level.BAD and one["state"] == "saving":
            level = Level.WARNING
        what = f"{one['state']} for {_span(one['since_s'])}, {one['buffered']} waiting"
        findings.append(Finding(level, f"destination {name}", what, advice))
    return findings + _duty_cycle(health.get("duty_cycle", []))


def _span(seconds: int) -> str:
    return next(
        (
            f"{seconds // size} {unit}"
            for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"))
            if seconds >= 2 * size
        ),
        f"{seconds} s",
    )


def _duty_cycle(accounts: list[dict[str, Any]]) -> list[Finding]:
    full = [one for one in accounts if one["used_ms"] * 10 > one["limit_ms"] * 9]
    advice = "Fewer confirmed uplinks, fewer downlinks; RX2 in 869.4-869.65 MHz may send ten times as much."
    return [
        Finding(
            Level.WARNING, f"duty cycle {one['band']} MHz", f"{one['used_ms']} of {one['limit_ms']} ms used", advice
        )
        for one in full
    ]


_STATE_ADVICE = {
    "down": "Is the network there, and the server? Frames are kept meanwhile.",
    "saving": "The byte budget is nearly used up: only live frames are sent until the day or month is over.",
    "spent": "The byte budget is used up: raise max_bytes_per_day or max_bytes_per_month, or wait. Frames are kept.",
    "holding": "The broker answers, but no network server listens: is ChirpStack up, with this topic_prefix?",
}


def _last_uplink(stamp_ms: int | None) -> Finding:
    if stamp_ms is None:
        return Finding(Level.WARNING, "last uplink", "none since start", "Antenna connected? Frequency plan right?")
    seconds = round(datetime.datetime.now(datetime.UTC).timestamp() - stamp_ms / 1000)
    if seconds > _QUIET_S:
        return Finding(Level.WARNING, "last uplink", f"{seconds} s ago", "Nodes asleep, or antenna lost?")
    return Finding(Level.GOOD, "last uplink", f"{max(0, seconds)} s ago")


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
