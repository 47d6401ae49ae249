"""The command `spatz-gateway`. Exit codes: 0 done, 1 doctor found something bad, 2 usage or settings, 3 environment."""

from __future__ import annotations

import asyncio
import gc
import json
import signal
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import rich_click as click

from gateway import logs
from gateway.clock import Clock
from gateway.errors import SettingsError, SpoolError
from gateway.settings import Settings, load

if TYPE_CHECKING:
    from gateway.merge.settings import MergeSettings

T = TypeVar("T")

_EXIT_FINDINGS = 1
_EXIT_SETTINGS = 2
_EXIT_ENVIRONMENT = 3
_HTTP_PATIENCE_S = 5.0
# How long a thread that wants to work waits for one that works. SQLite lets go of the interpreter several times a row,
# and with Python's 5 ms for each a commit of five frames took 50 ms whenever the event loop was busy.
_THREAD_TURN_S = 0.000_5

_config = click.option(
    "--config",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The settings file (TOML).",
)
_json = click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")


@click.group()
def main() -> None:
    """Store-and-forward LoRaWAN gateway: what the concentrator was told is safe is never lost."""


@main.command()
@_config
def check(config: Path) -> None:
    """Say what is wrong with a settings file, and where."""
    settings = _load(config)
    sources = ", ".join(f"{source.place}" for source in settings.source)
    destinations = ", ".join(f"{one.name} ({one.server})" for one in settings.destination)
    click.echo(f"{config}: good. Sources: {sources}. Destinations: {destinations}.")


@main.command()
@_config
def run(config: Path) -> None:
    """Run the gateway until it is told to stop (SIGTERM, SIGINT). SIGHUP reads the destinations anew."""
    settings = _load(config)
    logs.configure(settings.gateway.log_level, _secrets(settings))
    sys.exit(asyncio.run(serve(settings, config)))


@main.command()
@_config
@_json
def status(config: Path, as_json: bool) -> None:
    """Ask the running gateway how it is."""
    face = _load(config).status
    if face is None:
        _fail(f'{config}: no [status]; add it with bind = "127.0.0.1:8800" and restart the gateway')
    try:
        with urllib.request.urlopen(f"http://{face.bind}/health", timeout=_HTTP_PATIENCE_S) as answer:
            health = json.load(answer)
    except (urllib.error.URLError, OSError, ValueError) as error:
        _fail(f"no answer from {face.bind} ({error}); is the gateway running? Try: spatz-gateway doctor")
    if as_json:
        click.echo(json.dumps(health))
        return
    click.echo(f"{health['status']}: {health['received']} heard, {health['buffered']} buffered")
    click.echo(f"concentrators: {', '.join(health['gateways']) or 'none heard'}")
    for name, one in health["destinations"].items():
        click.echo(f"{name}: {one['state']}, {one['delivered']} delivered, {one['buffered']} waiting")


@main.command()
@_config
@_json
def doctor(config: Path, as_json: bool) -> None:
    """Look for what is wrong around a gateway, with the next step for each finding."""
    from gateway.clock import SystemClock
    from gateway.doctor import examine
    from gateway.findings import Level

    settings = _load(config)
    words = {Level.GOOD: "✓ good", Level.WARNING: "! look", Level.BAD: "✗ bad "}
    findings = examine(settings, SystemClock(settings.gateway.clock))
    for finding in findings:
        if as_json:
            click.echo(json.dumps({**finding._asdict(), "level": finding.level.value}, ensure_ascii=False))
            continue
        click.echo(f"{words[finding.level]}  {finding.subject}: {finding.what}")
        if finding.advice:
            click.echo(f"        {finding.advice}")
    sys.exit(_EXIT_FINDINGS if any(finding.level is Level.BAD for finding in findings) else 0)


@main.command()
@_config
@click.option("--check", "only_check", is_flag=True, help="Only say what is wrong with the settings file, and where.")
def merge(config: Path, only_check: bool) -> None:
    """Run a merge gate beside the broker: late frames of all gateways, merged and in order, once to the server."""
    from gateway.merge import settings as merge_settings

    settings = _judged(config, lambda: merge_settings.load(config))
    broker = settings.broker
    if only_check:
        click.echo(f"{config}: good. Broker: {broker.server}. Partitions: {settings.merge.partitions}.")
        return
    password_file = settings.resolve(broker.password_file)
    secrets = (password_file.read_text(encoding="utf-8").strip(),) if broker.password_file else ()
    logs.configure(settings.merge.log_level, secrets)
    sys.exit(asyncio.run(_merge(settings)))


@main.group()
def spool() -> None:
    """Look into the buffer, and tidy it up."""


@spool.command()
@_config
@_json
def show(config: Path, as_json: bool) -> None:
    """What is in the buffer."""
    from gateway import spool_tool

    found = _environment(lambda: spool_tool.summary(_spool_path(config)))
    if as_json:
        click.echo(json.dumps(found))
        return
    click.echo(f"{found['frames']} frames of {found['devices']} devices in {found['bytes']} bytes")
    if found["frames"]:
        click.echo(f"received from {_when(found['oldest_us'])} to {_when(found['newest_us'])} by the machine's clock")
    for name, number in found["waiting"].items():
        click.echo(f"{name}: {number} waiting")


@spool.command()
@_config
def export(config: Path) -> None:
    """Every stored frame, one JSON object a line, oldest first."""
    from gateway import spool_tool

    def write() -> None:
        for frame in spool_tool.export(_spool_path(config)):
            click.echo(json.dumps(frame))

    _environment(write)


@spool.command()
@_config
@click.option("--destination", help="Only what waits for this destination; without it, everything.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def prune(config: Path, destination: str | None, yes: bool) -> None:
    """Throw frames away. The gateway must be stopped."""
    from gateway import spool_tool
    from gateway.clock import SystemClock

    path = _spool_path(config)
    what = f"what waits for {destination}" if destination else "everything"
    if not yes:
        click.confirm(f"Throw away {what} in {path}?", abort=True)
    removed = _environment(lambda: spool_tool.prune(path, SystemClock().boot_id, destination))
    click.echo(f"{removed} entries removed")


def _load(config: Path) -> Settings:
    return _judged(config, lambda: load(config))


def _judged(config: Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except SettingsError as error:
        for problem in error.problems:
            click.echo(f"{config}: {problem}", err=True)
        sys.exit(_EXIT_SETTINGS)


def _spool_path(config: Path) -> Path:
    settings = _load(config)
    return settings.resolve(settings.spool.path)


def _fail(message: str) -> NoReturn:
    click.echo(f"spatz-gateway: {message}", err=True)
    sys.exit(_EXIT_ENVIRONMENT)


def _environment(work: Any) -> Any:
    try:
        return work()
    except (SpoolError, OSError) as error:
        _fail(str(error))


def _when(wall_us: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S UTC", time.gmtime(wall_us / 1e6))


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Texts that must not appear in logs, whatever a library puts there."""
    names = [getattr(one, "password_file", "") for one in settings.destination]
    names += [getattr(one, "token_file", "") for one in settings.source]
    return tuple(settings.resolve(name).read_text(encoding="utf-8").strip() for name in names if name)


async def serve(settings: Settings, config: Path, clock: Clock | None = None) -> int:
    """What `run` does inside the event loop; the exit code. `clock`: the machine's, unless a test has its own."""
    # Late, so that `check` needs neither broker client nor web server.
    from gateway.daemon import Daemon, Reload

    stop, reload = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    loop.add_signal_handler(signal.SIGHUP, reload.set)
    sys.setswitchinterval(_THREAD_TURN_S)
    daemon = Daemon(settings, clock)
    daemon.on_ready = _keep_what_is_loaded
    try:
        await daemon.run(stop, Reload(reload, lambda: load(config)))
    except (SpoolError, OSError) as error:
        click.echo(f"spatz-gateway: {error}", err=True)
        return _EXIT_ENVIRONMENT
    return 0


def _keep_what_is_loaded() -> None:
    """Modules stay until the end: every look for garbage among them held up all acknowledgements for 30 ms of work."""
    gc.collect()
    gc.freeze()


async def _merge(settings: MergeSettings) -> int:
    from gateway.merge.service import Service

    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        await Service(settings).run(stop)
    except (SpoolError, OSError) as error:
        click.echo(f"spatz-gateway: {error}", err=True)
        return _EXIT_ENVIRONMENT
    return 0


if __name__ == "__main__":
    main()
