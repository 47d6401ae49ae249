"""The journal: what has been done to which device. SQLite, committed to the disk before anything goes on.

A device has a row; each of its steps has a row with the number of attempts, its state, what it depended on
(`fingerprint`) and what came out (`result`). The process may be killed at any point:

    begin  -> state `running`, attempts + 1          killed here: the step is still `running` at the next start,
    ...the step works...                             which is how an interrupted step is told from a failed one
    finish -> state `done`, result                   killed before the commit: the step runs again, and finds
                                                     what it had already reached (every step is idempotent)

No key, token or passphrase ever comes into this file.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from provisioning.errors import KeyRefused, StateError
from provisioning.locks import one_at_a_time

SCHEMA_VERSION = 1
LOCK_PATIENCE_S = 10.0  # another `spatz` holds the file only for the length of one row

_SCHEMA = """
CREATE TABLE device (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    board TEXT NOT NULL,
    profile TEXT NOT NULL,
    unit TEXT UNIQUE,           -- MAC or unique id of the chip, lower-case hex
    dev_eui TEXT UNIQUE,        -- never given to a second device, even after the first is gone
    created TEXT NOT NULL
) STRICT;
CREATE TABLE step (
    device_id INTEGER NOT NULL REFERENCES device (id),
    name TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('running', 'done', 'failed')),
    attempts INTEGER NOT NULL,
    fingerprint TEXT NOT NULL,
    result TEXT NOT NULL DEFAULT '{}',
    error TEXT,                 -- the code of the last error
    started TEXT NOT NULL,
    ended TEXT,
    PRIMARY KEY (device_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE event (
    id INTEGER PRIMARY KEY,
    at TEXT NOT NULL,
    device_id INTEGER NOT NULL REFERENCES device (id),
    step TEXT NOT NULL,
    what TEXT NOT NULL,         -- begin, done, failed
    detail TEXT NOT NULL
) STRICT;
"""


@dataclass(frozen=True, slots=True)
class Device:
    """One device as the journal knows it. `unit` and `dev_eui` are None until their step is done."""

    id: int
    name: str
    board: str
    profile: str
    unit: str | None
    dev_eui: str | None
    created: str


@dataclass(frozen=True, slots=True)
class StepRecord:
    """One step of one device. `state` is running (interrupted, when nobody works on it), done or failed."""

    name: str
    state: str
    attempts: int
    fingerprint: str
    result: dict[str, Any]
    error: str | None
    started: str
    ended: str | None

    def is_done_for(self, fingerprint: str) -> bool:
        """True when the step ended well and nothing it depends on has changed since."""
        return self.state == "done" and self.fingerprint == fingerprint


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the history."""

    at: str
    device: str
    step: str
    what: str
    detail: dict[str, Any]


class Journal:
    """The journal file. One object a process; several processes may have it open."""

    def __init__(self, path: Path) -> None:
        """Open, or create with mode 0600. Raises StateError."""
        self.path = path
        try:
            with self._door():
                path.touch(mode=0o600)
                self._db = sqlite3.connect(path, timeout=LOCK_PATIENCE_S, isolation_level=None)
                self._db.execute("PRAGMA journal_mode = WAL")
                self._db.execute("PRAGMA synchronous = FULL")
                self._db.execute("PRAGMA foreign_keys = ON")
                self._prepare()
        except (OSError, sqlite3.Error) as error:
            raise StateError("journal-unusable", file=path, reason=str(error)) from None

    def close(self) -> None:
        """Let go of the file."""
        with self._door():
            self._db.close()

    def _door(self) -> AbstractContextManager[None]:
        """Held while the file is opened and closed: SQLite does not wait for a neighbour who is just making the
        file, or who as the last one clears away its write-ahead log; it says "database is locked" at once.
        """
        return one_at_a_time(self.path.parent / "locks", self.path.name, wait=True)

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _prepare(self) -> None:
        with self._transaction():
            (version,) = self._db.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise StateError("journal-version", file=self.path, version=version, known=SCHEMA_VERSION)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._db.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        self._db.execute("COMMIT")

    def device(self, name: str) -> Device | None:
        """The device of this name, if it is known."""
        row = self._db.execute(f"SELECT {_DEVICE} FROM device WHERE name = ?", (name,)).fetchone()  # noqa: S608
        return Device(*row) if row else None

    def device_by_eui(self, dev_eui: str) -> Device | None:
        """The device that has this DevEUI."""
        row = self._db.execute(f"SELECT {_DEVICE} FROM device WHERE dev_eui = ?", (dev_eui,)).fetchone()  # noqa: S608
        return Device(*row) if row else None

    def devices(self) -> list[Device]:
        """All devices, oldest first."""
        return [Device(*row) for row in self._db.execute(f"SELECT {_DEVICE} FROM device ORDER BY id")]  # noqa: S608

    def enrol(self, name: str, board: str, profile: str) -> Device:
        """The device of this name, created when it is new; board and profile follow the settings."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO device (name, board, profile, created) VALUES (?, ?, ?, ?) "
                "ON CONFLICT (name) DO UPDATE SET board = excluded.board, profile = excluded.profile",
                (name, board, profile, _now()),
            )
        device = self.device(name)
        assert device is not None  # noqa: S101  (just written)
        return device

    def set_unit(self, device: Device, unit: str) -> None:
        """Bind the device to one piece of hardware. Raises StateError when that piece is another device."""
        try:
            with self._transaction():
                self._db.execute("UPDATE device SET unit = ? WHERE id = ?", (unit, device.id))
        except sqlite3.IntegrityError:
            (owner,) = self._db.execute("SELECT name FROM device WHERE unit = ?", (unit,)).fetchone()
            raise StateError("unit-taken", unit=unit, owner=owner, name=device.name) from None

    def set_dev_eui(self, device: Device, dev_eui: str) -> None:
        """Give the device its DevEUI. Raises KeyRefused when another device has or had it."""
        try:
            with self._transaction():
                self._db.execute("UPDATE device SET dev_eui = ? WHERE id = ?", (dev_eui, device.id))
        except sqlite3.IntegrityError:
            (owner,) = self._db.execute("SELECT name FROM device WHERE dev_eui = ?", (dev_eui,)).fetchone()
            raise KeyRefused("eui-taken", eui=dev_eui, owner=owner) from None

    def begin(self, device: Device, step: str, fingerprint: str) -> int:
        """A step starts; returns the number of this attempt, from 1. The last result stays until `finish`."""
        with self._transaction():
            self._db.execute(
                "INSERT INTO step (device_id, name, state, attempts, fingerprint, started) "
                "VALUES (?, ?, 'running', 1, ?, ?) ON CONFLICT (device_id, name) DO UPDATE SET "
                "state = 'running', attempts = attempts + 1, fingerprint = excluded.fingerprint, "
                "started = excluded.started, ended = NULL, error = NULL",
                (device.id, step, fingerprint, _now()),
            )
            (attempt,) = self._db.execute(
                "SELECT attempts FROM step WHERE device_id = ? AND name = ?", (device.id, step)
            ).fetchone()
            self._log(device, step, "begin", {"attempt": attempt})
        return int(attempt)

    def finish(self, device: Device, step: str, result: Mapping[str, Any], *, fingerprint: str) -> None:
        """The step is done for this fingerprint; on return this is on the disk."""
        text = json.dumps(result, sort_keys=True)
        self._end(device, step, "done", result=text, fingerprint=fingerprint, detail=result)

    def fail(self, device: Device, step: str, error: str) -> None:
        """The step failed with the error of this code."""
        self._end(device, step, "failed", error=error, detail={"error": error})

    def _end(
        self,
        device: Device,
        step: str,
        state: str,
        *,
        detail: Mapping[str, Any],
        result: str | None = None,
        fingerprint: str | None = None,
        error: str | None = None,
    ) -> None:
        with self._transaction():
            self._db.execute(
                "UPDATE step SET state = ?, result = coalesce(?, result), fingerprint = coalesce(?, fingerprint), "
                "error = ?, ended = ? WHERE device_id = ? AND name = ?",
                (state, result, fingerprint, error, _now(), device.id, step),
            )
            self._log(device, step, state, detail)

    def _log(self, device: Device, step: str, what: str, detail: Mapping[str, Any]) -> None:
        self._db.execute(
            "INSERT INTO event (at, device_id, step, what, detail) VALUES (?, ?, ?, ?, ?)",
            (_now(), device.id, step, what, json.dumps(detail, sort_keys=True)),
        )

    def step(self, device: Device, name: str) -> StepRecord | None:
        """What is known about one step of one device."""
        row = self._db.execute(
            f"SELECT {_STEP} FROM step WHERE device_id = ? AND name = ?",  # noqa: S608
            (device.id, name),
        ).fetchone()
        return _step_record(row) if row else None

    def steps(self, device: Device) -> list[StepRecord]:
        """All steps of a device in the order in which they were last started."""
        rows = self._db.execute(f"SELECT {_STEP} FROM step WHERE device_id = ? ORDER BY started, name", (device.id,))  # noqa: S608
        return [_step_record(row) for row in rows]

    def events(self, device: Device | None = None) -> list[Event]:
        """The history, oldest first, of one device or of all."""
        rows = self._db.execute(
            "SELECT event.at, device.name, event.step, event.what, event.detail FROM event "
            "JOIN device ON device.id = event.device_id WHERE ? IS NULL OR device.id = ? ORDER BY event.id",
            (device.id if device else None, device.id if device else None),
        )
        return [Event(at, name, step, what, json.loads(detail)) for at, name, step, what, detail in rows]


_DEVICE = "id, name, board, profile, unit, dev_eui, created"
_STEP = "name, state, attempts, fingerprint, result, error, started, ended"


def _step_record(row: tuple[Any, ...]) -> StepRecord:
    name, state, attempts, fingerprint, result, error, started, ended = row
    return StepRecord(name, state, attempts, fingerprint, json.loads(result), error, started, ended)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
