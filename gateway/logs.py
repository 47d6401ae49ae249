"""Structured logs: one JSON object a line on stderr, fields instead of prose, secrets masked at the root.

Hostile or broken peers must not be able to fill a disk: what can repeat goes through `Tally`, which writes the
first of a kind at once and afterwards at most one line a minute with the count.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from typing import TextIO

_STANDARD = frozenset(vars(logging.LogRecord("", 0, "", 0, "", (), None))) | {"message", "asctime", "taskName"}
_TALLY_INTERVAL_S = 60.0
_MOST_KINDS = 256
_SHORTEST_SECRET = 4


class JsonLines(logging.Formatter):
    """{"time", "level", "logger", "event", ...fields}; times in UTC with milliseconds."""

    def format(self, record: logging.LogRecord) -> str:
        """One line of JSON."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{stamp}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        line.update({key: value for key, value in vars(record).items() if key not in _STANDARD})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return json.dumps(line, ensure_ascii=False, default=str)


class _Masked(logging.Formatter):
    """Replaces known secrets in a finished line."""

    def __init__(self, inner: logging.Formatter, secrets: tuple[str, ...]) -> None:
        super().__init__()
        self._inner = inner
        self._secrets = tuple(secret for secret in secrets if len(secret) >= _SHORTEST_SECRET)

    def format(self, record: logging.LogRecord) -> str:
        line = self._inner.format(record)
        for secret in self._secrets:
            line = line.replace(secret, "***")
        return line


def configure(level: str, secrets: tuple[str, ...] = (), stream: TextIO | None = None) -> None:
    """Send all logging to stderr as JSON lines. For the edge of the program only."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(_Masked(JsonLines(), secrets))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


class Tally:
    """Counts events that may repeat without end, by what and kind. `counts` feeds the metrics."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._now_s = now_s
        self._counts: Counter[tuple[str, str]] = Counter()
        self._told: dict[tuple[str, str], tuple[float, int]] = {}

    @property
    def counts(self) -> Mapping[tuple[str, str], int]:
        """(event, kind) -> how often since start."""
        return self._counts

    def count(self, log: logging.Logger, event: str, kind: str, number: int = 1) -> None:
        """Count; log the first at once, then at most a line a minute."""
        key = (event, kind)
        if key not in self._counts and len(self._counts) >= _MOST_KINDS:
            key = (event, "other")
        self._counts[key] += number
        told_s, told_count = self._told.get(key, (-_TALLY_INTERVAL_S, 0))
        now_s = self._now_s()
        if now_s - told_s >= _TALLY_INTERVAL_S:
            total = self._counts[key]
            self._told[key] = (now_s, total)
            log.warning(event, extra={"kind": key[1], "new": total - told_count, "total": total})


class Counted(logging.Logger):
    """A logger for a library that strangers can make talk: its errors are counted as `event`, by kind, not written."""

    def __init__(self, tally: Tally, log: logging.Logger, event: str) -> None:
        super().__init__(f"{log.name}.counted", logging.WARNING)
        self._tally = tally
        self._teller = log
        self._event = event

    def handle(self, record: logging.LogRecord) -> None:
        """Count."""
        error = record.exc_info[1] if record.exc_info else None
        self._tally.count(self._teller, self._event, "error" if error is None else type(error).__name__)
