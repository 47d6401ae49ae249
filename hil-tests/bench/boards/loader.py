"""A unit in its boot loader: the two ways into an empty chip.

An ESP chip talks to esptool on the same port as MicroPython. A PTY has no reset lines, so the unit goes by what it
hears: a SYNC request means that a flasher pulled it into the loader, and the flasher hanging up, or a key of a
terminal, means a reset into the application. An RP2040 shows a drive that takes a UF2 file.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from bench.boards.chips import CHIPS
from bench.boards.flash import Flash
from bench.boards.image import RP2040_FAMILY, RP2040_FLASH_ADDRESS, bootable, uf2_parts
from bench.boards.rom import SYNC_MARK, RomLoader
from bench.boards.unit import Unit

TERMINAL_KEYS = b"\r\n\x02\x03"
"""What mpremote and terminals send first; no frame of a flasher starts so."""
BOOT_LOOP_US = 1_000_000  # the RTC watchdog restarts an ESP that finds no image about once a second
INFO_UF2 = "UF2 Bootloader v3.0\r\nModel: Raspberry Pi RP2\r\nBoard-ID: RPI-RP2\r\n"  # RP2040 datasheet 2.8.4.1
DRIVE_NAME = "RPI-RP2"


class Loader(Protocol):
    """What a board asks of its loader."""

    drive: Path | None
    """The directory that stands for the loader's USB drive."""

    resets_on_hang_up: bool
    """Whether a tool that closes the port means a reset, as esptool's last act is."""

    def called_by(self, data: bytes) -> int | None:
        """Where in bytes from the port a flasher begins to call, while the application runs."""

    def enter(self) -> None:
        """The chip is in its loader now."""

    def leave(self) -> None:
        """It is not any more."""

    def feed(self, data: bytes) -> bytes:
        """Bytes from the port; the bytes of the answer."""

    def look(self) -> None:
        """Look at what does not come by the port."""

    def wants_boot(self) -> bool:
        """Whether the application is to be started now."""

    def is_key(self, data: bytes) -> bool:
        """Whether bytes come from a person's terminal and not from a flasher."""

    def complaint(self) -> bytes:
        """What the chip prints again and again while it has nothing to start."""


class EspLoader:
    """The ROM loader of an ESP chip."""

    resets_on_hang_up = True

    def __init__(self, unit: Unit, flash: Flash) -> None:
        self.drive: Path | None = None
        self._flash = flash
        self._chip = CHIPS[unit.mcu]
        self._make: Callable[[], RomLoader] = lambda: RomLoader(self._chip, flash, unit.layout.size, unit.mac)
        self._rom = self._make()
        self._busy = False
        self._heard = b""

    def called_by(self, data: bytes) -> int | None:
        """Find a SYNC request, also when it came in pieces."""
        text = self._heard + data
        at = text.find(SYNC_MARK)
        self._heard = b"" if at >= 0 else text[-len(SYNC_MARK) + 1 :]
        return None if at < 0 else max(0, at - (len(text) - len(data)))

    def enter(self) -> None:
        """A fresh ROM: no stub."""
        self._rom = self._make()
        self._busy = False

    def leave(self) -> None:
        """Nothing stays."""

    def feed(self, data: bytes) -> bytes:
        """Frames in, frames out."""
        answer = self._rom.feed(data)
        self._busy = self._busy or bool(answer)
        return answer

    def look(self) -> None:
        """Everything comes by the port."""

    def wants_boot(self) -> bool:
        """After a command of the flasher to run what it wrote."""
        return self._rom.wants_reboot

    def is_key(self, data: bytes) -> bool:
        """Only between frames."""
        return self._rom.between_frames and data[0] in TERMINAL_KEYS

    def complaint(self) -> bytes:
        """The ROM's words on an empty flash (ESP32 ROM, seen on many a console)."""
        if self._busy:
            return b""
        word = int.from_bytes(self._flash.read(self._chip.image_offset, 4), "little")
        return b"rst:0x10 (RTCWDT_RTC_RESET),boot:0x13 (SPI_FAST_FLASH_BOOT)\r\ninvalid header: 0x%08x\r\n" % word


class Uf2Loader:
    """The USB drive of an RP2040."""

    resets_on_hang_up = False

    def __init__(self, unit: Unit, flash: Flash, directory: Path) -> None:
        self.drive: Path | None = None
        self._unit = unit
        self._flash = flash
        self._place = directory / DRIVE_NAME
        self._written = False

    def called_by(self, data: bytes) -> int | None:
        """Nobody calls by the port."""
        return None

    def enter(self) -> None:
        """The drive appears."""
        self._written = False
        self._place.mkdir(exist_ok=True)
        (self._place / "INFO_UF2.TXT").write_text(INFO_UF2)
        self.drive = self._place

    def leave(self) -> None:
        """The drive vanishes."""
        shutil.rmtree(self._place, ignore_errors=True)
        self.drive = None

    def feed(self, data: bytes) -> bytes:
        """There is no serial port in this state."""
        return b""

    def look(self) -> None:
        """A complete UF2 file for this chip goes into the flash."""
        for path in self._place.glob("*"):
            if path.name == "INFO_UF2.TXT" or not path.is_file():
                continue
            parts = uf2_parts(path.read_bytes(), RP2040_FAMILY)
            if parts:
                for address, payload in parts:
                    self._flash.write(address - RP2040_FLASH_ADDRESS, payload)
                self._written = True

    def wants_boot(self) -> bool:
        """After a file; without anything bootable in it the drive comes back."""
        if not self._written:
            return False
        self._written = False
        return bootable(self._flash, self._unit.mcu)

    def is_key(self, data: bytes) -> bool:
        """There is no serial port in this state."""
        return False

    def complaint(self) -> bytes:
        """There is no serial port in this state."""
        return b""


def loader_of(unit: Unit, flash: Flash, directory: Path) -> Loader:
    """The loader of a unit's chip."""
    if unit.mcu in CHIPS:
        return EspLoader(unit, flash)
    return Uf2Loader(unit, flash, directory)
