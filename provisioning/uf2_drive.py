"""Flashing by copying to a boot drive: the UF2 way of RP2040 and nRF52840 boards.

The drive is a small FAT volume with a file INFO_UF2.TXT that names the board. It vanishes when the last block
has been taken; the board then starts and its serial port comes back.
"""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from provisioning.errors import BoardError, BoardSilent, PortError, WrongBoard
from provisioning.images import Image
from provisioning.work import Work

RETURN_DEADLINE_S = 20.0  # drive away, port back (provisioning facts F)
PAUSE_S = 0.2
# Where desktop systems and the Raspberry Pi mount a stick.
_MOUNTS = ("/media/*/*", "/run/media/*/*", "/mnt/*", "/Volumes/*")
INFO = "INFO_UF2.TXT"


def flash(work: Work, image: Image) -> None:
    """Bring the board into its boot loader, copy the image, wait until the board is back."""
    drive = work.options.boot_drive or find_drive()
    if drive is None:
        _ask_for_boot_loader(work)
        drive = _wait_for_drive()
    check_drive(drive, work)
    copy(image.path, drive)
    _wait_until_gone(drive)
    _wait_for_port(work)


def find_drive() -> Path | None:
    """A mounted boot drive, the first by name."""
    for pattern in _MOUNTS:
        for candidate in sorted(Path("/").glob(pattern[1:])):
            if (candidate / INFO).is_file():
                return candidate
    return None


def read_info(drive: Path) -> dict[str, str]:
    """`Key: value` lines of INFO_UF2.TXT, keys in lower case."""
    try:
        text = (drive / INFO).read_text("ascii", "replace")
    except OSError as error:
        raise BoardError("drive-unreadable", drive=drive, reason=str(error)) from None
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key.strip().lower(): value.strip() for key, value in pairs}


def check_drive(drive: Path, work: Work) -> None:
    """WrongBoard when the drive belongs to another board. An RP2040 says RPI-RP2 whatever it is built into."""
    wanted = work.facts.FIRMWARE.get("drive_id", "RPI-RP2")
    found = read_info(drive).get("board-id", "?")
    if found != wanted:
        raise WrongBoard("drive-differs", drive=drive, wanted=wanted, found=found)


def copy(image: Path, drive: Path) -> None:
    """Copy and push it out to the drive. The boot loader may leave in the middle of the last block's answer."""
    target = drive / image.name
    try:
        with image.open("rb") as source, target.open("wb") as sink:
            shutil.copyfileobj(source, sink)
            sink.flush()
            os.fsync(sink.fileno())
    except OSError as error:
        if drive.exists() and (drive / INFO).exists():
            raise BoardError("drive-write", drive=drive, reason=str(error)) from None


def _ask_for_boot_loader(work: Work) -> None:
    try:
        link = work.link()
    except (BoardSilent, PortError):
        raise BoardSilent("drive-missing") from None
    link.enter_boot_loader()
    work.release_port()


def _wait_for_drive() -> Path:
    until = time.monotonic() + RETURN_DEADLINE_S
    while time.monotonic() < until:
        if (drive := find_drive()) is not None:
            return drive
        time.sleep(PAUSE_S)
    raise BoardSilent("drive-missing")


def _wait_until_gone(drive: Path) -> None:
    until = time.monotonic() + RETURN_DEADLINE_S
    while (drive / INFO).exists():
        if time.monotonic() >= until:
            raise BoardSilent("drive-stays", drive=drive)
        time.sleep(PAUSE_S)


def _wait_for_port(work: Work) -> None:
    until = time.monotonic() + RETURN_DEADLINE_S
    while True:
        try:
            work.port  # noqa: B018  (asks whether it is there)
        except PortError:
            if time.monotonic() >= until:
                raise
            time.sleep(PAUSE_S)
        else:
            return
