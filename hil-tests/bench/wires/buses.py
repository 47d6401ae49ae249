"""`machine.I2C`, `machine.SPI` and `machine.UART` with chip models behind them."""

from __future__ import annotations

import errno
from collections.abc import Sequence

from bench.chips.ports import ForbiddenUse, I2cPeer, Line, Nak, SpiPeer, UartPeer
from bench.schedule import Schedule
from bench.wires.clock import TICK_CALL_US, pass_time
from bench.wires.pins import HostPin

Buffer = bytes | bytearray | memoryview


class HostI2C:
    """`machine.I2C` with chip models on it. A model that does not acknowledge gives OSError(ENODEV), as on ESP32.

    What a model is written takes effect at the STOP; what is read is what the chip held when it acknowledged
    its address.
    """

    def __init__(self, schedule: Schedule, peers: Sequence[I2cPeer], freq: int = 100_000) -> None:
        self._schedule = schedule
        self._peers = peers
        self._bit_us = 1_000_000 / freq

    def _charge(self, byte_count: int) -> None:
        bits = 9 * byte_count + 1  # 8 bits and the acknowledge each; START or STOP
        pass_time(self._schedule, round(bits * self._bit_us))

    def _peers_at(self, address: int) -> list[I2cPeer]:
        return [peer for peer in self._peers if peer.address == address]

    def scan(self) -> list[int]:
        """The addresses 0x08..0x77 that acknowledge."""
        found = []
        for address in range(0x08, 0x78):
            try:
                self.writeto(address, b"")
            except OSError:
                continue
            found.append(address)
        return found

    def writeto(self, addr: int, buf: Buffer, stop: bool = True) -> int:
        """Write `buf`; the number of acknowledged bytes."""
        self._charge(1 + len(buf))
        acknowledged = False
        for peer in self._peers_at(addr):
            try:
                peer.write(bytes(buf))
                acknowledged = True
            except Nak:
                continue
        if not acknowledged:
            raise OSError(errno.ENODEV)
        return len(buf)

    def readfrom_into(self, addr: int, buf: bytearray | memoryview, stop: bool = True) -> None:
        """Fill `buf`. Two chips on one address pull the line low together, so their bits are ANDed."""
        self._charge(1)
        answers = []
        for peer in self._peers_at(addr):
            try:
                answers.append(peer.read(len(buf)))
            except Nak:
                continue
        if not answers:
            raise OSError(errno.ENODEV)
        self._charge(len(buf))
        for index in range(len(buf)):
            level = 0xFF
            for answer in answers:
                level &= answer[index]
            buf[index] = level

    def readfrom(self, addr: int, nbytes: int, stop: bool = True) -> bytes:
        """Read `nbytes`."""
        buf = bytearray(nbytes)
        self.readfrom_into(addr, buf, stop)
        return bytes(buf)

    def writeto_mem(self, addr: int, memaddr: int, buf: Buffer, *, addrsize: int = 8) -> None:
        """Write `buf` from register `memaddr` on."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big") + bytes(buf))

    def readfrom_mem_into(self, addr: int, memaddr: int, buf: bytearray | memoryview, *, addrsize: int = 8) -> None:
        """Fill `buf` from register `memaddr` on."""
        self.writeto(addr, memaddr.to_bytes(addrsize // 8, "big"), False)
        self.readfrom_into(addr, buf)

    def readfrom_mem(self, addr: int, memaddr: int, nbytes: int, *, addrsize: int = 8) -> bytes:
        """Read `nbytes` from register `memaddr` on."""
        buf = bytearray(nbytes)
        self.readfrom_mem_into(addr, memaddr, buf, addrsize=addrsize)
        return bytes(buf)


class HostSPI:
    """`machine.SPI`. `attach(model)` gives the chip-select pin of that model; low selects."""

    def __init__(self, schedule: Schedule, baudrate: int = 2_000_000) -> None:
        self._schedule = schedule
        self._baudrate = baudrate
        self._peers: list[tuple[SpiPeer, Line]] = []

    def attach(self, peer: SpiPeer) -> HostPin:
        """Put a model on the bus; the returned pin is its chip select, high at first."""
        chip_select = Line(1)
        self._peers.append((peer, chip_select))

        def changed(level: int) -> None:
            if level:
                peer.deselect()
            else:
                peer.select()

        chip_select.watch(changed)
        return HostPin(chip_select)

    def init(self, baudrate: int | None = None, **_line_settings: int) -> None:
        """Change the clock rate; other settings are the same for all our chips (mode 0, MSB first)."""
        if baudrate is not None:
            self._baudrate = baudrate

    def write_readinto(self, write_buf: Buffer, read_buf: bytearray | memoryview) -> None:
        """Clock out `write_buf` and fill `read_buf` of the same length."""
        if len(write_buf) != len(read_buf):
            raise ValueError("buffers must be the same length")
        read_buf[:] = self._transfer(bytes(write_buf))

    def write(self, buf: Buffer) -> None:
        """Clock out `buf`."""
        self._transfer(bytes(buf))

    def readinto(self, buf: bytearray | memoryview, write: int = 0x00) -> None:
        """Fill `buf` while clocking out `write`."""
        buf[:] = self._transfer(bytes((write,)) * len(buf))

    def read(self, nbytes: int, write: int = 0x00) -> bytes:
        """Read `nbytes` while clocking out `write`."""
        return self._transfer(bytes((write,)) * nbytes)

    def _transfer(self, data: bytes) -> bytes:
        pass_time(self._schedule, -(-len(data) * 8 * 1_000_000 // self._baudrate))
        selected = [peer for peer, chip_select in self._peers if chip_select.level == 0]
        if len(selected) > 1:
            raise ForbiddenUse("SPI: two chips are selected at once and drive MISO against each other")
        if not selected:
            return b"\xff" * len(data)
        limit_hz = getattr(selected[0], "max_spi_hz", None)
        if limit_hz is not None and self._baudrate > limit_hz:
            raise ForbiddenUse(f"SPI: {self._baudrate} Hz, but {type(selected[0]).__name__} takes {limit_hz} at most")
        return selected[0].transfer(data)


class HostUART:
    """`machine.UART` with a FIFO of `rxbuf` bytes: what arrives while it is full is lost, as on boards."""

    def __init__(self, schedule: Schedule, peer: UartPeer, baudrate: int = 9600, rxbuf: int = 256) -> None:
        self._schedule = schedule
        self._peer = peer
        self._baudrate = baudrate
        self._rxbuf = rxbuf
        self._fifo = bytearray()
        self.lost = 0
        """Bytes dropped at a full FIFO."""
        peer.connect(self._arrived)

    def init(self, baudrate: int | None = None, *, rxbuf: int | None = None, **_line_settings: int | None) -> None:
        """Change rate or FIFO size; empties the FIFO."""
        self._baudrate = baudrate or self._baudrate
        self._rxbuf = rxbuf or self._rxbuf
        self._fifo.clear()

    def deinit(self) -> None:
        """Switch the receiver off; what arrives is not kept."""
        self._rxbuf = 0
        self._fifo.clear()

    def _arrived(self, data: bytes) -> None:
        if self._baudrate != self._peer.baud:
            data = bytes(byte ^ 0xA5 for byte in data)  # a wrong rate reads garbage, repeatably
        room = self._rxbuf - len(self._fifo)
        self._fifo += data[:room]
        self.lost += max(0, len(data) - room)

    def any(self) -> int:
        """Bytes waiting; the look costs a little time, so a polling loop gets somewhere."""
        pass_time(self._schedule, TICK_CALL_US)
        return len(self._fifo)

    def read(self, nbytes: int = -1) -> bytes | None:
        """Up to `nbytes` of what is waiting, or None (time-out 0, as the port's default)."""
        pass_time(self._schedule, TICK_CALL_US)
        count = len(self._fifo) if nbytes < 0 else min(nbytes, len(self._fifo))
        data = bytes(self._fifo[:count])
        del self._fifo[:count]
        return data or None

    def readinto(self, buf: bytearray | memoryview, nbytes: int = -1) -> int | None:
        """Fill `buf` with what is waiting; the count, or None when nothing is."""
        data = self.read(len(buf) if nbytes < 0 else min(nbytes, len(buf)))
        if data is None:
            return None
        buf[: len(data)] = data
        return len(data)

    def write(self, buf: Buffer) -> int:
        """Send `buf`, ten bits a byte; returns when the last stop bit is out."""
        pass_time(self._schedule, len(buf) * 10 * 1_000_000 // self._baudrate)
        self._peer.receive(bytes(buf))
        return len(buf)
