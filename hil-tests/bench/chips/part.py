"""What all sensor models share: a supply, named faults, and the record of what they put out.

A model is asked for the physical quantity at the instant it samples it (`Quantity`), and writes into
`played` what it then gave to the bus, in the units of the quantity registry, exactly: fractions where
the chip resolves finer than the registry. A decoded reading is judged by `played`, not by the world,
because the chip's own rounding belongs to the measurement.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import ClassVar, NamedTuple

from bench.schedule import Schedule

Quantity = Callable[[int], int | Fraction]
"""Time in microseconds to a physical quantity in registry units."""


class Played(NamedTuple):
    """One value that a model put out."""

    time_us: int
    quantity: str
    value: int | Fraction | str
    """Registry units; a fault word when what went out was no valid reading."""


class Part:
    """A chip on a supply. Subclasses name in `FAULTS` what can be wrong with them."""

    FAULTS: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, schedule: Schedule, powered: bool = True) -> None:
        self._schedule = schedule
        self.powered = False
        self.powered_since_us = 0
        self.faults: set[str] = set()
        self.played: list[Played] = []
        self._powered_at_first = powered

    def set_power(self, on: bool) -> None:
        """Switch the supply; switching on is a power-on reset."""
        if on == self.powered:
            return
        self.powered = on
        if on:
            self.powered_since_us = self._schedule.now_us
            self._power_on()
        else:
            self._power_off()

    def fail(self, word: str) -> None:
        """Bring in a fault by its word (facts of sensors, section 0, and those of the model)."""
        if word not in self.FAULTS:
            known = ", ".join(sorted(self.FAULTS))
            raise ValueError(f"{type(self).__name__} has no fault {word!r}; it has: {known}")
        self.faults.add(word)

    def heal(self, word: str | None = None) -> None:
        """Take one fault away, or all."""
        if word is None:
            self.faults.clear()
        else:
            self.faults.discard(word)

    def _start(self) -> None:
        """Last line of a subclass's constructor: power up if it is to be powered from the first."""
        if self._powered_at_first:
            self.set_power(True)

    def _power_on(self) -> None:
        """Power-on reset."""

    def _power_off(self) -> None:
        """The supply is gone."""

    def _play(self, quantity: str, value: int | Fraction | str) -> None:
        self.played.append(Played(self._schedule.now_us, quantity, value))


def round_half_up(value: int | Fraction) -> int:
    """The nearest integer; a tie goes up, as everywhere in the registry."""
    return (Fraction(value) + Fraction(1, 2)).__floor__()
