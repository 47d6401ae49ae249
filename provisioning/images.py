"""Firmware images, judged by their own headers before a byte is sent.

esptool refuses an image for another chip only at the boot loader's address; elsewhere it is a mere note and
the exit status stays 0. So the header is read here, whatever the address.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

from provisioning.errors import ImageRefused, SettingsError

# ESP image header: esptool documentation "Firmware image format".
ESP_MAGIC = 0xE9
ESP_HEADER_BYTES = 24
ESP_MOST_SEGMENTS = 16
ESP_CHIP_ID_AT = 12  # u16, little endian
ESP_CHIPS = {0: "esp32", 2: "esp32s2", 5: "esp32c3", 9: "esp32s3", 13: "esp32c6"}

# UF2: microsoft/uf2 README.
UF2_BLOCK_BYTES = 512
UF2_MAGIC_START = (0x0A324655, 0x9E5D5157)
UF2_MAGIC_END = 0x0AB16F30
UF2_HAS_FAMILY = 0x2000
UF2_NOT_MAIN_FLASH = 0x0001


@dataclass(frozen=True, slots=True)
class Image:
    """An image that has been read and found whole. `sha256` in hex."""

    path: Path
    size: int
    sha256: str


def read_esp_image(path: Path, *, chip_id: int, offset: int, flash_bytes: int, sha256: str | None = None) -> Image:
    """An image for an Espressif chip that fits at `offset`. Raises SettingsError or ImageRefused."""
    data = _read(path, sha256)
    if len(data) < ESP_HEADER_BYTES or data[0] != ESP_MAGIC or not 1 <= data[1] <= ESP_MOST_SEGMENTS:
        raise ImageRefused("image-not-esp", file=path)
    (found,) = struct.unpack_from("<H", data, ESP_CHIP_ID_AT)
    if found != chip_id:
        raise ImageRefused("image-chip", file=path, found=chip_name(found), wanted=chip_name(chip_id))
    if offset + len(data) > flash_bytes:
        raise ImageRefused("image-size", file=path, size=len(data), room=flash_bytes - offset)
    return Image(path, len(data), hashlib.sha256(data).hexdigest())


def read_uf2_image(path: Path, *, family: int, flash_bytes: int, sha256: str | None = None) -> Image:
    """A complete UF2 file for this family of chips. Raises SettingsError or ImageRefused."""
    data = _read(path, sha256)
    count = len(data) // UF2_BLOCK_BYTES
    if not data or len(data) % UF2_BLOCK_BYTES:
        raise ImageRefused("image-not-uf2", file=path, block=count)
    payload = 0
    for number in range(count):
        block = data[number * UF2_BLOCK_BYTES : (number + 1) * UF2_BLOCK_BYTES]
        magic0, magic1, flags, _, size, index, total, found = struct.unpack_from("<8I", block)
        (end,) = struct.unpack_from("<I", block, UF2_BLOCK_BYTES - 4)
        if (magic0, magic1) != UF2_MAGIC_START or end != UF2_MAGIC_END or index != number or total != count:
            raise ImageRefused("image-not-uf2", file=path, block=number)
        if flags & UF2_HAS_FAMILY and found != family:
            raise ImageRefused("image-chip", file=path, found=f"{found:#010x}", wanted=f"{family:#010x}")
        payload += 0 if flags & UF2_NOT_MAIN_FLASH else size
    if payload > flash_bytes:
        raise ImageRefused("image-size", file=path, size=payload, room=flash_bytes)
    return Image(path, len(data), hashlib.sha256(data).hexdigest())


def chip_name(chip_id: int) -> str:
    """The chip as esptool's `--chip` calls it, or its number."""
    return ESP_CHIPS.get(chip_id, f"chip id {chip_id}")


def _read(path: Path, sha256: str | None) -> bytes:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise SettingsError("file-unreadable", file=path, reason=str(error)) from None
    if sha256 is not None and hashlib.sha256(data).hexdigest() != sha256.lower():
        raise ImageRefused("image-hash", file=path)
    return data
