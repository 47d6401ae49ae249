"""The copies on disk. One connection, one thread, no clock of its own; the caller commits.

    copy        one row a copy that has not been republished
    done        frames that have been, so that a gateway which comes a day later with the same frame is not echoed
    replaying   gateways that are handing in a backlog

Every look-up is a seek in an index, so its cost does not grow with the number of rows.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from gateway.errors import SpoolError, SpoolForeign
from gateway.merge.copies import Copy

# "SpMg" in ASCII.
_APPLICATION_ID = 0x53704D67
_SCHEMA_VERSION = 1
# A predecessor that is just ending may still hold the file.
_LOCK_PATIENCE_S = 2.0
# Write-ahead log of 4 MiB at most between checkpoints.
_WAL_PAGES = 1024
_SCHEMA = """
CREATE TABLE copy (
    seq INTEGER PRIMARY KEY AUTOINCREMENT,
    dev_addr INTEGER NOT NULL,
    fcnt INTEGER NOT NULL,
    frame BLOB NOT NULL,
    gateway_id TEXT NOT NULL,
    tx BLOB NOT NULL,
    rssi INTEGER NOT NULL,
    late INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE UNIQUE INDEX lane ON copy (dev_addr, fcnt, frame, gateway_id, tx);
CREATE INDEX owner ON copy (gateway_id, seq);
CREATE TABLE done (frame BLOB PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE INDEX age ON done (seq);
CREATE TABLE replaying (gateway_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""


class Stored(NamedTuple):
    """A copy in the store."""

    seq: int
    gateway_id: str
    tx: bytes
    rssi: int
    late: bool
    payload: bytes


class MergeStore:
    """The open file; ":memory:" keeps nothing. All sqlite3 errors leave as they are."""

    def __init__(self, path: Path | str) -> None:
        try:
            self._db = sqlite3.connect(path, timeout=_LOCK_PATIENCE_S, isolation_level=None, check_same_thread=False)
            self._open(str(path))
        except sqlite3.OperationalError as error:
            raise SpoolError(f"{path}: {error}; is another merge gate running on this file?") from None
        except sqlite3.DatabaseError as error:
            raise SpoolForeign(f"{path}: {error}") from None

    def _open(self, path: str) -> None:
        db = self._db
        found = db.execute("PRAGMA application_id").fetchone()[0]
        version = db.execute("PRAGMA user_version").fetchone()[0]
        empty = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0] == 0
        if not empty and (found, version) != (_APPLICATION_ID, _SCHEMA_VERSION):
            raise SpoolForeign(f"{path}: is not the file of a merge gate of this version; point [merge] path elsewhere")
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # two instances on one file would publish everything twice
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        db.execute("BEGIN IMMEDIATE")
        if empty:
            for statement in _SCHEMA.split(";"):
                db.execute(statement)
            db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        db.execute("COMMIT")
        db.execute("BEGIN")

    def commit(self) -> None:
        """What was done since the last commit survives a power cut from now on."""
        self._db.execute("COMMIT")
        self._db.execute("BEGIN")

    def close(self) -> None:
        """Commit and close."""
        try:
            self._db.execute("COMMIT")
        finally:
            self._db.close()

    # What is there

    def lanes(self) -> dict[int, int]:
        """Copies by DevAddr."""
        return dict(self._db.execute("SELECT dev_addr, count(*) FROM copy GROUP BY dev_addr"))

    def owners(self) -> Counter[str]:
        """Copies by gateway."""
        return Counter(dict(self._db.execute("SELECT gateway_id, count(*) FROM copy GROUP BY gateway_id")))

    def counters(self, dev_addr: int) -> list[int]:
        """The frame counters of a device, ascending, each once."""
        rows = self._db.execute("SELECT DISTINCT fcnt FROM copy WHERE dev_addr = ? ORDER BY fcnt", (dev_addr,))
        return [row[0] for row in rows]

    def next_frame(self, dev_addr: int, cursor: int) -> tuple[int, bytes] | None:
        """The frame (counter, digest) whose counter is the first from `cursor` on, going round at 65536."""
        query = "SELECT fcnt, frame FROM copy WHERE dev_addr = ? AND fcnt >= ? ORDER BY fcnt, frame LIMIT 1"
        return self._db.execute(query, (dev_addr, cursor)).fetchone() or (
            self._db.execute(query, (dev_addr, 0)).fetchone() if cursor else None
        )

    def copies(self, dev_addr: int, fcnt: int, frame: bytes) -> list[Stored]:
        """All copies of a frame, in the order they came."""
        rows = self._db.execute(
            "SELECT seq, gateway_id, tx, rssi, late, payload FROM copy"
            " WHERE dev_addr = ? AND fcnt = ? AND frame = ? ORDER BY seq",
            (dev_addr, fcnt, frame),
        )
        return [Stored(seq, gateway, tx, rssi, bool(late), payload) for seq, gateway, tx, rssi, late, payload in rows]

    def replaying(self) -> list[str]:
        """Gateways that were handing in a backlog."""
        return [row[0] for row in self._db.execute("SELECT gateway_id FROM replaying")]

    def is_done(self, frame: bytes) -> bool:
        """Whether this frame has been republished."""
        return self._db.execute("SELECT 1 FROM done WHERE frame = ?", (frame,)).fetchone() is not None

    # Changes

    def add(self, copy: Copy) -> bool:
        """Keep a copy; of two of one transmission by one gateway, the better one. True if there is one row more."""
        before = self._db.total_changes
        key = (copy.dev_addr, copy.fcnt, copy.frame, copy.gateway_id, copy.tx)
        self._db.execute(
            "INSERT OR IGNORE INTO copy (dev_addr, fcnt, frame, gateway_id, tx, rssi, late, payload)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (*key, copy.rssi, copy.late, copy.payload),
        )
        if self._db.total_changes > before:
            return True
        self._db.execute(
            "UPDATE copy SET rssi = ?, late = ?, payload = ? WHERE rssi < ?"
            " AND dev_addr = ? AND fcnt = ? AND frame = ? AND gateway_id = ? AND tx = ?",
            (copy.rssi, copy.late, copy.payload, copy.rssi, *key),
        )
        return False

    def finish(self, dev_addr: int, fcnt: int, frame: bytes) -> Counter[str]:
        """A frame is with the server: its copies go. Returns how many each gateway had."""
        key = (dev_addr, fcnt, frame)
        where = "WHERE dev_addr = ? AND fcnt = ? AND frame = ?"
        owners = Counter(row[0] for row in self._db.execute(f"SELECT gateway_id FROM copy {where}", key))  # noqa: S608
        self._db.execute(f"DELETE FROM copy {where}", key)  # noqa: S608
        self._db.execute(
            "INSERT OR REPLACE INTO done SELECT ?, coalesce(max(seq), 0) + 1 FROM (SELECT max(seq) AS seq FROM done)",
            (frame,),
        )
        return owners

    def evict(self, gateway_id: str, number: int) -> Counter[int]:
        """Give up a gateway's oldest copies. Returns how many each device lost."""
        rows = self._db.execute(
            "SELECT seq, dev_addr FROM copy WHERE gateway_id = ? ORDER BY seq LIMIT ?", (gateway_id, number)
        ).fetchall()
        self._db.executemany("DELETE FROM copy WHERE seq = ?", ((seq,) for seq, _ in rows))
        return Counter(dev_addr for _, dev_addr in rows)

    def note_replaying(self, gateway_ids: Iterable[str]) -> None:
        """Remember who is handing in a backlog."""
        self._db.execute("DELETE FROM replaying")
        self._db.executemany("INSERT INTO replaying VALUES (?)", ((gateway_id,) for gateway_id in gateway_ids))

    def forget_done(self, keep: int) -> None:
        """Remember only the last `keep` frames that were republished."""
        self._db.execute("DELETE FROM done WHERE seq <= (SELECT max(seq) FROM done) - ?", (keep,))
