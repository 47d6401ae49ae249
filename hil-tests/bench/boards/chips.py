"""What the ROM loader of each ESP chip shows to a flasher: one page a chip, addresses and values.

Sources: esptool 5.6 targets (register names and meaning), ESP32 and ESP32-S3 technical reference manuals (eFuse, SPI).
"""

from __future__ import annotations

from dataclasses import dataclass

FLASH_VENDOR = 0xEF  # Winbond
FLASH_TYPE = 0x40
SFDP = 0x50444653  # "SFDP": the flash answers its parameter table


@dataclass(frozen=True, slots=True)
class SpiRegisters:
    """The SPI engine through which a flasher asks the flash chip for its id."""

    base: int
    user: int
    user1: int
    user2: int
    data: int
    command: int = 0x00
    address: int = 0x04


@dataclass(frozen=True, slots=True)
class EspChip:
    """One chip."""

    name: str
    image_chip_id: int
    """u16 at byte 12 of an image header (ESP-IDF esp_chip_id_t)."""
    image_offset: int
    """Where its bootloader lies in the flash."""
    load_address: int
    """Where constants of an application are mapped (first segment, holds the descriptor)."""
    boot_address: int
    """Where the second-stage boot loader's data goes."""
    entry: int
    spi: SpiRegisters
    answers_security_info: bool

    def registers(self, mac: bytes) -> dict[int, int]:
        """Registers that are not zero, for a chip with this address."""
        high, low = int.from_bytes(mac[:2], "big"), int.from_bytes(mac[2:], "big")
        if self.name == "esp32":
            return {
                0x40001000: 0x00F01D83,  # the word by which esptool knows an ESP32
                0x3FF5A004: low,
                0x3FF5A008: _mac_crc(mac) << 16 | high,
                0x3FF5A00C: 1 << 15,  # revision 1 and later ...
                0x3FF5A014: 1 << 20,  # ... 2 ...
                0x3FF6607C: 1 << 31,  # ... 3
                0x3FF40014: 347,  # UART divider at 115200 baud: a 40 MHz crystal
            }
        return {0x60007044: low, 0x60007048: high}

    def security_info(self) -> bytes:
        """GET_SECURITY_INFO: nothing locked (u32 flags, u8 crypt count, 7 key purposes, u32 chip, u32 API)."""
        return bytes(12) + self.image_chip_id.to_bytes(4, "little") + bytes(4)


ESP32 = EspChip(
    name="esp32",
    image_chip_id=0,
    image_offset=0x1000,
    load_address=0x3F400020,
    boot_address=0x3FFF0030,
    entry=0x40080000,
    spi=SpiRegisters(base=0x3FF42000, user=0x1C, user1=0x20, user2=0x24, data=0x80),
    answers_security_info=False,
)
ESP32S3 = EspChip(
    name="esp32s3",
    image_chip_id=9,
    image_offset=0x0,
    load_address=0x3C000020,
    boot_address=0x3FCE3820,
    entry=0x40374000,
    spi=SpiRegisters(base=0x60002000, user=0x18, user1=0x1C, user2=0x20, data=0x58),
    answers_security_info=True,
)
CHIPS = {chip.name: chip for chip in (ESP32, ESP32S3)}


def flash_id(flash_bytes: int) -> int:
    """JEDEC id as the flasher reads it: vendor, type, log2 of the size."""
    return FLASH_VENDOR | FLASH_TYPE << 8 | (flash_bytes.bit_length() - 1) << 16


def _mac_crc(mac: bytes) -> int:
    """CRC-8 beside the MAC in the eFuses (polynomial x^8 + x^5 + x^4 + 1, reflected)."""
    crc = 0
    for byte in mac:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0x8C if crc & 1 else crc >> 1
    return crc
