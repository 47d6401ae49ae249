"""`spatz-gateway run` on a machine whose clocks are told by a file: everything else is the real program.

python -m bench.chaos.machine --config FILE --clock FILE
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import rich_click as click

from bench.chaos.clock import Face
from gateway import logs
from gateway.__main__ import serve
from gateway.settings import load

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.option("--config", required=True, type=_FILE, help="Settings of the gateway.")
@click.option("--clock", required=True, type=_FILE, help="Written by bench.chaos.clock.Hands.")
def main(config: Path, clock: Path) -> None:
    """Run the gateway until it is told to stop."""
    settings = load(config)
    logs.configure(settings.gateway.log_level)
    sys.exit(asyncio.run(serve(settings, config, Face(clock))))


if __name__ == "__main__":
    main()
