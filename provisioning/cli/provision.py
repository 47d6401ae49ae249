"""`spatz provision` and its single steps."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import rich_click as click

from provisioning.chain import run_all, run_one
from provisioning.cli.options import (
    EXISTING,
    JOURNAL_FILE,
    Session,
    new_session,
    output_options,
    server_options,
    state_options,
)
from provisioning.cli.output import Output
from provisioning.journal import Journal
from provisioning.locks import one_at_a_time
from provisioning.settings import DEFAULT_JOIN_EUI, NodeSettings, join_eui, load
from provisioning.work import Options, Work

_WORK_OPTIONS = ("port", "baud", "join_timeout", "boot_drive")


def work_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """NODE.toml and everything a step may need; a step asks only for what it uses."""
    for option in reversed(
        (
            click.argument("node_toml", metavar="NODE.toml", type=EXISTING),
            click.option("--port", "-p", help="Serial port of the board."),
            click.option("--baud", type=int, default=460_800, show_default=True, help="Speed of flashing."),
            click.option(
                "--join-timeout", type=float, default=120.0, show_default=True, help="Seconds to wait for the join."
            ),
            click.option(
                "--boot-drive",
                type=click.Path(file_okay=False, path_type=Path),
                help="Mounted boot drive of a UF2 board, where it is not found by itself.",
            ),
        )
    ):
        function = option(function)
    return output_options(state_options(server_options(function)))


@click.command()
@work_options
@click.option("--again", is_flag=True, help="Carry out every step, also those that are done.")
@click.pass_obj
def provision(output: Output, /, node_toml: Path, again: bool, **options: Any) -> None:
    """Take one board from bare to joined: identify, keys, flash, deploy, key, register, join.

    May be stopped or killed at any point: called again, it goes on where it was.
    """
    _at_work(output, node_toml, options, lambda work, session: run_all(work, session.output.report, again=again))


def _single(name: str, text: str) -> click.Command:
    @click.command(name, help=text)
    @work_options
    @click.pass_obj
    def command(output: Output, /, node_toml: Path, **options: Any) -> None:
        _at_work(output, node_toml, options, lambda work, session: run_one(work, name, session.output.report))

    return command


identify = _single("identify", "Find out which board is on the port, and bind the node to it.")
keys = _single("keys", "Give the node its DevEUI and an AppKey of its own; both stay when they are there already.")
flash = _single("flash", "Write the MicroPython image that NODE.toml names; what is on the board already is skipped.")
deploy = _single("deploy", "Compile the node's software and write what differs, checked by hash.")
key = _single("key", "Write identity and AppKey to the node; what is read back is a hash.")
register = _single("register", "Create application, device profile with codec, device and keys on the network server.")
label = _single("label", "Draw the label (SVG, 62 x 29 mm, and its QR code as PNG) into the state directory.")
join = _single("join", "Let the node run and wait until the network server has taken it in.")


def _at_work(output: Output, node_toml: Path, options: dict[str, Any], act: Callable[[Work, Session], None]) -> None:
    own = {name: options.pop(name) for name in _WORK_OPTIONS}
    session = new_session(output, **options)
    settings = load(node_toml)
    state_dir = session.prepare_state_dir()
    with one_at_a_time(state_dir / "locks", f"node-{settings.name}"), Journal(state_dir / JOURNAL_FILE) as journal:
        work = Work(
            settings=settings,
            settings_file=node_toml,
            options=Options(
                state_dir=state_dir,
                port=own["port"],
                server=session.server,
                baud=own["baud"],
                join_deadline_s=own["join_timeout"],
                boot_drive=own["boot_drive"],
            ),
            journal=journal,
            redactor=session.redactor,
            open_vault=session.open_vault,
            open_server=session.open_server,
            progress=lambda _: None,
            device=journal.enrol(settings.name, settings.board, settings.profile),
        )
        work.facts  # noqa: B018  (an unknown board is refused before anything is touched)
        try:
            act(work, session)
        finally:
            work.close()
        _summary(work, session, settings)


def _summary(work: Work, session: Session, settings: NodeSettings) -> None:
    device, output = work.device, session.output
    output.event({"event": "node", "node": device.name, "unit": device.unit, "dev_eui": device.dev_eui})
    if work.done("join") and device.dev_eui:
        output.line(output.say("say-ready", node=device.name, dev_eui=device.dev_eui))
    keys_record = work.done("keys")
    if keys_record and keys_record.result.get("local_eui"):
        output.note(output.say("say-local-eui"))
    if join_eui(settings) == DEFAULT_JOIN_EUI:
        output.note(output.say("say-no-join-eui"))
