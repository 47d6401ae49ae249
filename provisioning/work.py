"""What a step has at hand while it works on one device.

Expensive things (prompt of the board, vault, server) are opened at their first use and closed together, so a
step that needs none of them costs nothing and needs no option for them.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from provisioning.board_facts import board_facts
from provisioning.board_link import BoardLink
from provisioning.errors import SettingsError, StepOrder, WrongBoard
from provisioning.journal import Device, Journal, StepRecord
from provisioning.ports import usable_port
from provisioning.redaction import Redactor
from provisioning.settings import NodeSettings

if TYPE_CHECKING:
    from provisioning.network.chirpstack import ChirpStack
    from provisioning.vault import Vault

APP_KEY = "app_key"
GEN_APP_KEY = "gen_app_key"
"""Only for a node that the network may put into multicast groups (TS005)."""


@dataclass(frozen=True, slots=True)
class Options:
    """What the command line adds to NODE.toml. Everything may be absent; the step that needs it says so."""

    state_dir: Path
    port: str | None = None
    server: str | None = None
    baud: int = 460_800
    join_deadline_s: float = 120.0
    boot_drive: Path | None = None


@dataclass(slots=True)
class Work:
    """One device in hand. Use `at_work` to make one."""

    settings: NodeSettings
    settings_file: Path
    options: Options
    journal: Journal
    redactor: Redactor
    open_vault: Callable[[], Vault]
    open_server: Callable[[], ChirpStack]
    progress: Callable[[str], None]
    device: Device
    resources: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    node_stopped: bool = False
    _vault: Vault | None = None
    _server: ChirpStack | None = None
    _link: BoardLink | None = None
    _link_stack: contextlib.ExitStack | None = None

    @property
    def facts(self) -> ModuleType:
        """The page of the board."""
        return board_facts(self.settings.board)

    @property
    def port(self) -> str:
        """The port, checked."""
        return usable_port(self.options.port)

    @property
    def server_url(self) -> str:
        """The server's address as given."""
        if not self.options.server:
            raise SettingsError("server-needed")
        return self.options.server

    def vault(self) -> Vault:
        """The open vault."""
        if self._vault is None:
            self._vault = self.resources.enter_context(self.open_vault())
        return self._vault

    def server(self) -> ChirpStack:
        """The network server."""
        if self._server is None:
            self._server = self.open_server()
        return self._server

    @contextlib.contextmanager
    def app_key(self) -> Iterator[bytearray]:
        """The device's AppKey from the vault, hidden from all output, wiped afterwards."""
        vault = self.vault()
        dev_eui = self.dev_eui
        if not vault.has(dev_eui, APP_KEY):
            raise StepOrder("step-needs", step="key", needs="keys")
        with vault.secret(dev_eui, APP_KEY) as key:
            self.redactor.hide(key)
            yield key

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The keys that this device needs, by their names in the vault."""
        return (APP_KEY, GEN_APP_KEY) if "multicast-setup" in self.settings.packages else (APP_KEY,)

    @contextlib.contextmanager
    def gen_app_key(self) -> Iterator[bytearray]:
        """As `app_key`, the GenAppKey; empty for a device without multicast groups."""
        if GEN_APP_KEY not in self.key_fields:
            yield bytearray()
            return
        if not self.vault().has(self.dev_eui, GEN_APP_KEY):
            raise StepOrder("step-needs", step="key", needs="keys")
        with self.vault().secret(self.dev_eui, GEN_APP_KEY) as key:
            self.redactor.hide(key)
            yield key

    def key_marks(self) -> str:
        """The marks of all keys: what depends on them has it in its fingerprint."""
        return " ".join(self.vault().mark(self.dev_eui, field) for field in self.key_fields)

    @property
    def dev_eui(self) -> str:
        """The device's DevEUI; StepOrder when the `keys` step has not given it one."""
        if self.device.dev_eui is None:
            raise StepOrder("step-needs", step="key", needs="keys")
        return self.device.dev_eui

    def link(self) -> BoardLink:
        """The board at its prompt, kept open between steps; the unit on the port is the device's own."""
        if self._link is None:
            stack = contextlib.ExitStack()
            link = stack.enter_context(BoardLink(self.port))
            self.node_stopped = True
            self._link, self._link_stack = link, stack
            self.confirm_unit(link.describe()["unit"])
        return self._link

    def release_port(self) -> None:
        """Close the prompt, because another program needs the port."""
        if self._link_stack is not None:
            self._link_stack.close()
        self._link = self._link_stack = None

    def let_node_run(self) -> None:
        """Start the node if work on it had stopped it."""
        if self.node_stopped:
            self.link().start()
            self.release_port()
            self.node_stopped = False

    def confirm_unit(self, unit: str) -> None:
        """Bind the device to this unit, or check that it is the one it is bound to."""
        if self.device.unit is None:
            self.journal.set_unit(self.device, unit)
            self.refresh()
        elif self.device.unit != unit:
            raise WrongBoard("unit-differs", name=self.device.name, known=self.device.unit, found=unit)

    def refresh(self) -> None:
        """Read the device's row again after a change."""
        device = self.journal.device(self.device.name)
        assert device is not None  # noqa: S101  (rows are never deleted)
        self.device = device

    def done(self, step: str) -> StepRecord | None:
        """The record of a step that has ended well."""
        record = self.journal.step(self.device, step)
        return record if record is not None and record.state == "done" else None

    def attempts(self, step: str) -> int:
        """How often a step has been carried out."""
        record = self.journal.step(self.device, step)
        return record.attempts if record else 0

    def nonces_restarted(self) -> int:
        """The attempt of the key step at which the node had no DevNonce record and so begins at 0; 0 for never."""
        key = self.done("key")
        return key.attempts if key is not None and not key.result.get("nonces_kept", True) else 0

    def close(self) -> None:
        """Give back port, vault and server."""
        try:
            self.release_port()
        finally:
            self.resources.close()
