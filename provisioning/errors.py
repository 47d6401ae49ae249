"""Everything that can go wrong in provisioning, on one page.

    SpatzError                    base; the command line catches this and nothing else
    ├── SettingsError     exit 2  NODE.toml or an option does not say what is needed
    │   └── KeyRefused    exit 2  an EUI or key that must not be used (zero, known, used before)
    ├── EnvironmentFault  exit 3  something around the tool is missing
    │   ├── PortError             the port is missing, busy or forbidden
    │   ├── ProgramError          esptool or mpy-cross is missing or did not end in time
    │   └── StateError            the state directory or the journal cannot be used
    ├── VaultError        exit 3  the vault cannot be used
    │   ├── WrongPassphrase       it does not open with this passphrase
    │   ├── VaultDamaged          a line was changed or cut; nothing of it is used
    │   └── VaultExposed          other users of the machine may read it
    ├── BoardError        exit 1  this board failed; another one may be fine
    │   ├── BoardSilent           it did not answer before the deadline
    │   ├── WrongBoard            not the board, chip or unit that NODE.toml names
    │   ├── ImageRefused          the firmware image does not belong on this board
    │   └── NotJoined             the network server has not seen the join in time
    ├── StepOrder         exit 2  a step was called before the one it needs
    └── ServerError       exit 4  the network server refused or could not be reached
        ├── ServerUnreachable     no answer; repeat later, nothing is lost
        └── TokenRefused          the token opens nothing there

Every error carries a code; `messages.toml` says under this code what happened, why, and what to do next,
in English and in German. The fields that fill the gaps in those sentences never hold a secret.
"""

from __future__ import annotations

from typing import ClassVar

DONE = 0
DEVICE_FAILED = 1
USAGE = 2
ENVIRONMENT = 3
SERVER = 4


class SpatzError(Exception):
    """Base of all errors a user of the tool can meet. `code` names the message, `fields` fill it."""

    exit_code: ClassVar[int] = DEVICE_FAILED

    def __init__(self, code: str, **fields: object) -> None:
        super().__init__(code, fields)
        self.code = code
        self.fields = fields

    def __str__(self) -> str:
        """What happened, in English; the command line renders all three sentences in the user's language."""
        from provisioning.messages import explain

        return explain(self.code, self.fields, "en").what


class SettingsError(SpatzError):
    """NODE.toml or an option is wrong. Raised before anything is touched; correct the named place and repeat."""

    exit_code = USAGE


class KeyRefused(SettingsError):
    """An EUI or key must not be used: zero, all ones, a published demo key, or in use elsewhere."""


class StepOrder(SpatzError):
    """A step was called alone before the step whose result it needs. Call that one, or `spatz provision`."""

    exit_code = USAGE


class EnvironmentFault(SpatzError):
    """Something around the tool is missing. The board has not failed; repair the surroundings and repeat."""

    exit_code = ENVIRONMENT


class PortError(EnvironmentFault):
    """The serial port is missing, held by another program, or not permitted to this user."""


class ProgramError(EnvironmentFault):
    """A program the tool calls is missing or did not end before its deadline."""


class StateError(EnvironmentFault):
    """The state directory or the journal cannot be used, or another `spatz` works on the same node."""


class VaultError(SpatzError):
    """The vault cannot be used. Raised before a key is created or sent anywhere."""

    exit_code = ENVIRONMENT


class WrongPassphrase(VaultError):
    """The vault does not open with this passphrase (or its first line was changed)."""


class VaultDamaged(VaultError):
    """A record fails its seal. Take the vault back from a backup; do not delete the line."""


class VaultExposed(VaultError):
    """File or directory permissions let other users read the vault. The message holds the command that repairs it."""


class BoardError(SpatzError):
    """This board failed. The journal keeps what was reached; call the same command again."""


class BoardSilent(BoardError):
    """The board did not answer before the deadline. Check cable and power, then repeat."""


class WrongBoard(BoardError):
    """The board on the port is not the one NODE.toml or the journal names."""


class ImageRefused(BoardError):
    """The firmware image does not belong on this board. Nothing was written."""


class NotJoined(BoardError):
    """The node did not join before the deadline. The message carries what the server saw meanwhile."""


class ServerError(SpatzError):
    """The network server refused a call. What is already on the server is found again at the next run."""

    exit_code = SERVER


class ServerUnreachable(ServerError):
    """No answer from the network server. Repeat later; steps that are done stay done."""


class TokenRefused(ServerError):
    """The network server does not accept the token for the configured application."""
