"""The flash chip of a unit: one file for all of it, with the places of the firmware image, NVS and file system.

Bytes are as on the chip: erased is 0xFF. The littlefs in it is what the interpreter mounts and what
`littlefs-python` reads offline.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

BLOCK_BYTES = 4096
PROGRAM_BYTES = 32  # default of MicroPython's VfsLfs2, as ports/esp32 mounts it
KIB = 1024
MIB = 1024 * KIB
DISK_VERSION = 0x00020001  # littlefs on-disk 2.1, MicroPython 1.23 and later


@dataclass(frozen=True, slots=True)
class Layout:
    """Where things are, in bytes from the start of the flash."""

    size: int
    files_offset: int
    files_bytes: int
    nvs_offset: int = 0
    nvs_bytes: int = 0


def layout_of(mcu: str, flash_bytes: int) -> Layout:
    """The layout of stock MicroPython.

    ports/esp32 partitions-4MiBplus.csv: NVS at 0x9000, application at 0x10000, the rest from 0x200000 is the
    file system. ports/rp2 boards/RPI_PICO: 1408 KiB at the end of 2 MiB; a larger chip stays unused there.
    """
    if mcu == "rp2040":
        size = min(flash_bytes, 2 * MIB)
        return Layout(size, size - 1408 * KIB, 1408 * KIB)
    return Layout(flash_bytes, 2 * MIB, flash_bytes - 2 * MIB, nvs_offset=0x9000, nvs_bytes=0x6000)


class Flash:
    """The flash file of one unit, and the counter that cuts the power at a chosen write."""

    def __init__(self, directory: Path, layout: Layout) -> None:
        self.layout = layout
        self.path = directory / "flash.bin"
        self.counter_path = directory / "flash.counter"
        if not self.path.exists():
            self.erase(0, layout.size)
        if not self.counter_path.exists():
            self.counter_path.write_bytes(struct.pack("<ii", 0, 0))

    def read(self, offset: int, size: int) -> bytes:
        """Bytes of the chip; beyond its end it reads as erased."""
        with self.path.open("rb") as file:
            file.seek(offset)
            data = file.read(size)
        return data + b"\xff" * (size - len(data))

    def write(self, offset: int, data: bytes) -> None:
        """Put bytes there, erased or not."""
        mode = "r+b" if self.path.exists() else "w+b"
        with self.path.open(mode) as file:
            file.seek(offset)
            file.write(data[: max(0, self.layout.size - offset)])

    def erase(self, offset: int, size: int) -> None:
        """Set bytes to 0xFF."""
        self.write(offset, b"\xff" * size)

    @property
    def writes(self) -> int:
        """Programs and erases by the file system so far."""
        return int(struct.unpack("<ii", self.counter_path.read_bytes())[1])

    def cut_at_write(self, k: int) -> None:
        """Plan a power cut in the middle of the k-th program or erase from now (1: the next one; 0: none)."""
        self.counter_path.write_bytes(struct.pack("<ii", k, self.writes))

    def write_files(self, files: dict[str, bytes]) -> None:
        """Write files (absolute paths) into the file system; directories are made, an unformatted chip is formatted."""
        with self._mounted(create=True) as fs:
            for path, content in files.items():
                parent = str(PurePosixPath(path).parent)
                if parent != "/":
                    fs.makedirs(parent, exist_ok=True)
                with fs.open(path, "wb") as file:
                    file.write(content)

    def read_file(self, path: str) -> bytes:
        """A file's content; FileNotFoundError when it is not there."""
        with self._mounted(create=False) as fs, fs.open(path, "rb") as file:
            return bytes(file.read())

    def list_files(self) -> list[str]:
        """Absolute paths of all files."""
        with self._mounted(create=False) as fs:
            return sorted(f"{top.rstrip('/')}/{name}" for top, _, names in fs.walk("/") for name in names)

    @contextmanager
    def _mounted(self, create: bool) -> Iterator[Any]:
        import littlefs  # only the bench brings it

        with self.path.open("r+b") as file:
            blocks = self.layout.files_bytes // BLOCK_BYTES
            options: dict[str, Any] = {
                "block_size": BLOCK_BYTES,
                "block_count": blocks,
                "read_size": PROGRAM_BYTES,
                "prog_size": PROGRAM_BYTES,
                "disk_version": DISK_VERSION,
            }
            fs = littlefs.LittleFS(_context(file, self.layout.files_offset), mount=False, **options)
            try:
                fs.mount()
            except littlefs.LittleFSError:
                if not create:
                    raise FileNotFoundError("the flash holds no file system yet") from None
                fs.format()
                fs.mount()
            try:
                yield fs
            finally:
                fs.unmount()


def _context(file: Any, offset: int) -> Any:
    """The block device that littlefs-python wants, over a part of an open file."""
    from littlefs.context import UserContext

    class FlashContext(UserContext):
        def __init__(self) -> None:
            pass

        def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
            file.seek(offset + block * cfg.block_size + off)
            return bytearray(file.read(size))

        def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
            file.seek(offset + block * cfg.block_size + off)
            file.write(data)
            return 0

        def erase(self, cfg: Any, block: int) -> int:
            file.seek(offset + block * cfg.block_size)
            file.write(b"\xff" * cfg.block_size)
            return 0

        def sync(self, cfg: Any) -> int:
            file.flush()
            return 0

    return FlashContext()
