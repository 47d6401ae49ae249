"""The tables of the spool: what is stored, for whom it still waits, and how the next frame is found.

Rules of this file: one connection, one thread, no waiting, no clock of its own. `gateway.spool` is the thread around
it and decides when transactions begin and end.

    frame        one row a stored uplink; `seq` grows by reception and is never used twice
    pending      (destination, DevAddr, seq): this destination has not acknowledged that frame yet
    boot         starts of the machine, with the difference wall clock - monotonic clock once it was verified
    destination  names of destinations to the numbers above
    gateway      concentrators seen, so that they can be announced at once after a restart
    meta         the ceiling below which `seq` values may have been used; other numbers kept over restarts

A frame is gone when nobody waits for it any more. Every look-up is a seek in `pending` or `frame`, so its cost does
not grow with the number of rows or devices; no table of devices is kept in memory.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import NamedTuple, TypeVar

import msgspec

from gateway.errors import SpoolError, SpoolForeign
from gateway.frames import Moment, Uplink

_T = TypeVar("_T")

# "Spat" in ASCII; shown by file(1) and checked on opening.
_APPLICATION_ID = 0x53706174
_SCHEMA_VERSION = 1
_PAGE_BYTES = 4096
# Write-ahead log: checkpointed every 4 MiB and cut back to that size, so it cannot eat the disk.
_WAL_PAGES = 1024
# 2 MiB of pages in memory, whatever the size of the file.
_CACHE_KIB = 2048
# Rows evicted at once when the quota is reached, and pages kept free for the trees to split.
_EVICT_ROWS = 512
_SPARE_PAGES = 64
# `seq` is reserved in steps, so that no commit has to touch the ceiling.
_SEQ_STEP = 1_000_000
# Frames in one statement: SQLite lets go of the interpreter at each, and has to wait for it again each time.
_TOGETHER = 32
# Identical copies (NbTrans allows 15 transmissions of one frame) looked at for one head.
_MOST_COPIES = 16
# Lane of frames that have no DevAddr.
NO_DEV_ADDR = -1

_NEWEST = "(SELECT max(seq) FROM pending WHERE destination = ? AND dev_addr = ?)"
_SCHEMA = """
CREATE TABLE frame (
    seq INTEGER PRIMARY KEY,
    dev_addr INTEGER NOT NULL,
    boot INTEGER NOT NULL,
    mono_us INTEGER NOT NULL,
    wall_us INTEGER NOT NULL,
    body BLOB NOT NULL
);
CREATE TABLE pending (
    destination INTEGER NOT NULL,
    dev_addr INTEGER NOT NULL,
    seq INTEGER NOT NULL,
    PRIMARY KEY (destination, dev_addr, seq)
) WITHOUT ROWID;
CREATE TABLE boot (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, offset_us INTEGER);
CREATE TABLE destination (number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE gateway (id TEXT PRIMARY KEY, seen_us INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE meta (key TEXT PRIMARY KEY, value INTEGER NOT NULL) WITHOUT ROWID;
"""


class Frame(NamedTuple):
    """An uplink on its way into the store, with the numbers of the destinations that shall get it."""

    seq: int
    dev_addr: int
    moment: Moment
    body: bytes
    destinations: tuple[int, ...]


class Before(NamedTuple):
    """What of the same device waited for a destination when a frame was stored: the newest seq (0: nothing), and how
    many frames, counted no further than asked.
    """

    seq: int = 0
    frames: int = 0


class Row(NamedTuple):
    """An uplink out of the store. `copies` are the seqs of identical frames right behind it, forgotten with it."""

    seq: int
    dev_addr: int
    moment: Moment
    uplink: Uplink
    copies: tuple[int, ...] = ()


class Lost(NamedTuple):
    """What was given up: frames, and how many destinations were still waiting for each number."""

    frames: int
    pending: Counter[int]


class Store:
    """The open spool file. All sqlite3 errors leave as they are; the caller rolls back."""

    def __init__(self, path: Path, max_bytes: int, boot_id: str) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._open(path)
        except sqlite3.OperationalError as error:
            raise SpoolError(f"{path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise SpoolForeign(f"{path}: {error}") from None
        self._quota_pages = self._max_pages = max(max_bytes // _PAGE_BYTES, 4 * _SPARE_PAGES)
        self.stay_small(False)
        self.boot = self._number("boot", "id", boot_id)
        self.destinations = dict(self._db.execute("SELECT number, name FROM destination"))
        self.pending = Counter(dict(self._db.execute("SELECT destination, count(*) FROM pending GROUP BY destination")))
        newest = self._db.execute("SELECT max(seq) FROM frame").fetchone()[0] or 0
        ceiling = self._db.execute("SELECT value FROM meta WHERE key = 'seq_ceiling'").fetchone()
        self.first_seq: int = max(newest, ceiling[0] if ceiling else 0) + 1
        self._ceiling = self.first_seq - 1
        self._before = (Counter(self.pending), self._ceiling)

    def _open(self, path: Path) -> None:
        db = self._db
        version = db.execute("PRAGMA user_version").fetchone()[0]
        application = db.execute("PRAGMA application_id").fetchone()[0]
        fresh = version == 0 and application == 0 and not db.execute("SELECT 1 FROM sqlite_master").fetchone()
        if fresh:
            db.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
            db.execute("PRAGMA journal_mode = WAL")
            db.executescript(
                f"BEGIN;{_SCHEMA}PRAGMA application_id={_APPLICATION_ID};PRAGMA user_version={_SCHEMA_VERSION};COMMIT;"
            )
        elif application != _APPLICATION_ID:
            raise SpoolForeign(f"{path} is a database, but no Spatz spool")
        elif version != _SCHEMA_VERSION:
            raise SpoolForeign(f"{path} is a spool of version {version}; this program knows {_SCHEMA_VERSION}")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_WAL_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {_WAL_PAGES * _PAGE_BYTES}")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute("PRAGMA temp_store = MEMORY")

    def _number(self, table: str, column: str, value: str) -> int:
        # Table and column are words of this file, never input.
        self._db.execute(f"INSERT OR IGNORE INTO {table} ({column}) VALUES (?)", (value,))  # noqa: S608
        number: int = self._db.execute(f"SELECT number FROM {table} WHERE {column} = ?", (value,)).fetchone()[0]  # noqa: S608
        return number

    def close(self) -> None:
        """Close the file; the log is merged into it."""
        self._db.close()

    # Transactions

    def synchronous(self, full: bool) -> None:
        """Whether every commit waits for the disk. Between transactions only."""
        self._db.execute(f"PRAGMA synchronous = {'FULL' if full else 'NORMAL'}")

    def begin(self) -> None:
        """Begin a transaction."""
        self._before = (Counter(self.pending), self._ceiling)
        self._db.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        """Make everything since `begin` durable."""
        self._db.execute("COMMIT")

    def rollback(self) -> None:
        """Undo everything since `begin`."""
        self.pending, self._ceiling = self._before
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")

    # Writing

    def destination(self, name: str) -> int:
        """The number of a destination; a new name gets a new one."""
        number = self._number("destination", "name", name)
        self.destinations[number] = name
        return number

    def append(self, frames: Sequence[Frame], count_to: int = 0) -> list[dict[int, Before]]:
        """Store frames. For each: destination -> what waited there before it, counted up to `count_to` frames."""
        newest = max((frame.seq for frame in frames), default=0)
        if newest > self._ceiling:
            self._ceiling = newest + _SEQ_STEP
            self._db.execute("INSERT OR REPLACE INTO meta VALUES ('seq_ceiling', ?)", (self._ceiling,))
        waiting = self._waiting(frames, count_to)
        before: list[dict[int, Before]] = []
        pending: list[tuple[int, int, int]] = []
        for seq, dev_addr, _, _, destinations in frames:
            last = {destination: waiting.get((destination, dev_addr), Before()) for destination in destinations}
            before.append(last)
            for destination, (_, number) in last.items():
                waiting[destination, dev_addr] = Before(seq, min(number + 1, max(1, count_to)))
                pending.append((destination, dev_addr, seq))
                self.pending[destination] += 1
        self._insert("pending", pending)
        self._insert(
            "frame",
            [
                (seq, dev_addr, moment.boot, moment.mono_us, moment.wall_us, body)
                for seq, dev_addr, moment, body, _ in frames
            ],
        )
        return before

    def _insert(self, table: str, rows: Sequence[tuple[object, ...]]) -> None:
        for chunk in _chunks(rows):
            places = ", ".join((f"({', '.join('?' * len(chunk[0]))})",) * len(chunk))
            self._db.execute(f"INSERT INTO {table} VALUES {places}", list(chain.from_iterable(chunk)))  # noqa: S608

    def _waiting(self, frames: Sequence[Frame], count_to: int) -> dict[tuple[int, int], Before]:
        """(destination, DevAddr) -> what waits there now, of the pairs in `frames`."""
        pairs = {
            (destination, frame.dev_addr): None
            for frame in frames
            for destination in frame.destinations
            if self.pending[destination] > 0
        }
        if count_to > 1:
            return {pair: self._count(*pair, count_to) for pair in pairs}
        found: dict[tuple[int, int], Before] = {}
        for chunk in _chunks(list(pairs)):
            seeks = ", ".join((_NEWEST,) * len(chunk))
            seqs = self._db.execute(f"SELECT {seeks}", list(chain.from_iterable(chunk))).fetchone()
            found.update((pair, Before(seq, 1)) for pair, seq in zip(chunk, seqs, strict=True) if seq is not None)
        return found

    def _count(self, destination: int, dev_addr: int, count_to: int) -> Before:
        seqs = self._db.execute(
            "SELECT seq FROM pending WHERE destination = ? AND dev_addr = ? ORDER BY seq DESC LIMIT ?",
            (destination, dev_addr, count_to),
        ).fetchall()
        return Before(seqs[0][0], len(seqs)) if seqs else Before()

    def supersede(self, destination: int, dev_addr: int, seq: int) -> int:
        """A destination does not want frames of a device older than `seq` any more; how many those were."""
        older = self._db.execute(
            "SELECT dev_addr, seq FROM pending WHERE destination = ? AND dev_addr = ? AND seq < ?",
            (destination, dev_addr, seq),
        ).fetchall()
        self.forget(destination, older)
        return len(older)

    def forget(self, destination: int, delivered: Iterable[tuple[int, int]]) -> None:
        """A destination is done with these (DevAddr, seq)."""
        others = [number for number in self.destinations if number != destination]
        for dev_addr, seq in delivered:
            gone = self._db.execute(
                "DELETE FROM pending WHERE destination = ? AND dev_addr = ? AND seq = ?", (destination, dev_addr, seq)
            ).rowcount
            self.pending[destination] -= gone
            if gone and not any(self._waits(other, dev_addr, seq) for other in others):
                self._db.execute("DELETE FROM frame WHERE seq = ?", (seq,))

    def _waits(self, destination: int, dev_addr: int, seq: int) -> bool:
        if not self.pending[destination]:
            return False
        return bool(
            self._db.execute(
                "SELECT 1 FROM pending WHERE destination = ? AND dev_addr = ? AND seq = ?", (destination, dev_addr, seq)
            ).fetchone()
        )

    def give_up(self, rows: Iterable[tuple[int, int]]) -> Lost:
        """Remove frames (seq, DevAddr) for all destinations."""
        frames = 0
        pending: Counter[int] = Counter()
        for seq, dev_addr in rows:
            for destination in self.destinations:
                pending[destination] += self._db.execute(
                    "DELETE FROM pending WHERE destination = ? AND dev_addr = ? AND seq = ?",
                    (destination, dev_addr, seq),
                ).rowcount
            frames += self._db.execute("DELETE FROM frame WHERE seq = ?", (seq,)).rowcount
        self.pending.subtract(pending)
        return Lost(frames, +pending)

    # Room

    def crowded(self) -> bool:
        """Whether the quota is nearly used up, free pages inside the file not counted."""
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        free = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        return bool(pages - free > self._max_pages - _SPARE_PAGES)

    def stay_small(self, small: bool) -> None:
        """Grow no further than by 1 MiB of the reserve, because the disk is full; or up to the quota again."""
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        self._max_pages = min(pages + 4 * _SPARE_PAGES, self._quota_pages) if small else self._quota_pages
        self._db.execute(f"PRAGMA max_page_count = {self._max_pages}")

    def evict(self) -> Lost:
        """Give up the oldest frames, whoever waits for them."""
        rows = self._db.execute("SELECT seq, dev_addr FROM frame ORDER BY seq LIMIT ?", (_EVICT_ROWS,)).fetchall()
        if not rows:
            raise SpoolError("the quota is used up and nothing is left to evict: max_bytes is too small")
        return self.give_up(rows)

    def bytes_used(self) -> int:
        """Size of the database without free pages and without the write-ahead log."""
        pages = self._db.execute("PRAGMA page_count").fetchone()[0]
        free = self._db.execute("PRAGMA freelist_count").fetchone()[0]
        return int(pages - free) * _PAGE_BYTES

    # Reading

    def oldest(self, limit: int) -> list[tuple[int, int, Moment]]:
        """(seq, DevAddr, moment) of the oldest frames."""
        rows = self._db.execute(
            "SELECT seq, dev_addr, boot, mono_us, wall_us FROM frame ORDER BY seq LIMIT ?", (limit,)
        )
        return [(seq, dev_addr, Moment(boot, mono, wall)) for seq, dev_addr, boot, mono, wall in rows]

    def oldest_for(self, destination: int, limit: int) -> Moment | None:
        """Reception of the oldest frame that waits for a destination; None if it is not among the `limit` oldest."""
        rows = self.oldest(limit) if self.pending[destination] else []
        return next((moment for seq, dev_addr, moment in rows if self._waits(destination, dev_addr, seq)), None)

    def entries(self, destination: int, limit: int) -> list[tuple[int, int]]:
        """Some (DevAddr, seq) that wait for a destination."""
        return self._db.execute(
            "SELECT dev_addr, seq FROM pending WHERE destination = ? LIMIT ?", (destination, limit)
        ).fetchall()

    def heads(self, destination: int, after: int, limit: int, busy: frozenset[int]) -> tuple[list[Row], bool]:
        """The oldest waiting frame of up to `limit` devices, beginning with the first DevAddr beyond `after` and going
        round once. Devices in `busy` are passed over.

        Returns the rows, and whether the round was completed (nothing else is to be found now).
        """
        rows: list[Row] = []
        cursor, wrapped = after, False
        while len(rows) < limit:
            found = self._db.execute(
                "SELECT dev_addr FROM pending WHERE destination = ? AND dev_addr > ? ORDER BY dev_addr LIMIT 1",
                (destination, cursor),
            ).fetchone()
            if found is None:
                if wrapped:
                    return rows, True
                cursor, wrapped = NO_DEV_ADDR - 1, True
                continue
            cursor = found[0]
            if wrapped and cursor > after:
                return rows, True
            if cursor not in busy:
                row = self._head(destination, cursor)
                if row is not None:
                    rows.append(row)
        return rows, False

    def _head(self, destination: int, dev_addr: int) -> Row | None:
        """Oldest frame of a device, merged with identical copies behind it: first place, best signal (rule 3)."""
        found = self._db.execute(
            "SELECT p.seq, f.boot, f.mono_us, f.wall_us, f.body FROM pending p LEFT JOIN frame f ON f.seq = p.seq"
            " WHERE p.destination = ? AND p.dev_addr = ? ORDER BY p.seq LIMIT ?",
            (destination, dev_addr, _MOST_COPIES),
        )
        first: tuple[int, Moment, Uplink] | None = None
        best: tuple[int, Moment, Uplink] | None = None
        copies: list[int] = []
        damaged: list[tuple[int, int]] = []
        for seq, boot, mono_us, wall_us, body in found:
            uplink = _read(body)
            if uplink is None:
                # Damage: passing it over would block the device for ever.
                damaged.append((dev_addr, seq))
                continue
            candidate = (seq, Moment(boot, mono_us, wall_us), uplink)
            if first is None or best is None:
                first = best = candidate
                continue
            if candidate[2].phy_payload != first[2].phy_payload:
                break
            copies.append(seq)
            if candidate[2].rssi_dbm > best[2].rssi_dbm:
                best = candidate
        self.forget(destination, damaged)
        if first is None or best is None:
            return None
        return Row(first[0], dev_addr, best[1], best[2], tuple(copies))

    # Clocks and concentrators

    def note_offset(self, offset_us: int) -> None:
        """The wall clock is verified: wall = monotonic + offset, for all frames of this start of the machine."""
        self._db.execute("UPDATE boot SET offset_us = ? WHERE number = ?", (offset_us, self.boot))

    def offsets(self) -> dict[int, int]:
        """Boot number -> verified offset, for boots that have one."""
        return dict(self._db.execute("SELECT number, offset_us FROM boot WHERE offset_us IS NOT NULL"))

    def note(self, notes: Mapping[str, int]) -> None:
        """Keep numbers under names, over restarts."""
        self._db.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", notes.items())

    def notes(self, prefix: str) -> dict[str, int]:
        """What was noted under names that begin so, without the prefix."""
        rows = self._db.execute("SELECT key, value FROM meta WHERE substr(key, 1, ?) = ?", (len(prefix), prefix))
        return {key[len(prefix) :]: value for key, value in rows}

    def note_gateway(self, gateway_id: str, wall_us: int) -> None:
        """Remember a concentrator."""
        self._db.execute("INSERT OR REPLACE INTO gateway VALUES (?, ?)", (gateway_id, wall_us))

    def gateways(self) -> list[str]:
        """Remembered concentrators, latest first."""
        return [row[0] for row in self._db.execute("SELECT id FROM gateway ORDER BY seen_us DESC LIMIT 64")]


def _chunks(rows: Sequence[_T]) -> Iterator[Sequence[_T]]:
    """Of few different lengths, so that a statement for each stays prepared: 32, 32, .., 16, 8, 4, 2, 1."""
    begin, size = 0, _TOGETHER
    while begin < len(rows):
        while size > len(rows) - begin:
            size //= 2
        yield rows[begin : begin + size]
        begin += size


def _read(body: bytes | None) -> Uplink | None:
    """The frame of a row; None if the row is missing or cannot be read."""
    if body is None:
        return None
    try:
        return Uplink.from_bytes(body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return None
