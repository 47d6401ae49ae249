"""`spatz devices`, `spatz journal` and `spatz where`: look, change nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rich_click as click

from provisioning.bundle import origin
from provisioning.cli.options import EXISTING, JOURNAL_FILE, Session, new_session, output_options, state_options
from provisioning.cli.output import Output
from provisioning.errors import SettingsError, StateError
from provisioning.journal import Device, Journal
from provisioning.settings import load
from provisioning.steps import NAMES


@click.command()
@state_options
@output_options
@click.pass_obj
def devices(output: Output, /, **options: Any) -> None:
    """List the devices, and how far each has come."""
    session = new_session(output, **options)
    with _journal(session) as journal:
        rows = [["name", "board", "profile", "unit", "DevEUI", "steps"]]
        for device in journal.devices():
            states = {record.name: record.state for record in journal.steps(device)}
            session.output.event({"event": "device", **_plain(device), "steps": states})
            marks = " ".join(f"{name}:{states[name]}" for name in NAMES if name in states)
            rows.append([device.name, device.board, device.profile, device.unit or "-", device.dev_eui or "-", marks])
        session.output.table(rows)


@click.command()
@click.argument("name", required=False)
@state_options
@output_options
@click.pass_obj
def journal(output: Output, /, name: str | None, **options: Any) -> None:
    """Show what was done, oldest first: to the device NAME, or to all."""
    session = new_session(output, **options)
    with _journal(session) as book:
        device = book.device(name) if name else None
        if name and device is None:
            raise SettingsError("node-unknown", name=name)
        for event in book.events(device):
            session.output.event(
                {
                    "event": "journal",
                    "at": event.at,
                    "node": event.device,
                    "step": event.step,
                    "what": event.what,
                    "detail": event.detail,
                }
            )
            detail = " ".join(f"{key}={value}" for key, value in event.detail.items())
            session.output.line(f"{event.at}  {event.device}  {event.step}  {event.what}  {detail}".rstrip())


@click.command()
@click.argument("settings_file", metavar="NODE.toml", type=EXISTING)
@click.argument("module")
@click.argument("line", type=click.IntRange(min=1))
@output_options
@click.pass_obj
def where(output: Output, /, settings_file: Path, module: str, line: int, **options: Any) -> None:
    """Find the source of LINE of MODULE in a traceback: on a node modules that are loaded together are one."""
    new_session(output, **options)
    found, at = origin(load(settings_file), module, line)
    output.event({"event": "where", "module": found, "line": at})
    output.line(f"{found} {at}")


def _journal(session: Session) -> Journal:
    file = session.state_dir / JOURNAL_FILE
    if not file.exists():
        raise StateError("journal-missing", file=file)
    return Journal(file)


def _plain(device: Device) -> dict[str, Any]:
    return {
        "name": device.name,
        "board": device.board,
        "profile": device.profile,
        "unit": device.unit,
        "dev_eui": device.dev_eui,
        "created": device.created,
    }
