"""Locks between several `spatz` at work on one state directory. They end with the process, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from provisioning.errors import StateError


@contextmanager
def one_at_a_time(directory: Path, name: str, *, wait: bool = False) -> Iterator[None]:
    """Hold a lock named `name` in the state directory; StateError when another `spatz` holds it and `wait` is not set.

    The lock ends with the process, however it ends.
    """
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(directory / f"{name}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise StateError("node-busy", name=name) from None
        yield
    finally:
        os.close(handle)
