"""`spatz-bench server`: the network server as a process."""

from __future__ import annotations

import contextlib
import ipaddress
import json
import logging
import os
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import rich_click as click

from bench.server.eventlog import EventFile
from bench.server.mqtt import MqttSettings
from bench.server.regions import REGIONS
from bench.server.service import Service
from bench.server.settings import Settings

EXIT_ENVIRONMENT = 3


@click.command()
@click.option("--mqtt", "mqtt_url", required=True, metavar="URL", help="Broker, mqtt://HOST:PORT.")
@click.option("--grpc", "grpc_bind", default="127.0.0.1:0", show_default=True, help="Loopback address of the API.")
@click.option(
    "--token-file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the API key is written, readable by you alone.",
)
@click.option(
    "--key",
    "key_kind",
    type=click.Choice(["admin", "tenant"]),
    default="admin",
    show_default=True,
    help="Kind of API key in the token file.",
)
@click.option("--region", type=click.Choice(list(REGIONS)), default="EU868", show_default=True, help="Channel plan.")
@click.option("--prefix", help="Topic prefix, if it is not the region's own (eu868, us915_1, ...).")
@click.option("--qos", type=click.IntRange(0, 2), default=0, show_default=True, help="Quality of service.")
@click.option("--client-id", default="", help="Fixed MQTT client id; without one no session survives.")
@click.option("--session-expiry", type=int, default=0, show_default=True, help="Seconds the broker keeps our session.")
@click.option(
    "--known-gateways-only", is_flag=True, help="Drop frames of gateways nobody registered, as ChirpStack does."
)
@click.option("--default-channels-only", is_flag=True, help="Ask devices for no channels beyond those of the plan.")
@click.option("--seed", type=int, default=0, show_default=True, help="For identifiers and addresses.")
@click.option(
    "--events-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write every application event there as it happens, one JSON object a line.",
)
def server(
    *,
    mqtt_url: str,
    grpc_bind: str,
    token_file: Path,
    key_kind: str,
    region: str,
    prefix: str | None,
    qos: int,
    client_id: str,
    session_expiry: int,
    known_gateways_only: bool,
    default_channels_only: bool,
    seed: int,
    events_file: Path | None,
) -> None:
    """Run the stand-in for ChirpStack v4 until Ctrl-C.

    When gateways are heard and the API answers, one line of JSON says so on standard output:
    {"event": "ready", "grpc": "127.0.0.1:PORT", "tenant_id": "..."}.
    """
    if urlsplit(mqtt_url).scheme != "mqtt":
        raise click.UsageError("--mqtt wants mqtt://HOST:PORT; encrypted connections are not known here")
    _require_loopback(grpc_bind)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(levelname)s %(name)s %(message)s")
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    settings = Settings.of(region, allow_unknown_gateways=not known_gateways_only)
    prefix = settings.region.config_id if prefix is None else prefix
    mqtt = MqttSettings(mqtt_url, prefix, qos, client_id, session_expiry)
    if default_channels_only:
        settings = replace(settings, extra_channels_hz=())
    try:
        service = Service(mqtt, settings=settings, seed=seed, grpc_bind=grpc_bind)
    except RuntimeError as error:
        click.echo(
            f"The API cannot listen on {grpc_bind}: {error}. Choose another port, or 0 for a free one.", err=True
        )
        sys.exit(EXIT_ENVIRONMENT)
    with contextlib.ExitStack() as stack:
        if events_file is not None:
            service.live.listen(EventFile(stack.enter_context(events_file.open("w", encoding="utf-8"))).listen)
        stack.enter_context(service)
        _write_secret(token_file, service.admin_token if key_kind == "admin" else service.tenant_token)
        while not stop.is_set() and not service.wait_ready(0.2):
            pass
        if not stop.is_set():
            ready = {"event": "ready", "grpc": service.grpc_address, "tenant_id": service.tenant_id}
            click.echo(json.dumps(ready))
            sys.stdout.flush()
        stop.wait()


def _require_loopback(bind: str) -> None:
    host, _, port = bind.rpartition(":")
    try:
        loopback = ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        loopback = host == "localhost"
    if not loopback or not port.isdigit():
        raise click.UsageError("--grpc wants a loopback address with port, like 127.0.0.1:0: keys travel in clear")


def _write_secret(path: Path, text: str) -> None:
    """A file only its owner can read, from its first moment on."""
    path.unlink(missing_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w") as file:
        file.write(text + "\n")
