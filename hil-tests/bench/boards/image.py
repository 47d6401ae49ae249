"""Firmware images of the virtual boards: small files with true headers, clearly labelled as simulated.

What a chip's boot ROM checks is checked here too, so a virtual unit boots from these and from a genuine MicroPython
image alike, and from nothing else. The interpreter that then runs is the bench's; the image decides only whether.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from typing import Protocol

from bench.boards.chips import CHIPS, EspChip

IMAGE_MAGIC = 0xE9
APP_DESCRIPTOR_MAGIC = 0xABCD5432  # ESP-IDF esp_app_desc.h
BOOT_DESCRIPTOR_MAGIC = 80  # ESP-IDF esp_bootloader_desc.h
PARTITION_MAGIC = b"\xaa\x50"
TABLE_OFFSET = 0x8000
APP_OFFSET = 0x10000
TABLE_BYTES = 0xC00
VERSION = "1.29.0-simulated"
PROJECT = "spatz-bench-simulated"
UF2_MAGIC_0, UF2_MAGIC_1, UF2_MAGIC_END = 0x0A324655, 0x9E5D5157, 0x0AB16F30
UF2_FAMILY_PRESENT = 0x2000
UF2_BLOCK_BYTES, UF2_PAYLOAD_BYTES = 512, 256
RP2040_FAMILY = 0xE48BFF56
RP2040_FLASH_ADDRESS = 0x10000000
RP2040_BOOT_BYTES = 252  # second-stage boot loader, followed by its CRC-32 (RP2040 datasheet 2.8.1.3.1)

PARTITIONS = (  # ports/esp32 partitions-4MiBplus.csv; the file system is what the port adds at first boot
    ("nvs", 1, 0x02, 0x9000, 0x6000),
    ("phy_init", 1, 0x01, 0xF000, 0x1000),
    ("factory", 0, 0x00, APP_OFFSET, 0x1F0000),
)


class Readable(Protocol):
    """The flash."""

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from it."""


def virtual_image(chip: str) -> bytes:
    """A simulated firmware image for `chip`: "esp32", "esp32s3" (to be written at the chip's bootloader offset) or
    "rp2040" (a UF2 file)."""
    if chip == "rp2040":
        return _rp2040_uf2()
    esp = CHIPS[chip]
    label = b"Spatz virtual board: simulated, holds no code".ljust(64)
    boot = _esp_image(esp, esp.boot_address, _boot_descriptor() + label)
    app = _esp_image(esp, esp.load_address, _app_descriptor() + label)
    image = bytearray(b"\xff" * (APP_OFFSET - esp.image_offset))
    image[: len(boot)] = boot
    table = _partition_table()
    at = TABLE_OFFSET - esp.image_offset
    image[at : at + len(table)] = table
    return bytes(image) + app


def bootable(flash: Readable, mcu: str) -> bool:
    """Whether the chip's boot ROM and loader would start what is in the flash."""
    if mcu == "rp2040":
        loader = flash.read(0, RP2040_BOOT_BYTES + 4)
        return _crc32_mpeg2(loader[:RP2040_BOOT_BYTES]) == int.from_bytes(loader[RP2040_BOOT_BYTES:], "little")
    chip = CHIPS[mcu]
    return (
        is_image_for(chip, flash.read(chip.image_offset, 24))
        and flash.read(TABLE_OFFSET, 2) == PARTITION_MAGIC
        and is_image_for(chip, flash.read(APP_OFFSET, 24))
    )


def is_image_for(chip: EspChip, header: bytes) -> bool:
    """Whether 24 bytes are the header of an ESP image for this chip (ESP-IDF esp_image_header_t)."""
    return header[0] == IMAGE_MAGIC and 0 < header[1] <= 16 and header[12] | header[13] << 8 == chip.image_chip_id


def _esp_image(chip: EspChip, address: int, content: bytes) -> bytes:
    """One image with one segment, check sum and appended hash."""
    content += bytes(-len(content) % 4)
    header = struct.pack("<BBBBI", IMAGE_MAGIC, 1, 2, 0x20, chip.entry)  # DIO, 4 MB, 40 MHz
    header += struct.pack("<BBBBHBHH4xB", 0xEE, 0, 0, 0, chip.image_chip_id, 0, 0, 0xFFFF, 1)
    image = header + struct.pack("<II", address, len(content)) + content
    checksum = 0xEF
    for byte in content:
        checksum ^= byte
    image += bytes(15 - len(image) % 16) + bytes((checksum,))
    return image + hashlib.sha256(image).digest()


def _text(value: str, size: int) -> bytes:
    return value.encode().ljust(size, b"\0")


def _boot_descriptor() -> bytes:
    """ESP-IDF esp_bootloader_desc_t."""
    return struct.pack("<B3xI", BOOT_DESCRIPTOR_MAGIC, 1) + _text("simulated", 32) + _text("simulated", 24) + bytes(16)


def _app_descriptor() -> bytes:
    """ESP-IDF esp_app_desc_t."""
    head = struct.pack("<II8x", APP_DESCRIPTOR_MAGIC, 0)
    names = _text(VERSION, 32) + _text(PROJECT, 32) + _text("00:00:00", 16) + _text("simulated", 16) + _text("none", 32)
    return head + names + hashlib.sha256(PROJECT.encode()).digest() + bytes(80)


def _partition_table() -> bytes:
    table = b""
    for name, kind, subtype, offset, size in PARTITIONS:
        table += PARTITION_MAGIC + struct.pack("<BBII", kind, subtype, offset, size) + name.encode().ljust(16, b"\0")
        table += bytes(4)
    digest = hashlib.md5(table, usedforsecurity=False).digest()
    return (table + b"\xeb\xeb" + b"\xff" * 14 + digest).ljust(TABLE_BYTES, b"\xff")


def _rp2040_uf2() -> bytes:
    loader = b"Spatz virtual board: simulated boot loader".ljust(RP2040_BOOT_BYTES, b"\0")
    flash = loader + _crc32_mpeg2(loader).to_bytes(4, "little")
    flash += f"{PROJECT} {VERSION}: simulated application, holds no code".encode().ljust(UF2_PAYLOAD_BYTES, b"\0")
    parts = [flash[i : i + UF2_PAYLOAD_BYTES] for i in range(0, len(flash), UF2_PAYLOAD_BYTES)]
    blocks = []
    for number, part in enumerate(parts):
        address = RP2040_FLASH_ADDRESS + number * UF2_PAYLOAD_BYTES
        head = (UF2_MAGIC_0, UF2_MAGIC_1, UF2_FAMILY_PRESENT, address, UF2_PAYLOAD_BYTES, number, len(parts))
        block = struct.pack("<8I", *head, RP2040_FAMILY) + part
        blocks.append(block.ljust(UF2_BLOCK_BYTES - 4, b"\0") + struct.pack("<I", UF2_MAGIC_END))
    return b"".join(blocks)


def uf2_parts(data: bytes, family: int) -> list[tuple[int, bytes]] | None:
    """(flash address, payload) of each block of a UF2 file for `family`; None while the file is incomplete."""
    parts: dict[int, tuple[int, bytes]] = {}
    expected = 1
    for i in range(0, len(data) - UF2_BLOCK_BYTES + 1, UF2_BLOCK_BYTES):
        block = data[i : i + UF2_BLOCK_BYTES]
        magic_0, magic_1, _, address, size, number, expected, its_family = struct.unpack_from("<8I", block)
        if (magic_0, magic_1, its_family) == (UF2_MAGIC_0, UF2_MAGIC_1, family):
            parts[number] = (address, block[32 : 32 + size])
    return list(parts.values()) if len(parts) >= expected else None


def _crc32_mpeg2(data: bytes) -> int:
    """CRC-32/MPEG-2, not reflected: zlib's CRC over bits turned round."""
    turned = bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
    return int(f"{zlib.crc32(turned) ^ 0xFFFFFFFF:032b}"[::-1], 2)
