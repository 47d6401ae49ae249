"""The machine's clocks behind one small object, so that tests can move time.

Three questions: how long since the machine started (never steps), what time it believes it is (may step), and whether
that belief has been checked by time synchronisation.
"""

from __future__ import annotations

import ctypes
import time
import uuid
from pathlib import Path
from typing import Protocol

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# linux/timex.h: adjtimex(2) returns the clock state, TIME_ERROR = 5 means "not synchronised".
_TIME_ERROR = 5
# struct timex is 208 bytes on 64-bit Linux and less elsewhere; `modes` = 0 in front means "only read".
_TIMEX_BYTES = 512


class Clock(Protocol):
    """What the gateway asks of time."""

    @property
    def boot_id(self) -> str:
        """A text that is the same until the machine restarts."""

    def mono_us(self) -> int:
        """Microseconds since the machine started; goes on while it sleeps, never steps."""

    def wall_us(self) -> int:
        """Unix time in microseconds as the machine believes it."""

    def verified(self) -> bool:
        """Whether the wall clock is synchronised now."""


class SystemClock:
    """The clocks of Linux. `trust`: "auto" asks the kernel, "always" and "never" are the operator's word."""

    def __init__(self, trust: str = "auto") -> None:
        self._trust = trust
        self._libc = ctypes.CDLL(None, use_errno=True)
        try:
            self._boot_id = _BOOT_ID.read_text(encoding="ascii").strip()
        except OSError:
            # Without a boot id no frame of an earlier run may be dated by this run's clock: every run is its own boot.
            self._boot_id = str(uuid.uuid4())

    @property
    def boot_id(self) -> str:
        """The kernel's boot id."""
        return self._boot_id

    def mono_us(self) -> int:
        """CLOCK_BOOTTIME in microseconds."""
        return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000

    def wall_us(self) -> int:
        """CLOCK_REALTIME in microseconds."""
        return time.time_ns() // 1000

    def verified(self) -> bool:
        """Whether the kernel says that chrony, ntpd or timesyncd hold the clock (adjtimex(2))."""
        if self._trust != "auto":
            return self._trust == "always"
        buffer = ctypes.create_string_buffer(_TIMEX_BYTES)
        state: int = self._libc.adjtimex(buffer)
        return 0 <= state < _TIME_ERROR
