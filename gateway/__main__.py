"""The command `spatz-gateway`. Exit codes: 0 done, 2 usage or settings, 3 environment."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

import rich_click as click

from gateway import logs
from gateway.errors import SettingsError, SpoolError
from gateway.settings import Settings, load

_EXIT_SETTINGS = 2
_EXIT_ENVIRONMENT = 3

_config = click.option(
    "--config",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="The settings file (TOML).",
)


@click.group()
def main() -> None:
    """Store-and-forward LoRaWAN gateway: what the concentrator was told is safe is never lost."""


@main.command()
@_config
def check(config: Path) -> None:
    """Say what is wrong with a settings file, and where."""
    settings = _load(config)
    sources = ", ".join(f"{source.bind}" for source in settings.source)
    destinations = ", ".join(f"{one.name} ({one.server})" for one in settings.destination)
    click.echo(f"{config}: good. Sources: {sources}. Destinations: {destinations}.")


@main.command()
@_config
def run(config: Path) -> None:
    """Run the gateway until it is told to stop (SIGTERM, SIGINT)."""
    settings = _load(config)
    logs.configure(settings.gateway.log_level, _secrets(settings))
    sys.exit(asyncio.run(_run(settings)))


def _load(config: Path) -> Settings:
    try:
        return load(config)
    except SettingsError as error:
        for problem in error.problems:
            click.echo(f"{config}: {problem}", err=True)
        sys.exit(_EXIT_SETTINGS)


def _secrets(settings: Settings) -> tuple[str, ...]:
    """Texts that must not appear in logs, whatever a library puts there."""
    names = [getattr(one, "password_file", "") for one in settings.destination]
    return tuple(settings.resolve(name).read_text(encoding="utf-8").strip() for name in names if name)


async def _run(settings: Settings) -> int:
    # Late, so that `check` needs neither broker client nor web server.
    from gateway.daemon import Daemon

    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    try:
        await Daemon(settings).run(stop)
    except (SpoolError, OSError) as error:
        click.echo(f"spatz-gateway: {error}", err=True)
        return _EXIT_ENVIRONMENT
    return 0


if __name__ == "__main__":
    main()
