"""Everything that can go wrong in the gateway, in one place.

GatewayError
    SettingsError        a settings file cannot be used; carries every problem with its line and key
    SpoolError           the durable buffer could not store, read or open; the frame is not acknowledged
        SpoolForeign     the file at spool.path is no Spatz spool, or of a newer version
        SpoolBusy        more appends wait than the buffer accepts; the sender is not acknowledged
    BadFrame             something received cannot be understood; `kind` is one short word for counting
    NoPath               a concentrator cannot be reached for a downlink (no PULL_DATA, link closed)
        NoAnswer         it took an order and said nothing: it may have transmitted, or not
    LinkLost             the connection of a destination ended before an answer came; the frame stays stored
    LinkRefused          the far end answered and said no (credentials, subscription); retried with back-off
"""

from __future__ import annotations

from dataclasses import dataclass

# A complaint quotes the file, which may be anything.
_LONGEST_KEY = 100
_LONGEST_MESSAGE = 400


class GatewayError(Exception):
    """Base of all errors of this package."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing wrong in a settings file: where (`line` from 1, 0 unknown; `key` dotted path) and what."""

    line: int
    key: str
    message: str

    def __str__(self) -> str:
        where = f"line {self.line}" if self.line else "file"
        message = _shortened(self.message, _LONGEST_MESSAGE)
        return f"{where}: {_shortened(self.key, _LONGEST_KEY)}: {message}" if self.key else f"{where}: {message}"


def _shortened(text: str, longest: int) -> str:
    return text if len(text) <= longest else f"{text[:longest]}…"


class SettingsError(GatewayError):
    """Raised by `settings.load`. Correct the places in `problems`; `spatz-gateway check` shows the same list."""

    def __init__(self, path: str, problems: tuple[Problem, ...]) -> None:
        super().__init__("; ".join(f"{path}: {problem}" for problem in problems))
        self.path = path
        self.problems = problems


class SpoolError(GatewayError):
    """Raised when SQLite refuses an operation. Look at free space and permissions of spool.path; nothing was stored."""


class SpoolForeign(SpoolError):
    """Raised on opening a file that is no Spatz spool. Point spool.path elsewhere or move the file away."""


class SpoolBusy(SpoolError):
    """Raised when the queue in front of the database is full. Do not acknowledge; the disk is too slow or stuck."""


class BadFrame(GatewayError):
    """Raised by parsers. `kind` is a short constant word, so that hostile input cannot fill the log."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


class NoPath(GatewayError):
    """Raised when a downlink has no way to its concentrator. Check that the packet forwarder runs and pulls."""


class NoAnswer(NoPath):
    """Raised when a concentrator says nothing to an order. Counted as transmitted for the duty cycle, never as done."""


class LinkLost(GatewayError):
    """Raised to whoever waits for an answer when a connection ends. Nothing to do: frames stay in the spool."""


class LinkRefused(GatewayError):
    """Raised when a server refuses connection or subscription. Check credentials and access lists."""
