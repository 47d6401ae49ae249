"""AM312: passive infrared motion sensor with one digital output.

Source: AM312/AM412 module pages: hold 2.3..3 s, prolonged by motion within it, about 2 s deaf afterwards,
10..60 s of warm-up with stray pulses. The AM312 is active high; the WisBlock module RAK12006 inverts it.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from bench.chips.part import Part
from bench.chips.ports import Line
from bench.schedule import Event, Schedule

HOLD_US = 2_300_000
DEAD_US = 2_000_000
WARM_UP_US = 30_000_000

NextMotion = Callable[[int], int | None]
"""The instant of the next movement after the one given, both in microseconds; None when nothing moves any more."""


class AM312(Part):
    """The sensor. `line` is its output; `played` has one `motion` = 1 for each active edge.

    Faults: `no-response` (output dead), `interference` (a radio transmission nearby triggers it: `disturb()`),
    `warm-up` (stray pulses after power-up).
    """

    FAULTS = frozenset({"no-response", "interference", "warm-up"})

    def __init__(
        self,
        schedule: Schedule,
        next_motion: NextMotion,
        *,
        active: int = 1,
        seed: int | str = 0,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, powered)
        self._next_motion = next_motion
        self._active = active
        self._random = random.Random(f"am312/{seed}")
        self.line = Line(1 - active)
        self._deaf_until_us = 0
        self._release: Event | None = None
        self._motion: Event | None = None
        self._start()

    def disturb(self) -> None:
        """A transmitter nearby is keyed."""
        if "interference" in self.faults:
            self._trigger()

    def _power_on(self) -> None:
        self._deaf_until_us = self._schedule.now_us
        self._await_motion()
        if "warm-up" in self.faults:
            for _ in range(self._random.randint(1, 3)):
                self._schedule.after(self._random.randrange(WARM_UP_US), self._trigger)

    def _power_off(self) -> None:
        for event in (self._release, self._motion):
            if event is not None:
                event.cancel()
        self._release = self._motion = None
        self.line.set(1 - self._active)

    def _await_motion(self) -> None:
        when_us = self._next_motion(self._schedule.now_us)
        self._motion = None if when_us is None else self._schedule.at(when_us, self._moved)

    def _moved(self) -> None:
        self._await_motion()
        self._trigger()

    def _trigger(self) -> None:
        now_us = self._schedule.now_us
        if not self.powered or "no-response" in self.faults:
            return
        if self._release is not None:
            self._release.cancel()
        elif now_us < self._deaf_until_us:
            return
        else:
            self._play("motion", 1)
            self.line.set(self._active)
        self._release = self._schedule.after(HOLD_US, self._let_go)

    def _let_go(self) -> None:
        self._release = None
        self._deaf_until_us = self._schedule.now_us + DEAD_US
        self.line.set(1 - self._active)
