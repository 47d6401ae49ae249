"""Supply, NRESET, BUSY and SPI framing of the SX1262: how a command gets into the chip and an answer out of it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable

from bench.chips.ports import ForbiddenUse, Line
from bench.chips.radio_chip import RadioChip
from bench.chips.sx1262 import codes
from bench.chips.sx1262.codes import GET_COMMANDS, SET_COMMANDS, DeviceError, Mode
from bench.chips.sx1262.settings import Settings
from bench.schedule import Event, Schedule


class Interface(RadioChip):
    """What of the chip is the same in every mode. The subclass executes commands and gives answers."""

    NAME = "SX1262"
    RESET_SECTION = "8.1"
    RESET_US = codes.POWER_ON_US
    FAULTS = frozenset({"bus", "stuck-busy", "lost-dio1"})
    max_spi_hz = 16_000_000  # table 8-1

    def __init__(self, schedule: Schedule, *, tcxo_mv: int | None, low_power: bool, powered: bool) -> None:
        super().__init__(schedule, powered)
        self.busy = Line(1)
        self.dio1 = Line(0)
        self.mode = Mode.STDBY_RC
        self._tcxo_mv = tcxo_mv
        self._low_power = low_power
        self._settings = Settings(low_power=low_power)
        self._ready: Event | None = None
        self._slept_us = 0
        self._sleeps_warm = False
        self._selected = False
        self._waking = False
        self._in = bytearray()

    # Supply and reset

    def _power_on(self) -> None:
        self._cold_start(codes.POWER_ON_US)

    def _power_off(self) -> None:
        self._abort()
        self._cancel_ready()
        self.busy.set(1)
        self.dio1.set(0)
        self.mode = Mode.SLEEP

    def _cold_start(self, start_us: int) -> None:
        self._abort()
        self._settings = Settings(low_power=self._low_power)
        self._on_cold_start()
        self.mode = Mode.STDBY_RC
        self.dio1.set(0)
        if self._tcxo_mv is not None:
            # 13.3.6: the calibration at start fails on a board with TCXO, since nothing feeds it yet
            self._settings.errors = DeviceError.XOSC_START | DeviceError.PLL_CALIB | DeviceError.IMG_CALIB
        self._occupy(start_us)

    def _occupy(self, duration_us: int, then: Callable[[], None] | None = None) -> None:
        """BUSY high for `duration_us`, then do `then`."""
        self._cancel_ready()
        self.busy.set(1)

        def ready() -> None:
            self._ready = None
            if "stuck-busy" not in self.faults:
                self.busy.set(0)
            if then is not None:
                then()

        self._ready = self._schedule.after(duration_us, ready)

    def _cancel_ready(self) -> None:
        if self._ready is not None:
            self._ready.cancel()
            self._ready = None

    # SPI

    def select(self) -> None:
        """NSS fell; it wakes a sleeping chip."""
        self._selected = True
        self._in.clear()
        self._waking = self._reachable() and self.mode is Mode.SLEEP
        if not self._waking:
            return
        if self._schedule.now_us - self._slept_us < codes.SLEEP_ENTRY_US:
            raise ForbiddenUse("SX1262: woken within 500 us of SetSleep (13.1.1)")
        if self._sleeps_warm:
            self.mode = Mode.STDBY_RC
            self._occupy(codes.WAKE_WARM_US)
        else:
            self._cold_start(codes.WAKE_COLD_US)

    def transfer(self, data: bytes) -> bytes:
        """Clock bytes through while selected."""
        if not self._reachable():
            return b"\xff" * len(data)
        if self._waking:
            if data and not self._in and data[0] not in {0xC0, 0x00}:
                raise ForbiddenUse(f"SX1262: command {data[0]:02X} in sleep; wake it first, wait for BUSY (9.3)")
            self._in += data
            return bytes(len(data))
        if data and not self._in and self.busy.level:
            raise ForbiddenUse(f"SX1262: command {data[0]:02X} while BUSY is high (8.3.1)")
        answer = bytearray()
        for byte in data:
            answer.append(self._answer(len(self._in)))
            self._in.append(byte)
        return bytes(answer)

    def deselect(self) -> None:
        """NSS rose: a command takes effect."""
        frame, self._in = bytes(self._in), bytearray()
        selected, self._selected = self._selected, False
        if selected and not self._waking and frame and self._reachable():
            self._execute(frame[0], frame[1:])

    def _reachable(self) -> bool:
        return self.powered and self.reset.level == 1 and "bus" not in self.faults

    def _answer(self, position: int) -> int:
        """The byte that comes out while byte `position` of a command goes in."""
        if position == 0:
            return self._status()
        opcode = self._in[0]
        if opcode in GET_COMMANDS and position >= 2:
            data = self._read_out(GET_COMMANDS[opcode])
            return data[position - 2] if position - 2 < len(data) else 0
        if opcode == codes.READ_REGISTER and position >= 4:
            return self._read_register(int.from_bytes(self._in[1:3], "big") + position - 4)
        if opcode == codes.READ_BUFFER and position >= 3:
            return self._settings.buffer[(self._in[1] + position - 3) & 0xFF]
        return self._status()

    def _execute(self, opcode: int, arguments: bytes) -> None:
        if opcode in GET_COMMANDS or opcode in {codes.READ_REGISTER, codes.READ_BUFFER}:
            return
        settings = self._settings
        if opcode == codes.WRITE_REGISTER:
            address = int.from_bytes(arguments[:2], "big")
            for offset, value in enumerate(arguments[2:]):
                settings.registers[address + offset] = value
            self._occupy(codes.COMMAND_US)
            return
        if opcode == codes.WRITE_BUFFER:
            for offset, value in enumerate(arguments[1:]):
                settings.buffer[(arguments[0] + offset) & 0xFF] = value
            self._occupy(codes.COMMAND_US)
            return
        command = SET_COMMANDS.get(opcode)
        if command is None:
            raise ForbiddenUse(f"SX1262: {opcode:02X} is no command of this model (tables 11-1 to 11-5)")
        if len(arguments) not in command.arguments:
            raise ForbiddenUse(f"SX1262: {command.name} with {len(arguments)} argument bytes")
        if self.mode not in command.modes:
            raise ForbiddenUse(f"SX1262: {command.name} in {self.mode.name}")
        self._occupy(codes.COMMAND_US)
        if not settings.apply(command.name, arguments):
            self._change_mode(command.name, arguments)

    @abstractmethod
    def _status(self) -> int:
        """The status byte (table 13-76)."""

    @abstractmethod
    def _read_out(self, name: str) -> bytes:
        """What a Get command gives after its status byte."""

    @abstractmethod
    def _read_register(self, address: int) -> int:
        """The value of one register now."""

    @abstractmethod
    def _change_mode(self, name: str, arguments: bytes) -> None:
        """Carry out a command that is more than a setting."""

    @abstractmethod
    def _on_cold_start(self) -> None:
        """Forget what does not belong to the settings."""

    @abstractmethod
    def _abort(self) -> None:
        """Leave TX or RX at once."""
