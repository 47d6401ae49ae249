"""`spatz-bench demo`."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import rich_click as click

EXIT_BROKEN = 1
EXIT_ENVIRONMENT = 3


@click.command()
@click.option("--nodes", type=click.IntRange(1, 30), default=3, show_default=True, help="Virtual boards.")
@click.option("--minutes", type=click.FloatRange(0.8, 120), default=2.0, show_default=True, help="Running time.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an event; the last is the summary.")
@click.option("--plain", is_flag=True, help="One sentence a line, nothing moves.")
@click.option("--seed", type=int, default=1, show_default=True, help="Seed of world, air and boards.")
@click.option(
    "--keep",
    type=click.Path(file_okay=False, path_type=Path),
    help="Directory for logs, flash images and journal; kept. Otherwise a temporary one.",
)
def demo(*, nodes: int, minutes: float, as_json: bool, plain: bool, seed: int, keep: Path | None) -> None:
    """A city block on this machine: blank boards become nodes, join, report, obey, and survive an outage.

    Exit code 0 only if every promise was kept.
    """
    from bench.boards.errors import InterpreterMissing
    from bench.broker import BrokerError
    from bench.demo.city import City, plans
    from bench.demo.processes import StartFailed
    from bench.demo.screen import JsonScreen, LiveScreen, PlainScreen, Screen
    from bench.demo.script import Demo

    screen: Screen
    if as_json:
        screen = JsonScreen()
    elif plain or not sys.stdout.isatty():
        screen = PlainScreen()
    else:
        screen = LiveScreen()
    with tempfile.TemporaryDirectory(prefix="spatz-demo-") as scratch:
        root = keep or Path(scratch)
        root.mkdir(parents=True, exist_ok=True)
        try:
            with screen, City(root, plans(nodes), seed) as city:
                kept = Demo(city, screen, minutes).run()
        except (InterpreterMissing, BrokerError, StartFailed) as error:
            click.echo(f"spatz-bench demo: {error}", err=True)
            sys.exit(EXIT_ENVIRONMENT)
    sys.exit(0 if kept else EXIT_BROKEN)
