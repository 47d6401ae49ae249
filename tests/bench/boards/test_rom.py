"""The model of the ROM loader, frame by frame: what esptool's retries rely on."""

from __future__ import annotations

import struct

from bench.boards.chips import ESP32, ESP32S3
from bench.boards.rom import RomLoader, SlipDecoder, slip

MAC = bytes.fromhex("025a7a010203")
SYNC = b"\x07\x07\x12\x20" + b"\x55" * 32


class Memory:
    def __init__(self) -> None:
        self.cells = bytearray(b"\xff" * 0x10000)

    def read(self, offset: int, size: int) -> bytes:
        return bytes(self.cells[offset : offset + size])

    def write(self, offset: int, data: bytes) -> None:
        self.cells[offset : offset + len(data)] = data

    def erase(self, offset: int, size: int) -> None:
        self.write(offset, b"\xff" * size)


def request(op: int, data: bytes = b"", checksum: int = 0) -> bytes:
    return slip(struct.pack("<BBHI", 0, op, len(data), checksum) + data)


def answers(wire: bytes) -> list[bytes]:
    return SlipDecoder().feed(wire)


def test_escapes_survive_the_framing_both_ways() -> None:
    payload = bytes(range(256)) + b"\xc0\xdb\xdc\xdd\xc0"

    assert answers(slip(payload)) == [payload]
    assert SlipDecoder().feed(b"noise" + slip(b"a") + slip(b"b")) == [b"a", b"b"]


def test_a_frame_may_come_byte_by_byte() -> None:
    rom = RomLoader(ESP32, Memory(), 0x400000, MAC)

    wire = b"".join(rom.feed(bytes((byte,))) for byte in request(0x08, SYNC))

    assert len(answers(wire)) == 8


def test_sync_tells_the_rom_from_the_stub() -> None:
    rom = RomLoader(ESP32, Memory(), 0x400000, MAC)
    before = answers(rom.feed(request(0x08, SYNC)))[0]
    started = answers(rom.feed(request(0x06, struct.pack("<II", 0, 0x400BE598))))
    after = answers(rom.feed(request(0x08, SYNC)))[0]

    assert struct.unpack_from("<I", before, 4)[0] != 0
    assert started[-1] == b"OHAI"
    assert struct.unpack_from("<I", after, 4)[0] == 0
    assert (len(before), len(after)) == (12, 10), "the ROM has two more status bytes"


def test_an_unknown_command_and_a_wrong_check_sum_are_refused() -> None:
    rom = RomLoader(ESP32, Memory(), 0x400000, MAC)

    assert answers(rom.feed(request(0x14)))[0][8:10] == bytes((1, 5))
    rom.feed(request(0x02, struct.pack("<IIII", 4, 1, 0x400, 0)))
    bad = answers(rom.feed(request(0x03, struct.pack("<IIII", 4, 0, 0, 0) + b"abcd", checksum=1)))
    assert bad[0][8:10] == bytes((1, 7))


def test_only_the_younger_chip_answers_its_security_info() -> None:
    rom = RomLoader(ESP32S3, Memory(), 0x400000, MAC)

    info = answers(rom.feed(request(0x14)))[0]

    assert struct.unpack_from("<I", info, 8 + 12)[0] == ESP32S3.image_chip_id


def test_a_block_goes_where_the_flasher_says_after_an_erase() -> None:
    memory = Memory()
    memory.write(0x1000, b"old" * 100)
    rom = RomLoader(ESP32, memory, 0x400000, MAC)
    checksum = 0xEF
    for byte in b"new!":
        checksum ^= byte

    rom.feed(request(0x02, struct.pack("<IIII", 4, 1, 0x400, 0x1000)))
    rom.feed(request(0x03, struct.pack("<IIII", 4, 0, 0, 0) + b"new!", checksum))

    assert memory.read(0x1000, 8) == b"new!\xff\xff\xff\xff"


def test_the_flash_says_its_size_through_the_spi_engine() -> None:
    rom = RomLoader(ESP32, Memory(), 0x400000, MAC)
    base = ESP32.spi.base
    rom.feed(request(0x09, struct.pack("<IIII", base + 0x24, 0x9F, 0xFFFFFFFF, 0)))
    rom.feed(request(0x09, struct.pack("<IIII", base, 1 << 18, 0xFFFFFFFF, 0)))

    done = answers(rom.feed(request(0x0A, struct.pack("<I", base))))[0]
    flash_id = answers(rom.feed(request(0x0A, struct.pack("<I", base + 0x80))))[0]

    assert struct.unpack_from("<I", done, 4)[0] == 0
    assert struct.unpack_from("<I", flash_id, 4)[0] == 0x1640EF
