"""Looking into a spool file and tidying it up, without a daemon: the work behind `spatz-gateway spool`."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gateway.errors import SpoolError
from gateway.frames import Moment, Uplink
from gateway.header import read
from gateway.store import Store

_BATCH = 1000


@contextmanager
def lock(path: Path) -> Iterator[None]:
    """Hold the spool for ourselves. Raises SpoolError if a gateway is using it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise SpoolError(f"{path}: {error.strerror}") from None
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SpoolError(f"{path} is in use by another gateway") from None
        yield
    finally:
        os.close(handle)


@contextmanager
def _reading(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection that changes nothing; works beside a running gateway."""
    if not path.is_file():
        raise SpoolError(f"{path}: no such file; the gateway makes it on its first start")
    db = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        yield db
    except sqlite3.Error as error:
        raise SpoolError(f"{path}: {error}") from None
    finally:
        db.close()


def summary(path: Path) -> dict[str, Any]:
    """What is in the file, as JSON values: frames, devices, what waits for whom, oldest and newest reception."""
    with _reading(path) as db:
        frames, devices = db.execute("SELECT count(*), count(DISTINCT dev_addr) FROM frame").fetchone()
        waiting = db.execute(
            "SELECT d.name, count(p.seq) FROM destination d LEFT JOIN pending p ON p.destination = d.number"
            " GROUP BY d.number ORDER BY d.name"
        ).fetchall()
        ends = [
            row[0]
            for order in ("ASC", "DESC")
            for row in db.execute(f"SELECT wall_us FROM frame ORDER BY seq {order} LIMIT 1")  # noqa: S608
        ]
    return {
        "path": str(path),
        "bytes": path.stat().st_size,
        "frames": frames,
        "devices": devices,
        "waiting": dict(waiting),
        "oldest_us": ends[0] if ends else None,
        "newest_us": ends[1] if ends else None,
    }


def export(path: Path) -> Iterator[dict[str, Any]]:
    """Every stored frame as JSON values, oldest first. The LoRaWAN payload stays encrypted as it was received."""
    with _reading(path) as db:
        names = dict(db.execute("SELECT number, name FROM destination"))
        rows = db.execute("SELECT seq, dev_addr, boot, mono_us, wall_us, body FROM frame ORDER BY seq")
        for seq, dev_addr, boot, mono_us, wall_us, body in rows:
            waiting = [
                name
                for number, name in names.items()
                if db.execute(
                    "SELECT 1 FROM pending WHERE destination = ? AND dev_addr = ? AND seq = ?", (number, dev_addr, seq)
                ).fetchone()
            ]
            yield _frame(seq, Moment(boot, mono_us, wall_us), Uplink.from_bytes(body), waiting)


def _frame(seq: int, moment: Moment, uplink: Uplink, waiting: list[str]) -> dict[str, Any]:
    front = read(uplink.phy_payload)
    return {
        "seq": seq,
        "boot": moment.boot,
        "mono_us": moment.mono_us,
        "wall_us": moment.wall_us,
        "gateway": uplink.gateway_id,
        "dev_addr": f"{front.dev_addr:08x}" if front is not None and front.dev_addr is not None else None,
        "fcnt16": front.fcnt if front is not None else None,
        "frequency_hz": uplink.frequency_hz,
        "rssi_dbm": uplink.rssi_dbm,
        "snr_db": uplink.snr_db,
        "phy_payload": uplink.phy_payload.hex(),
        "waiting": waiting,
    }


def prune(path: Path, boot_id: str, destination: str | None) -> int:
    """Throw away all frames, or what waits for one destination; how many entries that were.

    Raises SpoolError if a gateway uses the file or the destination is unknown.
    """
    with lock(path):
        if not path.is_file():
            raise SpoolError(f"{path}: no such file")
        store = Store(path, 1 << 40, boot_id)
        try:
            return _prune(store, destination)
        finally:
            store.close()


def _prune(store: Store, destination: str | None) -> int:
    removed = 0
    if destination is not None and destination not in store.destinations.values():
        known = ", ".join(sorted(store.destinations.values()))
        raise SpoolError(f'no destination "{destination}" in the spool; known are {known or "none"}')
    numbers = [number for number, name in store.destinations.items() if destination in (None, name)]
    for number in numbers:
        while entries := store.entries(number, _BATCH):
            store.begin()
            store.forget(number, entries)
            store.commit()
            removed += len(entries)
    return removed
