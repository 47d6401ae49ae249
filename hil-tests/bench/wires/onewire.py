"""The stock `onewire` and `ds18x20` modules, as interfaces, over 1-Wire models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from bench.chips.ports import OneWirePeer
from bench.schedule import Schedule
from bench.wires.buses import Buffer
from bench.wires.clock import pass_time


class _Slots(Protocol):
    """What `HostDS18X20` needs of a 1-Wire bus: the methods of the stock `onewire.OneWire`."""

    SKIP_ROM: int

    def reset(self, required: bool = False) -> bool: ...
    def writebyte(self, value: int) -> None: ...
    def write(self, buf: Buffer) -> None: ...
    def readinto(self, buf: bytearray) -> None: ...
    def select_rom(self, rom: Buffer) -> None: ...
    def scan(self) -> list[bytearray]: ...
    def crc8(self, data: Buffer) -> int: ...


class OneWireError(Exception):
    """Nobody answered a reset pulse that needed an answer (same name as in the stock `onewire`)."""


class HostOneWire:
    """The interface of the stock `onewire.OneWire`, over models that share the line as a wired AND."""

    SEARCH_ROM = 0xF0
    MATCH_ROM = 0x55
    SKIP_ROM = 0xCC

    RESET_US = 960
    """480 us low and at least 480 us to see the presence pulse (DS18B20 datasheet, figure 15)."""
    SLOT_US = 65
    """60 us for a slot and some recovery (DS18B20 datasheet, figure 16)."""

    def __init__(self, schedule: Schedule, peers: Sequence[OneWirePeer]) -> None:
        self._schedule = schedule
        self._peers = peers

    def reset(self, required: bool = False) -> bool:
        """A reset pulse; True when somebody is there."""
        pass_time(self._schedule, self.RESET_US)
        answers = [peer.reset() for peer in self._peers]
        present = any(answers)
        if required and not present:
            raise OneWireError
        return present

    def readbit(self) -> int:
        """One read slot."""
        pass_time(self._schedule, self.SLOT_US)
        level = 1
        for peer in self._peers:
            level &= peer.read_bit()
        return level

    def writebit(self, value: int) -> None:
        """One write slot."""
        pass_time(self._schedule, self.SLOT_US)
        for peer in self._peers:
            peer.write_bit(value & 1)

    def readbyte(self) -> int:
        """Eight read slots, least significant bit first."""
        return sum(self.readbit() << position for position in range(8))

    def writebyte(self, value: int) -> None:
        """Eight write slots, least significant bit first."""
        for position in range(8):
            self.writebit(value >> position & 1)

    def readinto(self, buf: bytearray) -> None:
        """Fill `buf`."""
        for index in range(len(buf)):
            buf[index] = self.readbyte()

    def write(self, buf: Buffer) -> None:
        """Write all of `buf`."""
        for byte in bytes(buf):
            self.writebyte(byte)

    def select_rom(self, rom: Buffer) -> None:
        """Reset and address one device."""
        self.reset()
        self.writebyte(self.MATCH_ROM)
        self.write(rom)

    def scan(self) -> list[bytearray]:
        """All ROM codes on the line, found by the search algorithm (Maxim application note 187)."""
        found: list[bytearray] = []
        branch = -1
        previous = bytearray(8)
        while True:
            outcome = self._search_once(previous, branch)
            if outcome is None:
                return found
            rom, branch = outcome
            found.append(rom)
            previous = rom
            if branch < 0:
                return found

    def _search_once(self, previous: bytearray, branch: int) -> tuple[bytearray, int] | None:
        """One pass of the search: the way of `previous` up to bit `branch`, there 1, then 0 wherever both answer."""
        if not self.reset():
            return None
        self.writebyte(self.SEARCH_ROM)
        rom = bytearray(8)
        next_branch = -1
        for position in range(64):
            true_bit, complement = self.readbit(), self.readbit()
            if true_bit and complement:
                return None  # nobody answers any more
            if true_bit != complement:
                chosen = true_bit
            else:
                before = previous[position >> 3] >> (position & 7) & 1
                chosen = before if position < branch else int(position == branch)
                if not chosen:
                    next_branch = position
            self.writebit(chosen)
            rom[position >> 3] |= chosen << (position & 7)
        return rom, next_branch

    def crc8(self, data: Buffer) -> int:
        """CRC-8/MAXIM: polynomial 0x31 reflected, start 0 (Maxim application note 27)."""
        crc = 0
        for byte in bytes(data):
            crc ^= byte
            for _ in range(8):
                crc = crc >> 1 ^ (0x8C if crc & 1 else 0)
        return crc


class HostDS18X20:
    """The interface of the stock `ds18x20.DS18X20`, weaknesses included: a bare `Exception`, no further checks."""

    FAMILIES = (0x10, 0x22, 0x28)

    def __init__(self, onewire: _Slots) -> None:
        self.ow = onewire
        self.buf = bytearray(9)

    def scan(self) -> list[bytearray]:
        """ROM codes of all thermometers."""
        return [rom for rom in self.ow.scan() if rom[0] in self.FAMILIES]

    def convert_temp(self) -> None:
        """Start a conversion in all thermometers; does not wait."""
        self.ow.reset(True)
        self.ow.writebyte(self.ow.SKIP_ROM)
        self.ow.writebyte(0x44)

    def read_scratch(self, rom: Buffer) -> bytearray:
        """The nine bytes of the scratchpad, in a buffer that the next call uses again."""
        self.ow.reset(True)
        self.ow.select_rom(rom)
        self.ow.writebyte(0xBE)
        self.ow.readinto(self.buf)
        if self.ow.crc8(self.buf):
            raise Exception("CRC error")
        return self.buf

    def write_scratch(self, rom: Buffer, buf: Buffer) -> None:
        """Write TH, TL and configuration."""
        self.ow.reset(True)
        self.ow.select_rom(rom)
        self.ow.writebyte(0x4E)
        self.ow.write(buf)

    def read_temp(self, rom: Buffer) -> float | None:
        """Temperature in degrees Celsius; None for a DS18S20 that has lost its count."""
        buf = self.read_scratch(rom)
        raw = int.from_bytes(buf[:2], "little", signed=True)
        if rom[0] != 0x10:
            return raw / 16
        if not buf[7]:
            return None
        return (raw >> 1) - 0.25 + (buf[7] - buf[6]) / buf[7]
