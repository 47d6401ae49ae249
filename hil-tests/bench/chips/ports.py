"""The ports through which a chip model meets a bus: what a wire, an I2C, SPI, UART, 1-Wire or ADC peer can do.

The supervisor of a virtual board and the host-side wires of the unit tests speak to models through
these and nothing else. The time of every call is `schedule.now_us` of the `Schedule` that the model
was built with: whoever calls has moved the clock there first.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol


class Nak(Exception):
    """Raised by an I2C model that does not acknowledge: absent, asleep, busy or without power."""


class ForbiddenUse(AssertionError):
    """Raised by a model asked to do what the datasheet forbids: a defect of the caller, never swallowed.

    The message names the chip, what was done, and the place in the datasheet.
    """


class Line:
    """One wire: a level, and those who watch it. Driven by a model, read by a pin, or the other way round."""

    def __init__(self, level: int = 0) -> None:
        self.level = level
        self._watchers: list[Callable[[int], None]] = []

    def set(self, level: int) -> None:
        """Drive the wire; watchers are told only when the level changes."""
        if level != self.level:
            self.level = level
            for watcher in tuple(self._watchers):
                watcher(level)

    def watch(self, watcher: Callable[[int], None]) -> None:
        """Call `watcher(level)` at every change from now on."""
        self._watchers.append(watcher)


class Powered(Protocol):
    """A part on a switched supply: without power it forgets its registers and answers nothing."""

    def set_power(self, on: bool) -> None:
        """Switch the supply; switching on is a power-on reset."""


class I2cPeer(Protocol):
    """A chip on an I2C bus. One call is one transaction between START and STOP (or repeated START)."""

    address: int
    """7-bit address."""

    def write(self, data: bytes) -> None:
        """Take the bytes after the address; raises `Nak`. Empty data is an address probe."""

    def read(self, count: int) -> bytes:
        """Give `count` bytes; raises `Nak`."""


class SpiPeer(Protocol):
    """A chip on an SPI bus with its own chip select."""

    def select(self) -> None:
        """Chip select went low."""

    def transfer(self, data: bytes) -> bytes:
        """Clock `data` in while selected; as many bytes come out."""

    def deselect(self) -> None:
        """Chip select went high: the command is complete and takes effect."""


class UartPeer(Protocol):
    """A device on a UART. What it sends arrives at the board by `on_byte` at the instant of each stop bit."""

    baud: int

    def connect(self, on_bytes: Callable[[bytes], None]) -> None:
        """Hand over where the device's bytes go (the receiver's FIFO)."""

    def receive(self, data: bytes) -> None:
        """Bytes that the board sent."""


class OneWirePeer(Protocol):
    """A device on a 1-Wire line; several share one line as a wired AND."""

    def reset(self) -> bool:
        """A reset pulse; True when the device answers with presence."""

    def write_bit(self, bit: int) -> None:
        """One write slot."""

    def read_bit(self) -> int:
        """One read slot: 0 pulls the line low, 1 leaves it."""


AnalogSource = Callable[[int], int]
"""An analogue pin: time in microseconds to microvolts."""
