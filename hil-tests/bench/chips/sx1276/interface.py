"""Supply, NRESET and SPI framing of the SX1276: how a register is read and written (sections 2.2 and 7.2)."""

from __future__ import annotations

from abc import abstractmethod

from bench.chips.ports import ForbiddenUse, Line
from bench.chips.radio_chip import RadioChip
from bench.chips.sx1276 import codes
from bench.chips.sx1276.codes import Mode
from bench.chips.sx1276.registers import Registers
from bench.schedule import Schedule


class Interface(RadioChip):
    """What of the chip is the same in every mode. The subclass gives registers their effect."""

    NAME = "SX1276"
    RESET_SECTION = "7.2.2"
    RESET_US = codes.RESET_US
    FAULTS = frozenset({"bus", "lost-dio0", "dead-pa"})
    max_spi_hz = 10_000_000  # 2.2: SCK up to 10 MHz

    def __init__(self, schedule: Schedule, *, powered: bool) -> None:
        super().__init__(schedule, powered)
        self.dio0 = Line(0)
        self.dio1 = Line(0)
        self.mode = Mode.STDBY
        self._registers = Registers()
        self._ready_us = 0
        self._address: int | None = None
        self._writes = False

    # Supply and reset

    def _power_on(self) -> None:
        self._cold_start(codes.POWER_ON_US)

    def _power_off(self) -> None:
        self._abort()
        self.dio0.set(0)
        self.dio1.set(0)
        self.mode = Mode.SLEEP

    def _cold_start(self, start_us: int) -> None:
        self._abort()
        self._registers = Registers()
        self.mode = Mode.STDBY
        self._ready_us = self._schedule.now_us + start_us
        self._update_dio()

    # SPI

    def select(self) -> None:
        """NSS fell: an address comes next."""
        self._address = None

    def transfer(self, data: bytes) -> bytes:
        """Clock bytes through while selected: the address first; it counts up with every value, but for the FIFO."""
        if not self.powered or self.reset.level == 0 or "bus" in self.faults:
            return b"\xff" * len(data)
        if data and self._schedule.now_us < self._ready_us:
            raise ForbiddenUse("SX1276: SPI before it has started, 10 ms after power-on, 5 ms after NRESET (7.2)")
        answer = bytearray()
        for byte in data:
            if self._address is None:
                self._address, self._writes = byte & 0x7F, bool(byte & 0x80)
                answer.append(0)
                continue
            address = self._address
            if address == codes.FIFO:
                answer.append(self._fifo(byte))
                continue
            answer.append(self._read(address))
            if self._writes:
                self._write(address, byte)
            self._address = address + 1 & 0x7F
        return bytes(answer)

    def deselect(self) -> None:
        """NSS rose."""
        self._address = None

    def _fifo(self, byte: int) -> int:
        """One byte at RegFifoAddrPtr, which counts up."""
        registers = self._registers
        if not registers.long_range:
            raise ForbiddenUse("SX1276: FIFO of the FSK modem; this model has that of LoRa only")
        if self.mode is Mode.SLEEP or self._schedule.now_us < self._awake_us():
            raise ForbiddenUse("SX1276: FIFO access in sleep, or before the oscillator runs (4.1.2.3)")
        pointer = registers.lora.get(codes.FIFO_ADDR_PTR, 0)
        registers.lora[codes.FIFO_ADDR_PTR] = (pointer + 1) & 0xFF
        held = registers.fifo[pointer]
        if self._writes:
            if self.mode in codes.RECEIVING or self.mode is Mode.TX:
                raise ForbiddenUse(f"SX1276: FIFO written in {self.mode.name}; it is filled in standby (4.1.6)")
            registers.fifo[pointer] = byte
        return held

    def _write(self, address: int, value: int) -> None:
        if address in codes.READ_ONLY and (self._registers.long_range or address == codes.VERSION):
            raise ForbiddenUse(f"SX1276: register {address:02x} is read only (section 6.4)")
        if address not in codes.DYNAMIC and self.mode not in codes.CONFIGURABLE:
            raise ForbiddenUse(
                f"SX1276: register {address:02x} written in {self.mode.name} (4.1.5: sleep, standby, FSTX)"
            )
        self._effect(address, value)

    @abstractmethod
    def _read(self, address: int) -> int:
        """The value of one register now."""

    @abstractmethod
    def _effect(self, address: int, value: int) -> None:
        """Write one register."""

    @abstractmethod
    def _awake_us(self) -> int:
        """Since when, or from when on, the oscillator runs."""

    @abstractmethod
    def _update_dio(self) -> None:
        """Bring the interrupt lines to what the registers say."""

    @abstractmethod
    def _abort(self) -> None:
        """Leave TX, RX or CAD at once."""
