"""Options that several commands share, and what is built from them: one `Session` a run."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import rich_click as click

from provisioning.cli.output import Output, set_up_logging
from provisioning.errors import SettingsError
from provisioning.messages import LANGUAGES, language_of_locale
from provisioning.redaction import Redactor

if TYPE_CHECKING:
    from provisioning.network.chirpstack import ChirpStack
    from provisioning.vault import Vault

F = TypeVar("F", bound=Callable[..., Any])
VAULT_FILE = "vault.spatz"
JOURNAL_FILE = "journal.db"
EXISTING = click.Path(dir_okay=False, path_type=Path)


def default_state_dir() -> Path:
    """Where journal and vault live: `$XDG_STATE_HOME/spatz`, else `~/.local/state/spatz`."""
    base = os.environ.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "spatz"


def output_options(function: F) -> F:
    """`--json --plain --lang --verbose`, which every command has."""
    for option in reversed(
        (
            click.option("--json", "as_json", is_flag=True, help="One JSON object a line on the standard output."),
            click.option("--plain", is_flag=True, help="Plain lines: no colour, nothing that moves."),
            click.option("--lang", type=click.Choice(LANGUAGES), help="Language; else that of the locale."),
            click.option("--verbose", "-v", is_flag=True, help="Log what happens to the standard error."),
        )
    ):
        function = option(function)
    return function


def state_options(function: F) -> F:
    """`--state --passphrase-file`, for commands that look into journal or vault."""
    for option in reversed(
        (
            click.option(
                "--state", type=click.Path(file_okay=False, path_type=Path), help="State directory (journal, vault)."
            ),
            click.option(
                "--passphrase-file", type=EXISTING, help="File with the vault's passphrase; else it is asked for."
            ),
        )
    ):
        function = option(function)
    return function


def server_options(function: F) -> F:
    """`--server --token-file --ca`, for commands that speak to the network server."""
    for option in reversed(
        (
            click.option("--server", metavar="URL", help="Network server: https://..., or http:// on this machine."),
            click.option("--token-file", type=EXISTING, help="File with the server's API token."),
            click.option(
                "--ca", "ca_file", type=EXISTING, help="Certificate of the server's authority, if it is your own."
            ),
        )
    ):
        function = option(function)
    return function


@dataclass(slots=True)
class Session:
    """What one run of the command has: output, redactor, and ways to open vault, journal and server."""

    output: Output
    state_dir: Path
    passphrase_file: Path | None = None
    server: str | None = None
    token_file: Path | None = None
    ca_file: Path | None = None

    @property
    def redactor(self) -> Redactor:
        """The one redactor of this run."""
        return self.output.redactor

    def prepare_state_dir(self) -> Path:
        """The state directory, made (0700) when it is not there."""
        self.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        return self.state_dir

    def open_vault(self) -> Vault:
        """The vault, made at its first use."""
        from provisioning.vault import open_vault, wipe

        path = self.prepare_state_dir() / VAULT_FILE
        passphrase = self._passphrase(new=not path.exists())
        self.redactor.hide(passphrase.decode("utf-8", "replace"))
        try:
            return open_vault(path, passphrase, create=True)
        finally:
            wipe(passphrase)

    def open_server(self) -> ChirpStack:
        """The network server."""
        from provisioning.network.channel import Channel
        from provisioning.network.chirpstack import ChirpStack

        if not self.server:
            raise SettingsError("server-needed")
        if self.token_file is None:
            raise SettingsError("token-needed")
        token = read_text(self.token_file).strip()
        self.redactor.hide(token)
        return ChirpStack(Channel(self.server, token, ca_file=self.ca_file))

    def _passphrase(self, *, new: bool) -> bytearray:
        if self.passphrase_file is not None:
            passphrase = bytearray(read_text(self.passphrase_file).rstrip("\r\n"), "utf-8")
        elif sys.stdin.isatty():
            passphrase = self._ask(new=new)
        else:
            raise SettingsError("passphrase-needed")
        if not passphrase:
            raise SettingsError("passphrase-empty")
        return passphrase

    def _ask(self, *, new: bool) -> bytearray:
        from getpass import getpass

        first = getpass(self.output.say("say-passphrase"))
        if new and getpass(self.output.say("say-passphrase-again")) != first:
            raise SettingsError("passphrase-differs")
        return bytearray(first, "utf-8")


def new_session(output: Output, *, as_json: bool, plain: bool, lang: str | None, verbose: bool, **more: Any) -> Session:
    """Build the session from the options of a command, and make it known to the command's outermost part."""
    output.as_json, output.plain, output.language = as_json, plain, lang or language_of_locale()
    set_up_logging(output.redactor, verbose=verbose)
    state = more.pop("state", None)
    return Session(output, state or default_state_dir(), **more)


def read_text(path: Path) -> str:
    """A small text file the user named. SettingsError when it cannot be read."""
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError("file-unreadable", file=path, reason=str(error)) from None
