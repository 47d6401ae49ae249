"""The pins and buses of one processor, between its requests and the harness.

Pure: requests in, answers out, all times from the schedule. Reset gives the state after a processor reset.
What takes bus time says so in the answer; interrupts and arrivals are announced to the board by callbacks.
"""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from bench.boards.bus import Answer, Request
from bench.boards.harness import Harness
from bench.boards.onewire import RESET_US, SLOT_US, OneWireLine
from bench.boards.waits import Arrival, Pulse, Wait
from bench.chips.ports import ForbiddenUse, I2cPeer, Nak, SpiPeer, UartPeer
from bench.overlay import bench_ops as ops
from bench.schedule import Event, Schedule

MICROSECONDS = 1_000_000
I2C_OVERHEAD_US = 20  # set-up of a transfer by the driver, order of magnitude
SPI_OVERHEAD_US = 10
READ_US = 5  # a register read from Python
UART_BITS = 10  # start, 8 data, stop
OPEN_SPI = 0xFF  # MISO with pull-up and nobody on the bus


@dataclass(slots=True)
class PinState:
    """What the firmware made of one pin."""

    mode: int = ops.MODE_IN
    level: int = 0
    pull: int = 0
    edges: int = 0


@dataclass(slots=True)
class UartState:
    """One UART of the processor: its receive FIFO and its transmitter."""

    baud: int = 0
    capacity: int = 256
    interrupt: bool = False
    received: deque[int] = field(default_factory=deque)
    sent_until_us: int = 0


class Periphery:
    """All pins and buses of one board."""

    def __init__(
        self,
        schedule: Schedule,
        harness: Harness,
        interrupt: Callable[[int, int, int], None],
        wake: Callable[[], None],
    ) -> None:
        """`interrupt(kind, number, value)` raises an interrupt; `wake()`: look at your wait again."""
        self._schedule = schedule
        self._harness = harness
        self._interrupt = interrupt
        self._wake = wake
        self._rest_levels = {pin: line.level for pin, line in harness.outputs.items()}
        self._chip_selects: dict[int, list[tuple[int, SpiPeer]]] = {}
        for (bus, pin), peer in harness.spi.items():
            self._chip_selects.setdefault(pin, []).append((bus, peer))
        self._selected: dict[int, list[SpiPeer]] = {}
        self._forget()
        for pin, line in harness.inputs.items():
            line.watch(lambda level, pin=pin: self._edge(pin, level))  # type: ignore[misc]
        for number, uart in harness.uart.items():
            uart.connect(lambda data, number=number, uart=uart: self._arrive(number, uart, data))  # type: ignore[misc]
        self._handlers: dict[int, Callable[[Request], Answer | Wait | None]] = {
            ops.PIN_MODE: self._pin_mode,
            ops.PIN_SET: self._pin_set,
            ops.PIN_GET: self._pin_get,
            ops.PIN_IRQ: self._pin_irq,
            ops.STATE: self._pin_state,
            ops.I2C_SETUP: self._i2c_setup,
            ops.I2C: self._i2c,
            ops.SPI_SETUP: self._spi_setup,
            ops.SPI_WRITE: self._spi,
            ops.SPI: self._spi,
            ops.UART_SETUP: self._uart_setup,
            ops.UART_WRITE: self._uart_write,
            ops.UART_READ: self._uart_read,
            ops.UART_ANY: self._uart_any,
            ops.UART_DONE: self._uart_done,
            ops.ADC: self._adc,
            ops.PWM: self._pwm,
            ops.PULSE: self._pulse_in,
            ops.TIMER: self._timer,
            ops.ONEWIRE_RESET: self._onewire_reset,
            ops.ONEWIRE_READ: self._onewire_read,
            ops.ONEWIRE_WRITE: self._onewire_write,
            ops.ONEWIRE_SEARCH: self._onewire_search,
            ops.NEOPIXEL: lambda _: None,
        }

    def _forget(self) -> None:
        self._pins: dict[int, PinState] = {}
        self._uarts: dict[int, UartState] = {}
        self._i2c_hz: dict[int, int] = {}
        self._spi_hz: dict[int, int] = {}
        self._timers: dict[int, Event] = {}
        self._sending: list[Event] = []
        self._pulse: tuple[int, Pulse] | None = None

    def reset(self) -> None:
        """Processor reset: pins float, chip selects rise, timers and half-sent bytes are gone."""
        for event in (*self._timers.values(), *self._sending):
            event.cancel()
        for peers in self._selected.values():
            for peer in peers:
                peer.deselect()
        self._selected.clear()
        self._forget()
        for pin, level in self._rest_levels.items():
            self._harness.outputs[pin].set(level)

    def serves(self, op: int) -> bool:
        """Whether `serve` knows the operation."""
        return op in self._handlers

    def serve(self, request: Request) -> Answer | Wait | None:
        """Carry one request out at the present instant; None for posted ones."""
        return self._handlers[request.op](request)

    def delay_us(self, request: Request) -> int:
        """How long after its start a request takes effect: what is written to a chip counts from the STOP."""
        if request.op == ops.I2C and request.b & ops.I2C_WRITES:
            return self._i2c_us(request.a, len(request.data) + 1)
        if request.op == ops.SPI:
            return self._spi_us(request)
        return 0

    # Pins

    def level(self, pin: int) -> int:
        """What the board reads at a pin."""
        if (line := self._harness.inputs.get(pin)) is not None:
            return line.level
        state = self._pins.get(pin)
        if state is not None and state.mode != ops.MODE_IN:
            return state.level
        if (line := self._harness.outputs.get(pin)) is not None:
            return line.level
        return 1 if state is not None and state.pull == ops.PULL_UP else 0

    def _pin(self, pin: int) -> PinState:
        state = self._pins.get(pin)
        if state is None:
            state = self._pins[pin] = PinState()
        return state

    def _pin_mode(self, request: Request) -> None:
        state = self._pin(request.a)
        state.mode = request.b & 0x0F
        state.pull = request.b & (ops.PULL_UP | ops.PULL_DOWN)
        if request.b & (ops.VALUE_LOW | ops.VALUE_HIGH):
            state.level = 1 if request.b & ops.VALUE_HIGH else 0
        if state.mode != ops.MODE_IN:
            self._drive(request.a, state.level)

    def _pin_set(self, request: Request) -> None:
        state = self._pin(request.a)
        state.level = request.b
        if state.mode != ops.MODE_IN:
            self._drive(request.a, request.b)

    def _drive(self, pin: int, level: int) -> None:
        if (line := self._harness.outputs.get(pin)) is not None:
            line.set(level)
        for bus, peer in self._chip_selects.get(pin, ()):
            selected = self._selected.setdefault(bus, [])
            if not level and peer not in selected:
                selected.append(peer)
                peer.select()
            elif level and peer in selected:
                selected.remove(peer)
                peer.deselect()

    def _pin_get(self, request: Request) -> Answer:
        return Answer(value=self.level(request.a))

    def _pin_state(self, request: Request) -> Answer:
        return Answer(value=self._pin(request.a).level)

    def _pin_irq(self, request: Request) -> None:
        self._pin(request.a).edges = request.b

    def _edge(self, pin: int, level: int) -> None:
        if self._pulse is not None and self._pulse[0] == pin:
            self._pulse[1].edge(self._schedule.now_us, level)
            self._wake()
        state = self._pins.get(pin)
        if state is not None and state.edges & (ops.EDGE_RISING if level else ops.EDGE_FALLING):
            self._interrupt(ops.IRQ_PIN, pin, level)

    def _pulse_in(self, request: Request) -> Wait:
        (timeout_us,) = struct.unpack("<q", request.data)
        active = self.level(request.a) == request.b
        pulse = Pulse(self._schedule.now_us, request.b, active, timeout_us)
        self._pulse = (request.a, pulse)
        return pulse

    # I2C

    def _i2c_setup(self, request: Request) -> None:
        self._i2c_hz[request.a] = request.b

    def _i2c_us(self, bus: int, size: int) -> int:
        """Start, `size` bytes of nine bits, stop."""
        return (9 * size + 2) * MICROSECONDS // self._i2c_hz.get(bus, 100_000)

    def _i2c(self, request: Request) -> Answer:
        address, count = request.b & 0x7F, request.b >> 16
        peer = self._i2c_peer(request.a, address)
        took_us = I2C_OVERHEAD_US
        if peer is None:
            return Answer(status=ops.NAK, took_us=took_us)
        data = b""
        try:
            if request.b & ops.I2C_WRITES:
                peer.write(request.data)
            if count or not request.b & ops.I2C_WRITES:
                took_us += self._i2c_us(request.a, count + 1)
                data = peer.read(count)
        except Nak:
            return Answer(status=ops.NAK, took_us=took_us)
        return Answer(data=data, took_us=took_us)

    def _i2c_peer(self, bus: int, address: int) -> I2cPeer | None:
        for peer in self._harness.i2c.get(bus, ()):
            if peer.address == address:
                return peer
        return None

    # SPI

    def _spi_setup(self, request: Request) -> None:
        self._spi_hz[request.a] = request.b

    def _spi_us(self, request: Request) -> int:
        return SPI_OVERHEAD_US + 8 * len(request.data) * MICROSECONDS // self._spi_hz.get(request.a, 1_000_000)

    def _spi(self, request: Request) -> Answer:
        out = bytes((OPEN_SPI,)) * len(request.data)
        freq_hz = self._spi_hz.get(request.a, 0)
        for peer in self._selected.get(request.a, ()):
            if freq_hz > getattr(peer, "max_spi_hz", freq_hz):
                raise ForbiddenUse(f"SPI({request.a}): {freq_hz} Hz is too fast for {type(peer).__name__}")
            out = peer.transfer(request.data)
        return Answer(data=out)

    # UART

    def _uart(self, number: int) -> UartState:
        state = self._uarts.get(number)
        if state is None:
            state = self._uarts[number] = UartState()
        return state

    def _uart_setup(self, request: Request) -> None:
        uart = self._uart(request.a)
        uart.baud = request.b
        uart.capacity, interrupt = struct.unpack("<HB", request.data)
        uart.interrupt = bool(interrupt)

    def _arrive(self, number: int, peer: UartPeer, data: bytes) -> None:
        uart = self._uarts.get(number)
        if uart is None or not uart.baud:
            return  # nobody listens: the pin is not a UART
        room = uart.capacity - len(uart.received)
        uart.received.extend(_through(data, peer.baud, uart.baud)[:room])
        if uart.interrupt:
            self._interrupt(ops.IRQ_UART, number, 0)
        self._wake()

    def _uart_write(self, request: Request) -> None:
        uart = self._uart(request.a)
        start_us = max(self._schedule.now_us, uart.sent_until_us)
        uart.sent_until_us = start_us + len(request.data) * UART_BITS * MICROSECONDS // max(uart.baud, 1)
        peer = self._harness.uart.get(request.a)
        if peer is None:
            return
        data = _through(request.data, uart.baud, peer.baud)
        self._sending = [event for event in self._sending if event.action is not None]
        self._sending.append(self._schedule.at(uart.sent_until_us, lambda: peer.receive(data)))

    def _uart_read(self, request: Request) -> Wait:
        until_us, least = struct.unpack("<qI", request.data)
        uart = self._uart(request.a)

        def take(now: bool) -> bytes | None:
            if len(uart.received) < least and not now:
                return None
            return bytes(uart.received.popleft() for _ in range(min(request.b, len(uart.received))))

        return Arrival(until_us, take)

    def _uart_any(self, request: Request) -> Answer:
        return Answer(value=len(self._uart(request.a).received))

    def _uart_done(self, request: Request) -> Answer:
        return Answer(value=int(self._schedule.now_us >= self._uart(request.a).sent_until_us))

    def uart_waiting(self) -> bool:
        """Whether any UART holds bytes."""
        return any(uart.received for uart in self._uarts.values())

    # Converters, timers, 1-Wire

    def _adc(self, request: Request) -> Answer:
        source = self._harness.adc.get(request.a)
        microvolts = source(self._schedule.now_us) if source is not None else 0
        return Answer(value=max(0, microvolts), took_us=READ_US)

    def _pwm(self, request: Request) -> None:
        if (sink := self._harness.pwm.get(request.a)) is not None:
            sink(request.b, struct.unpack("<H", request.data)[0])

    def _timer(self, request: Request) -> None:
        if (running := self._timers.pop(request.a, None)) is not None:
            running.cancel()
        (period_us,) = struct.unpack("<q", request.data)
        if period_us <= 0:
            return

        def fire() -> None:
            if request.b:
                self._timers[request.a] = self._schedule.after(period_us, fire)
            self._interrupt(ops.IRQ_TIMER, request.a, 0)

        self._timers[request.a] = self._schedule.after(period_us, fire)

    def _onewire(self, pin: int) -> OneWireLine:
        return OneWireLine(self._harness.onewire.get(pin, ()))

    def _onewire_reset(self, request: Request) -> Answer:
        return Answer(value=int(self._onewire(request.a).reset()), took_us=RESET_US)

    def _onewire_read(self, request: Request) -> Answer:
        return Answer(data=self._onewire(request.a).read(request.b), took_us=request.b * SLOT_US)

    def _onewire_write(self, request: Request) -> None:
        self._onewire(request.a).write(request.data, request.b)

    def _onewire_search(self, request: Request) -> Answer:
        found = self._onewire(request.a).search(request.data, request.b)
        took_us = RESET_US + (8 + 3 * 64) * SLOT_US
        if found is None:
            return Answer(status=ops.ABSENT, took_us=took_us)
        return Answer(value=found[1], data=found[0], took_us=took_us)


def _through(data: bytes, sender_baud: int, receiver_baud: int) -> bytes:
    """What a receiver makes of bytes sent at another speed: beyond 5 % bits are sampled in the wrong place."""
    if abs(sender_baud - receiver_baud) * 20 <= sender_baud:
        return data
    return bytes(byte * 0x9D & 0xFF ^ 0x5A for byte in data)
