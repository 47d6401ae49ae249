"""Small parts for the tests of the virtual boards: just enough of a chip to see what a bus carries."""

from __future__ import annotations

from collections.abc import Callable

from bench.boards import Board
from bench.chips.ports import Nak


def printed(board: Board) -> list[str]:
    """The lines of the program itself: without the banner, the prompt and the closing word."""
    lines = board.console.replace("\r", "").split("\n")
    return lines[: lines.index("done")]


class Registers:
    """An I2C chip with 256 registers and a pointer, as EEPROMs have them."""

    def __init__(self, address: int = 0x50) -> None:
        self.address = address
        self.cells = bytearray(range(256))
        self.refuses = False
        self._pointer = 0

    def write(self, data: bytes) -> None:
        if self.refuses:
            raise Nak
        if data:
            self._pointer = data[0]
            self.cells[self._pointer : self._pointer + len(data) - 1] = data[1:]

    def read(self, count: int) -> bytes:
        if self.refuses:
            raise Nak
        return bytes(self.cells[(self._pointer + i) & 0xFF] for i in range(count))


class Inverter:
    """An SPI chip that answers the complement of what it gets and notes its commands."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self._now = b""

    def select(self) -> None:
        self._now = b""

    def transfer(self, data: bytes) -> bytes:
        self._now += data
        return bytes(byte ^ 0xFF for byte in data)

    def deselect(self) -> None:
        self.commands.append(self._now)


class Echo:
    """A UART device that answers each message with the same bytes, after a while."""

    baud = 9600

    def __init__(self, answer_after: Callable[[Callable[[], None]], None]) -> None:
        self._answer_after = answer_after
        self.heard = b""

    def connect(self, on_bytes: Callable[[bytes], None]) -> None:
        self.send = on_bytes

    def receive(self, data: bytes) -> None:
        self.heard += data
        self._answer_after(lambda: self.send(data))


class RomOnly:
    """A 1-Wire device that knows its ROM code and answers a scratchpad of nine bytes (DS18B20 layout)."""

    def __init__(self, rom: bytes, scratch: bytes) -> None:
        self._rom_bits = [rom[i >> 3] >> (i & 7) & 1 for i in range(64)]
        self._scratch_bits = [scratch[i >> 3] >> (i & 7) & 1 for i in range(72)]
        self._state = "idle"
        self._bits: list[int] = []
        self._out: list[int] = []

    def reset(self) -> bool:
        self._state, self._bits, self._out = "rom", [], []
        return True

    def write_bit(self, bit: int) -> None:
        self._bits.append(bit)
        if self._state in ("rom", "function") and len(self._bits) == 8:
            command = sum(value << i for i, value in enumerate(self._bits))
            self._bits = []
            if self._state == "function":
                self._out = list(self._scratch_bits) if command == 0xBE else []
            else:
                self._state = {0xF0: "search", 0x55: "match", 0xCC: "function"}.get(command, "idle")
                self._place, self._turn = 0, 0
        elif self._state == "match" and len(self._bits) == 64:
            self._state = "function" if self._bits == self._rom_bits else "idle"
            self._bits = []
        elif self._state == "search":
            if bit != self._rom_bits[self._place]:
                self._state = "idle"
            self._place += 1
            self._turn = 0

    def read_bit(self) -> int:
        if self._state == "search" and self._place < 64:
            self._turn += 1
            return self._rom_bits[self._place] ^ (self._turn == 2)
        return self._out.pop(0) if self._out else 1
