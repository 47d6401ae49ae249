"""A file that holds room on the disk for the moment when everybody else has used it up.

On a full disk SQLite cannot even delete: what it changes goes to the write-ahead log first, and that needs room. So
some room is taken in advance and given back in the emergency. From then on the buffer keeps the size it has and works
as a ring, oldest frames out, until the disk has room again. No database here, only the file.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from pathlib import Path

# Twice what the write-ahead log is cut back to (4 MiB), because a long transaction may exceed that.
RESERVE_BYTES = 8 << 20
# Taken only while at least as much is left for others.
_LEFT_FOR_OTHERS_BYTES = 8 << 20
# A single transaction may need as much.
_STARVED_BYTES = 1 << 20


class Reserve:
    """The reserve beside the spool at `spool`."""

    def __init__(self, spool: Path, size_bytes: int = RESERVE_BYTES) -> None:
        self._path = spool.with_name(spool.name + ".reserve")
        self._size_bytes = size_bytes

    @property
    def held(self) -> bool:
        """Whether there is something to give back."""
        with contextlib.suppress(OSError):
            return self._path.stat().st_size >= self._size_bytes
        return False

    @property
    def starved(self) -> bool:
        """Whether there is no room on the disk to speak of."""
        with contextlib.suppress(OSError):
            return shutil.disk_usage(self._path.parent).free < _STARVED_BYTES
        return False

    def take(self) -> bool:
        """Take the room if it is there; whether it is held now."""
        if self.held:
            return True
        try:
            if shutil.disk_usage(self._path.parent).free < self._size_bytes + _LEFT_FOR_OTHERS_BYTES:
                return False
            handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(handle, 0, self._size_bytes)
            finally:
                os.close(handle)
        except OSError:
            self.give_back()
            return False
        return True

    def give_back(self) -> bool:
        """Make room; whether there was any."""
        try:
            self._path.unlink()
        except OSError:
            return False
        return True
