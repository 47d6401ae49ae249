"""`machine.Pin` on a `Line`, and `machine.ADC` on an analogue source."""

from __future__ import annotations

from collections.abc import Callable

from bench.chips.ports import AnalogSource, Line
from bench.schedule import Schedule
from bench.wires.clock import TICK_CALL_US, pass_time

PinHandler = Callable[["HostPin"], None]


class HostPin:
    """`machine.Pin` on a `Line`. Interrupt handlers run at the instant of the edge."""

    IN, OUT, OPEN_DRAIN = 1, 3, 7
    PULL_UP, PULL_DOWN = 2, 1
    IRQ_RISING, IRQ_FALLING = 1, 2
    IRQ_LOW_LEVEL, IRQ_HIGH_LEVEL = 4, 5

    def __init__(self, line: Line | None = None, mode: int = -1, pull: int = -1, *, value: int | None = None) -> None:
        self.line = line if line is not None else Line()
        self._handler: PinHandler | None = None
        self._trigger = 0
        self.line.watch(self._changed)
        self.init(mode, pull, value=value)

    def init(self, mode: int = -1, pull: int = -1, *, value: int | None = None) -> None:
        """As `Pin.init`; direction and pull do not matter on a `Line`."""
        if value is not None:
            self.line.set(int(bool(value)))

    def value(self, level: int | None = None) -> int | None:
        """The level, or set it."""
        if level is None:
            return self.line.level
        self.line.set(int(bool(level)))
        return None

    def __call__(self, level: int | None = None) -> int | None:
        return self.value(level)

    def on(self) -> None:
        """Drive high."""
        self.line.set(1)

    def off(self) -> None:
        """Drive low."""
        self.line.set(0)

    high, low = on, off

    def irq(
        self,
        handler: PinHandler | None = None,
        trigger: int = IRQ_RISING | IRQ_FALLING,
        *,
        hard: bool = False,
    ) -> HostPin:
        """Call `handler(pin)` at the edges of `trigger`; None takes the handler off."""
        self._handler, self._trigger = handler, trigger
        return self

    def _changed(self, level: int) -> None:
        wanted = self.IRQ_RISING if level else self.IRQ_FALLING
        if self._handler is not None and self._trigger & wanted:
            self._handler(self)


class HostADC:
    """`machine.ADC` on an `AnalogSource`: 12 bits over `full_scale_uv`, as RP2040 and ESP32 have."""

    def __init__(self, schedule: Schedule, source: AnalogSource, full_scale_uv: int = 3_300_000) -> None:
        self._schedule = schedule
        self._source = source
        self._full_scale_uv = full_scale_uv

    def _voltage_uv(self) -> int:
        pass_time(self._schedule, TICK_CALL_US)
        return min(max(self._source(self._schedule.now_us), 0), self._full_scale_uv)

    def read_u16(self) -> int:
        """0..65535; the 12 bits of the converter repeated into the low 4 (ports/rp2/machine_adc.c)."""
        code = min(self._voltage_uv() * 4096 // self._full_scale_uv, 4095)
        return code << 4 | code >> 8

    def read_uv(self) -> int:
        """Microvolts as the calibrated converter tells them: in steps of 1 mV (ports/esp32/machine_adc.c)."""
        return self._voltage_uv() // 1000 * 1000
