"""`spatz-bench air`: replay a scenario and print every frame."""

from __future__ import annotations

import json
from pathlib import Path

import rich_click as click

EXIT_SETTINGS = 2


@click.command()
@click.option(
    "--scenario",
    "file",
    required=True,
    type=click.Path(dir_okay=False, path_type=Path),
    help="TOML file; examples are in docs/examples/air.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def air(*, file: Path, as_json: bool) -> None:
    """Replay nodes, gateways and losses in virtual time: who sent what, and why it was not heard or not accepted.

    The nodes run the real LoRaWAN stack and radio driver. The same file gives the same lines, always. Each line has the
    time, the frequency and channel, the spreading factor, the direction (> up, < down), the node, the frame's header,
    and after the bar "ok" or the reason why not.
    """
    from bench.air.scenario import ScenarioRun
    from bench.air.scenario_file import ScenarioError, load

    try:
        scenario = load(file)
    except ScenarioError as error:
        click.echo(str(error), err=True)
        raise SystemExit(EXIT_SETTINGS) from None
    names = [node.name for node in scenario.node] + [gateway.name for gateway in scenario.gateway]
    width = max(len(name) for name in ("server", *names))
    for line in ScenarioRun(scenario).run():
        click.echo(json.dumps(line.as_dict()) if as_json else line.text(width))
