"""The world around the nodes: seeded quantities that stand still on plateaus and step between them.

A plateau makes "what was it at that moment" a question with one answer: a reading taken within one is right or
wrong, without tolerance. Everything depends on the seed and on names only, so that adding a station changes
nothing for the others. Values are whole numbers in the units of the quantity registry.
"""

from __future__ import annotations

import bisect
import math
import random
from collections.abc import Callable

US = 1_000_000

NextMotion = Callable[[int], int | None]


class Plateaus:
    """One quantity: time in microseconds to a whole number; also `changes`, for those who want to see the steps.

    Quantities of one `rhythm` step at the same instants. Each step goes at most a third of the way between `low` and
    `high`, in multiples of `step` from `low`; a `logarithmic` quantity, as light is, steps in ratios.
    """

    def __init__(
        self,
        seed: str,
        rhythm: str,
        low: int,
        high: int,
        *,
        step: int = 1,
        hold_s: tuple[int, int] = (7, 180),
        logarithmic: bool = False,
    ) -> None:
        self._random = random.Random(seed)
        self._rhythm = random.Random(rhythm)
        self._low, self._high, self._step = low, high, step
        self._hold_us = (hold_s[0] * US, hold_s[1] * US)
        self._logarithmic = logarithmic
        self._place = self._random.random()
        self._starts_us = [0]
        self._values = [self._value()]
        self._end_us = self._rhythm.randint(*self._hold_us)

    def __call__(self, now_us: int) -> int:
        """The value at an instant."""
        while self._end_us <= now_us:
            self._append()
        return self._values[bisect.bisect_right(self._starts_us, now_us) - 1]

    def changes(self, from_us: int, to_us: int) -> list[int]:
        """The instants of the steps in `from_us` < t <= `to_us`."""
        self(to_us)
        return [start_us for start_us in self._starts_us if from_us < start_us <= to_us]

    def _append(self) -> None:
        third = self._random.uniform(-1 / 3, 1 / 3)
        self._place = min(max(self._place + third, 0.0), 1.0)
        self._starts_us.append(self._end_us)
        self._values.append(self._value())
        self._end_us += self._rhythm.randint(*self._hold_us)

    def _value(self) -> int:
        if self._logarithmic:
            low = math.log(max(self._low, 1))
            value = math.exp(low + self._place * (math.log(self._high) - low))
        else:
            value = self._low + self._place * (self._high - self._low)
        steps = round((value - self._low) / self._step)
        return self._low + steps * self._step


class Motion:
    """People passing: instants with exponential gaps, as a `NextMotion` of a motion sensor."""

    def __init__(self, seed: str, mean_gap_s: float) -> None:
        self._random = random.Random(seed)
        self._mean_gap_s = mean_gap_s
        self._instants_us = [0]

    def __call__(self, now_us: int) -> int | None:
        """The first instant after `now_us`."""
        while self._instants_us[-1] <= now_us:
            gap_us = 1 + round(self._random.expovariate(1 / self._mean_gap_s) * US)
            self._instants_us.append(self._instants_us[-1] + gap_us)
        return self._instants_us[bisect.bisect_right(self._instants_us, now_us)]


class World:
    """All quantities of one bench by name. `fix` holds one still, or replaces it by any function of time."""

    def __init__(self, seed: int | str = 0) -> None:
        self.seed = seed
        self._fixed: dict[str, Callable[[int], int]] = {}

    def quantity(
        self,
        name: str,
        low: int,
        high: int,
        *,
        step: int = 1,
        hold_s: tuple[int, int] = (7, 180),
        logarithmic: bool = False,
        rhythm: str | None = None,
    ) -> Callable[[int], int]:
        """The quantity of that name, e.g. `bin-7/temperature`; it steps with the others of its rhythm."""
        plateaus = Plateaus(
            f"{self.seed}/{name}",
            f"{self.seed}/{rhythm or name}/rhythm",
            low,
            high,
            step=step,
            hold_s=hold_s,
            logarithmic=logarithmic,
        )

        def now(now_us: int) -> int:
            fixed = self._fixed.get(name)
            return plateaus(now_us) if fixed is None else fixed(now_us)

        return now

    def motion(self, name: str, mean_gap_s: float) -> NextMotion:
        """Movements of that name."""
        return Motion(f"{self.seed}/{name}", mean_gap_s)

    def fix(self, name: str, value: int | Callable[[int], int]) -> None:
        """From now on the quantity is `value`, whatever the seed says."""
        self._fixed[name] = value if callable(value) else lambda _now_us: value

    def release(self, name: str) -> None:
        """Give the quantity back to the seed."""
        self._fixed.pop(name, None)
