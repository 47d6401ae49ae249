"""A 1-Wire line between a board and its device models: wired AND, slots, the search algorithm.

The models know single slots only; bytes and search passes are put together here, as the C code of the ports does.
"""

from __future__ import annotations

from collections.abc import Sequence

from bench.chips.ports import OneWirePeer

RESET_US = 960  # reset pulse and presence window, Maxim application note 126
SLOT_US = 70  # write or read slot with recovery
SEARCH_ROM = 0xF0
ROM_BITS = 64
FIRST_SEARCH = ROM_BITS + 1  # "last discrepancy" of the first pass


class OneWireLine:
    """The devices that share one line; an empty line reads ones."""

    def __init__(self, peers: Sequence[OneWirePeer]) -> None:
        self._peers = peers

    def reset(self) -> bool:
        """Reset pulse; whether any device answered. All devices hear it."""
        answers = [peer.reset() for peer in self._peers]
        return any(answers)

    def write(self, data: bytes, bits: int) -> None:
        """Write `bits` bits, lowest first."""
        for i in range(bits):
            bit = data[i >> 3] >> (i & 7) & 1
            for peer in self._peers:
                peer.write_bit(bit)

    def read_bit(self) -> int:
        """One read slot."""
        level = 1
        for peer in self._peers:
            level &= peer.read_bit()
        return level

    def read(self, bits: int) -> bytes:
        """Read `bits` bits, lowest first; a single bit comes as one byte."""
        data = bytearray((bits + 7) // 8)
        for i in range(bits):
            data[i >> 3] |= self.read_bit() << (i & 7)
        return bytes(data)

    def search(self, last_rom: bytes, last_branch: int) -> tuple[bytes, int] | None:
        """One pass of the ROM search (Maxim application note 187).

        `last_branch` counts bits down from the end: 65 at the first pass; the result's branch goes into the next
        pass and is 0 after the last device. None when nothing answers.
        """
        if not self.reset():
            return None
        self.write(bytes((SEARCH_ROM,)), 8)
        rom = bytearray(8)
        next_branch = 0
        for i in range(ROM_BITS):
            place = ROM_BITS - i
            zero, one = self.read_bit(), self.read_bit()
            if zero and one:
                return None
            if zero != one:
                bit = zero
            else:
                came_from = last_rom[i >> 3] >> (i & 7) & 1
                bit = 1 if last_branch == place else (came_from if last_branch < place else 0)
                if not bit:
                    next_branch = place
            rom[i >> 3] |= bit << (i & 7)
            self.write(bytes((bit,)), 1)
        return bytes(rom), next_branch
