"""The clocks of the gateway's machine, told by a small file: the run moves them, the gateway reads them.

    monotonic_us   added to the kernel's time since boot; a restart of the machine begins near zero again
    error_us       added to the true time
    boot           number of this start of the machine
    synchronised   what adjtimex(2) would say

One writer, one reader, fields written one by one in the order in which a kernel changes them: whoever sets the clock
loses the synchronisation first (Linux `do_settimeofday64` calls `ntp_clear`), and gets it back last.
"""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

_FIELDS = struct.Struct("<qqqq")
_MONOTONIC, _ERROR, _BOOT, _SYNCHRONISED = range(4)


def boot_time_us() -> int:
    """CLOCK_BOOTTIME of this machine in microseconds."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // 1000


class _Sheet:
    def __init__(self, path: Path) -> None:
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), _FIELDS.size)

    def _get(self, field: int) -> int:
        value: int = struct.unpack_from("<q", self._map, 8 * field)[0]
        return value

    def _set(self, field: int, value: int) -> None:
        struct.pack_into("<q", self._map, 8 * field, value)


class Hands(_Sheet):
    """The run's side: a new file, synchronised."""

    def __init__(self, path: Path) -> None:
        path.write_bytes(_FIELDS.pack(0, 0, 1, 1))
        super().__init__(path)

    @property
    def synchronised(self) -> bool:
        """What the gateway is told."""
        return bool(self._get(_SYNCHRONISED))

    def step(self, error_us: int) -> None:
        """Somebody sets the clock wrong by `error_us`."""
        self._set(_SYNCHRONISED, 0)
        self._set(_ERROR, error_us)

    def synchronise(self, error_us: int = 0) -> None:
        """Time synchronisation sets it right, up to `error_us`."""
        self._set(_ERROR, error_us)
        self._set(_SYNCHRONISED, 1)

    def restart_machine(self, error_us: int) -> None:
        """A new start of a machine without a battery for its clock; no gateway may run."""
        self.step(error_us)
        self._set(_BOOT, self._get(_BOOT) + 1)
        self._set(_MONOTONIC, 5_000_000 - boot_time_us())


class Face(_Sheet):
    """The gateway's side: a `gateway.clock.Clock`."""

    @property
    def boot_id(self) -> str:
        """A name for this start of the machine."""
        return f"chaos-{self._get(_BOOT)}"

    def mono_us(self) -> int:
        """Microseconds since the machine started."""
        return boot_time_us() + self._get(_MONOTONIC)

    def wall_us(self) -> int:
        """What the machine believes."""
        return time.time_ns() // 1000 + self._get(_ERROR)

    def verified(self) -> bool:
        """Whether the clock is synchronised."""
        return bool(self._get(_SYNCHRONISED))
