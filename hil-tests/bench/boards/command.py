"""`spatz-bench board`: one virtual unit that stays until Ctrl-C, for tools typed by hand."""

from __future__ import annotations

import json
import signal
import tempfile
import threading
from pathlib import Path

import rich_click as click

from bench.boards.bench import Bench
from bench.boards.errors import BoardError

EXIT_ENVIRONMENT = 3


@click.command()
@click.argument("name", metavar="BOARD", default="virtual")
@click.option("--speed", default=1.0, show_default=True, help="Virtual seconds for each second of the wall clock.")
@click.option("--blank", is_flag=True, help="Nothing in the flash yet: flash an image first.")
@click.option(
    "--dir",
    "directory",
    type=click.Path(path_type=Path),
    help="Keep the unit's flash here; it is a throw-away unit else.",
)
@click.option("--seed", default=0, show_default=True, help="Identity and randomness of the unit.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object when ready.")
def board(*, name: str, speed: float, blank: bool, directory: Path | None, seed: int, as_json: bool) -> None:
    """Start a virtual BOARD (virtual, rak11200, rak11310, ...) and print its port.

    mpremote, esptool and terminals take it for a real one. It stays until Ctrl-C.
    """
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with tempfile.TemporaryDirectory(prefix="spatz-board-") as throw_away:
        try:
            _serve(
                name=name,
                speed=speed,
                blank=blank,
                directory=directory or Path(throw_away),
                seed=seed,
                as_json=as_json,
                stop=stop,
            )
        except BoardError as error:
            click.echo(str(error), err=True)
            raise SystemExit(EXIT_ENVIRONMENT) from error
        except ModuleNotFoundError as error:
            raise click.BadParameter(f"no board named {name!r} in firmware/boards", param_hint="BOARD") from error


def _serve(
    *, name: str, speed: float, blank: bool, directory: Path, seed: int, as_json: bool, stop: threading.Event
) -> None:
    with Bench(directory, seed=seed, speed=speed) as bench:
        unit = bench.add_board(name, board=name, blank=blank)
        unit.power_on()
        with bench.live():
            bench.run_for(0.5)  # until a drive of a blank unit, or the prompt, is there
            drive = unit.drive
            if as_json:
                ready = {"event": "ready", "board": name, "port": unit.port, "drive": str(drive) if drive else None}
                click.echo(json.dumps(ready))
            else:
                click.echo(f"Virtual {name} at {unit.port}")
                click.echo(f"  mpremote connect {unit.port}")
                if drive:
                    click.echo(f"  copy a UF2 file to {drive}")
                elif name != "rak11310":
                    click.echo(f"  esptool --port {unit.port} chip-id")
                click.echo("Ctrl-C ends it.")
            stop.wait()
