"""The serial loader in the ROM of an ESP chip, and the flasher stub that esptool loads into its RAM.

Pure: bytes from the flasher in, bytes for it out; what is written goes to the memory handed in. The stub's code is
taken and not run: after its start this model follows the stub's rules instead of the ROM's.

    ROM   --MEM_END with an entry point, "OHAI"-->  stub
    either --FLASH_END(0), DEFL_END(0), RUN_USER_CODE-->  `wants_reboot`

Protocol: esptool documentation, "Serial Protocol"; esptool 5.6 loader.py.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Callable
from typing import Protocol

from bench.boards.chips import SFDP, EspChip, flash_id

END, ESCAPE, ESCAPED_END, ESCAPED_ESCAPE = 0xC0, 0xDB, 0xDC, 0xDD
SYNC_MARK = bytes.fromhex("c0000824")
"""How a SYNC request starts on the wire: a flasher is at work."""
SECTOR_BYTES = 4096
CHECKSUM_SEED = 0xEF
UNKNOWN_COMMAND = (1, 5)
BAD_CHECKSUM = (1, 7)
BAD_DATA = (1, 0xC9)
SUCCESS = (0, 0)
READ_AHEAD = 2  # data frames of READ_FLASH sent before the first acknowledgement; a PTY holds about 20 kB
SPI_START = 1 << 18
READ_ID, READ_SFDP = 0x9F, 0x5A
STUB_GREETING = b"OHAI"


class Memory(Protocol):
    """The flash chip."""

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from it."""

    def write(self, offset: int, data: bytes) -> None:
        """Bytes onto it."""

    def erase(self, offset: int, size: int) -> None:
        """Bytes to 0xFF."""


class SlipDecoder:
    """Bytes to frames; what is outside of frames is dropped."""

    def __init__(self) -> None:
        self._frame: bytearray | None = None
        self._escaped = False

    @property
    def between_frames(self) -> bool:
        """Whether no frame has begun."""
        return not self._frame

    def feed(self, data: bytes) -> list[bytes]:
        """The frames that are complete now."""
        frames = []
        for byte in data:
            if byte == END:
                if self._frame:
                    frames.append(bytes(self._frame))
                    self._frame = None
                else:
                    self._frame = bytearray()
            elif self._frame is not None:
                if self._escaped:
                    self._frame.append({ESCAPED_END: END, ESCAPED_ESCAPE: ESCAPE}.get(byte, byte))
                    self._escaped = False
                elif byte == ESCAPE:
                    self._escaped = True
                else:
                    self._frame.append(byte)
        return frames


def slip(frame: bytes) -> bytes:
    """A frame for the wire."""
    return b"\xc0" + frame.replace(b"\xdb", b"\xdb\xdd").replace(b"\xc0", b"\xdb\xdc") + b"\xc0"


class RomLoader:
    """One chip in its loader, from reset on."""

    def __init__(self, chip: EspChip, memory: Memory, flash_bytes: int, mac: bytes) -> None:
        self.wants_reboot = False
        self._chip = chip
        self._memory = memory
        self._flash_bytes = flash_bytes
        self._registers = chip.registers(mac)
        self._decoder = SlipDecoder()
        self._stub = False
        self._place = 0
        self._block_bytes = 0x400
        self._inflate: zlib._Decompress | None = None
        self._reading: list[bytes] = []
        self._commands: dict[int, Callable[[bytes], bytes | tuple[int, int]]] = {
            0x02: self._flash_begin,
            0x03: self._flash_data,
            0x04: self._flash_end,
            0x05: lambda _: b"",  # MEM_BEGIN: the stub comes
            0x06: self._mem_end,
            0x07: lambda _: b"",  # MEM_DATA
            0x09: self._write_registers,
            0x0B: lambda _: b"",  # SPI_SET_PARAMS
            0x0D: lambda _: b"",  # SPI_ATTACH
            0x0E: self._read_flash_slow,
            0x0F: lambda _: b"",  # CHANGE_BAUDRATE: a PTY has none
            0x10: self._deflate_begin,
            0x11: self._deflate_data,
            0x12: self._flash_end,
            0x13: self._md5,
        }
        self._stub_commands: dict[int, Callable[[bytes], bytes | tuple[int, int]]] = {
            0xD0: lambda _: self._erase(0, self._flash_bytes),
            0xD1: lambda data: self._erase(*struct.unpack("<II", data[:8])),
            0xD2: self._read_flash,
            0xD3: self._run_user_code,
        }
        if chip.answers_security_info:
            self._commands[0x14] = lambda _: self._chip.security_info()

    @property
    def between_frames(self) -> bool:
        """Whether the flasher is not in the middle of a frame."""
        return self._decoder.between_frames

    def feed(self, data: bytes) -> bytes:
        """Bytes from the flasher; the bytes of the answers."""
        return b"".join(self._hear(frame) for frame in self._decoder.feed(data))

    def _hear(self, frame: bytes) -> bytes:
        if len(frame) < 8:  # an acknowledgement of READ_FLASH is a bare counter
            return slip(self._reading.pop(0)) if self._reading else b""
        direction, op, size, checksum = struct.unpack_from("<BBHI", frame)
        data = frame[8:]
        if direction != 0 or len(data) != size:
            return b""
        if op == 0x08:
            return self._answer(op, b"", value=0 if self._stub else 0x20120707) * 8
        if op == 0x0A:
            return self._answer(op, b"", value=self._registers.get(struct.unpack("<I", data)[0], 0))
        command = self._commands.get(op) or (self._stub_commands.get(op) if self._stub else None)
        if command is None:
            return self._answer(op, b"", UNKNOWN_COMMAND)
        if op in (0x03, 0x07, 0x11) and _checksum(data[16:]) != checksum:
            return self._answer(op, b"", BAD_CHECKSUM)
        was_stub = self._stub
        result = command(data)
        if isinstance(result, tuple):
            return self._answer(op, b"", result)
        answer = self._answer(op, result, stub=was_stub)
        if self._stub and not was_stub:
            answer += slip(STUB_GREETING)
        if op == 0xD2:
            answer += b"".join(slip(part) for part in self._reading[:READ_AHEAD])
            del self._reading[:READ_AHEAD]
        return answer

    def _answer(
        self, op: int, data: bytes, status: tuple[int, int] = SUCCESS, value: int = 0, stub: bool | None = None
    ) -> bytes:
        """A response frame; the ROM puts two reserved bytes behind the status, the stub does not."""
        in_stub = self._stub if stub is None else stub
        body = data + bytes(status) + (b"" if in_stub else b"\0\0")
        return slip(struct.pack("<BBHI", 1, op, len(body), value) + body)

    # Writing

    def _flash_begin(self, data: bytes) -> bytes:
        size, _, self._block_bytes, self._place = struct.unpack_from("<IIII", data)
        self._inflate = None
        self._erase(self._place, size)
        return b""

    def _deflate_begin(self, data: bytes) -> bytes:
        self._flash_begin(data)
        self._inflate = zlib.decompressobj()
        return b""

    def _flash_data(self, data: bytes) -> bytes:
        size, number = struct.unpack_from("<II", data)
        self._memory.write(self._place + number * self._block_bytes, data[16 : 16 + size])
        return b""

    def _deflate_data(self, data: bytes) -> bytes | tuple[int, int]:
        if self._inflate is None:
            return BAD_DATA
        try:
            plain = self._inflate.decompress(data[16:])
        except zlib.error:
            return BAD_DATA
        self._memory.write(self._place, plain)
        self._place += len(plain)
        return b""

    def _flash_end(self, data: bytes) -> bytes:
        self.wants_reboot = struct.unpack_from("<I", data)[0] == 0
        return b""

    def _erase(self, offset: int, size: int) -> bytes:
        first = offset - offset % SECTOR_BYTES
        self._memory.erase(first, -(-(offset + size - first) // SECTOR_BYTES) * SECTOR_BYTES)
        return b""

    # Reading

    def _md5(self, data: bytes) -> bytes:
        offset, size = struct.unpack_from("<II", data)
        digest = hashlib.md5(self._memory.read(offset, size), usedforsecurity=False)
        return digest.digest() if self._stub else digest.hexdigest().encode()

    def _read_flash_slow(self, data: bytes) -> bytes:
        offset, size = struct.unpack_from("<II", data)
        return self._memory.read(offset, min(size, 64)).ljust(64, b"\0")

    def _read_flash(self, data: bytes) -> bytes:
        offset, size, block_bytes = struct.unpack_from("<III", data)
        content = self._memory.read(offset, size)
        self._reading = [content[i : i + block_bytes] for i in range(0, size, block_bytes)]
        self._reading.append(hashlib.md5(content, usedforsecurity=False).digest())
        return b""

    # The rest

    def _mem_end(self, data: bytes) -> bytes:
        stays, entry = struct.unpack_from("<II", data)
        self._stub = bool(entry and not stays)
        return b""

    def _run_user_code(self, _: bytes) -> bytes:
        self.wants_reboot = True
        return b""

    def _write_registers(self, data: bytes) -> bytes:
        for i in range(0, len(data) - 15, 16):
            address, value, mask, _ = struct.unpack_from("<IIII", data, i)
            self._registers[address] = self._registers.get(address, 0) & ~mask | value & mask
        self._run_spi()
        return b""

    def _run_spi(self) -> None:
        """The SPI engine: a set start bit runs the prepared flash command and clears itself."""
        spi, registers = self._chip.spi, self._registers
        command = registers.get(spi.base + spi.command, 0)
        if command & SPI_START:
            registers[spi.base + spi.command] = command & ~SPI_START
            opcode = registers.get(spi.base + spi.user2, 0) & 0xFF
            answers = {READ_ID: flash_id(self._flash_bytes), READ_SFDP: SFDP}
            registers[spi.base + spi.data] = answers.get(opcode, 0)


def _checksum(data: bytes) -> int:
    value = CHECKSUM_SEED
    for byte in data:
        value ^= byte
    return value
