"""A02YYUW (SEN0311): ultrasonic distance in mm, free running on a UART.

Source: DFRobot wiki page and DYP-A02 specification. Frame FF H L SUM at 9600 8N1, SUM the low byte of
FF+H+L. With its RX pin high or open the sensor sends a processed value every 100..300 ms, with RX low
a raw one every 100 ms. It has no other command and starts by itself when it gets its supply.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from bench.chips.part import Part, Quantity, round_half_up
from bench.schedule import Event, Schedule

BLANKING_MM = 30
RANGE_MM = 4500
BYTE_US = 1042  # ten bits at 9600 Bd
PROCESSED_PERIOD_US = (100_000, 300_000)
REAL_TIME_PERIOD_US = 100_000

OLD_NO_TARGET = 0x0000  # esphome/issues 6394
NEW_NO_TARGET = 0xFFFD  # DFRobot SEN0754 page
NEW_INTERFERENCE = 0xFFFE


class A02YYUW(Part):
    """The sensor on its UART. `distance` gives mm.

    Faults: `no-response` (silent), `checksum` (every second frame has a flipped bit), `no-target`,
    `interference`, `below-blanking` (a bag lies on the transducer), `stray-ff` (a lone FF before each frame),
    `mid-frame` (the first thing sent after power-up is the tail of a frame).
    """

    FAULTS = frozenset(
        {"no-response", "checksum", "no-target", "interference", "below-blanking", "stray-ff", "mid-frame"}
    )
    baud = 9600

    def __init__(
        self,
        schedule: Schedule,
        distance: Quantity,
        *,
        seed: int | str = 0,
        first_frame_us: int = 700_000,
        new_firmware: bool = True,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, powered)
        self._distance = distance
        self._random = random.Random(f"a02yyuw/{seed}")
        self._first_frame_us = first_frame_us
        self._new_firmware = new_firmware
        self._on_bytes: Callable[[bytes], None] | None = None
        self._pending: list[Event] = []
        self._frames = 0
        self.real_time = False
        """The RX pin is held low."""
        self._start()

    def connect(self, on_bytes: Callable[[bytes], None]) -> None:
        """Hand over where the sensor's bytes go."""
        self._on_bytes = on_bytes

    def receive(self, data: bytes) -> None:
        """Bytes from the board: the sensor sees only a level that is now and then low."""

    def _power_on(self) -> None:
        self._frames = 0
        if "mid-frame" in self.faults:
            self._send(self._frame(1953)[2:])
        self._pending.append(self._schedule.after(self._first_frame_us, self._measure))

    def _power_off(self) -> None:
        for event in self._pending:
            event.cancel()
        self._pending.clear()

    def _measure(self) -> None:
        now_us = self._schedule.now_us
        self._pending = [event for event in self._pending if event.action is not None and event.when_us >= now_us]
        period_us = REAL_TIME_PERIOD_US if self.real_time else self._random.randint(*PROCESSED_PERIOD_US)
        self._pending.append(self._schedule.after(period_us, self._measure))
        if "no-response" in self.faults:
            return
        value, meaning = self._reading(now_us)
        frame = bytearray(self._frame(value))
        self._frames += 1
        if "checksum" in self.faults and self._frames % 2:
            frame[self._random.randrange(1, 4)] ^= 1 << self._random.randrange(8)
            meaning = "checksum"
        self._send((b"\xff" if "stray-ff" in self.faults else b"") + bytes(frame))
        self._play("distance", meaning)

    def _reading(self, now_us: int) -> tuple[int, int | str]:
        """The 16 bits to send, and what they mean."""
        if "interference" in self.faults and self._new_firmware:
            return NEW_INTERFERENCE, "interference"
        distance_mm = 20 if "below-blanking" in self.faults else round_half_up(self._distance(now_us))
        if "no-target" in self.faults or distance_mm > RANGE_MM:
            return (NEW_NO_TARGET if self._new_firmware else OLD_NO_TARGET), "no-target"
        return distance_mm, "below-blanking" if distance_mm < BLANKING_MM else distance_mm

    @staticmethod
    def _frame(value: int) -> bytes:
        head = bytes((0xFF, value >> 8, value & 0xFF))
        return head + bytes((sum(head) & 0xFF,))

    def _send(self, data: bytes) -> None:
        for position, byte in enumerate(data, 1):

            def stop_bit(byte: int = byte) -> None:
                if self._on_bytes is not None:
                    self._on_bytes(bytes((byte,)))

            self._pending.append(self._schedule.after(position * BYTE_US, stop_bit))
