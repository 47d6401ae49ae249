"""The harness: what is wired to the pins and buses of one virtual board.

Keys are the numbers that the firmware uses: bus ids and GPIO numbers of the board's facts. A place
without a peer behaves like an open connector: no acknowledge, no bytes, a floating pin.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from bench.chips.ports import AnalogSource, I2cPeer, Line, OneWirePeer, Powered, SpiPeer, UartPeer

PwmSink = Callable[[int, int], None]
"""Who listens to a PWM pin: called with frequency in hertz and duty 0..65535 at every change."""


@dataclass(slots=True)
class Harness:
    """The parts around one board. Several boards never share a harness; they meet in the air."""

    i2c: dict[int, list[I2cPeer]] = field(default_factory=dict)
    """I2C bus id to the chips on it."""

    spi: dict[tuple[int, int], SpiPeer] = field(default_factory=dict)
    """(SPI bus id, chip-select pin) to the chip. Selected while the pin is low."""

    uart: dict[int, UartPeer] = field(default_factory=dict)
    """UART id to the device at the other end."""

    onewire: dict[int, list[OneWirePeer]] = field(default_factory=dict)
    """1-Wire pin to the devices that share it."""

    adc: dict[int, AnalogSource] = field(default_factory=dict)
    """Analogue pin to its voltage: microseconds of bench time to microvolts at the pin."""

    inputs: dict[int, Line] = field(default_factory=dict)
    """Pin to a wire that a model drives and the board reads; edges reach `Pin.irq`."""

    outputs: dict[int, Line] = field(default_factory=dict)
    """Pin to a wire that the board drives. Without power, in reset and in deep sleep the wire falls
    back to the level it had when the board was added."""

    pwm: dict[int, PwmSink] = field(default_factory=dict)
    """PWM pin to its listener."""

    powered: list[Powered] = field(default_factory=list)
    """Parts fed by the board's own supply: they lose power with `Board.power_off()` and at a power cut,
    and come up with it; a reset of the processor leaves them as they are."""
