"""From exact values to what a decoder must show, by the profile's TOML and nothing else of the firmware.

Two roundings lie between: the driver's to a whole number of the registry's unit, and the profile's to its step. Both
round half up. Here they are done in fractions, where the firmware does them in integers.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from fractions import Fraction
from importlib import resources
from typing import Any

from bench.chips.part import round_half_up

Shown = int | float | None
"""A decoded value; None stands for null, a sensor without a valid reading."""


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a profile."""

    name: str
    per_unit: int
    """Whole numbers of the node per unit that people see."""
    step: int
    """Step of the wire in whole numbers of the node."""
    low: Fraction
    high: Fraction
    clip: bool

    def show(self, exact: int | Fraction) -> Shown:
        """What the decoder shows for an exact value in registry units."""
        wire = round_half_up(Fraction(round_half_up(exact), self.step))
        unit = Fraction(wire * self.step, self.per_unit)
        if self.clip:
            unit = min(max(unit, self.low), self.high)
        elif not self.low <= unit <= self.high:
            return None
        return int(unit) if unit.denominator == 1 else float(unit)

    def neighbours(self, exact: int | Fraction) -> set[Shown]:
        """What it shows, and one step of the wire to either side."""
        return {self.show(exact + offset) for offset in (-self.step, 0, self.step)}


def fields(profile: str) -> dict[str, Field]:
    """The fields and extensions of `profile` by name."""
    folder = resources.files("firmware.payload")
    quantities = tomllib.loads((folder / "quantities.toml").read_text(encoding="utf-8"))
    page = tomllib.loads((folder / "profiles" / f"{profile}.toml").read_text(encoding="utf-8"))
    return {
        entry["name"]: _field(entry, quantities[entry["quantity"]])
        for entry in (*page["field"], *page.get("extension", ()))
    }


def _field(entry: dict[str, Any], quantity: dict[str, Any]) -> Field:
    per_unit = quantity["per_unit"]
    step = Fraction(str(entry["step"])) * per_unit if "step" in entry else Fraction(1)
    low, high = entry.get("range", quantity.get("range", (0, 1 << 32)))
    return Field(
        name=entry["name"],
        per_unit=per_unit,
        step=int(step),
        low=Fraction(str(low)),
        high=Fraction(str(high)),
        clip=bool(entry.get("clip", False)),
    )
