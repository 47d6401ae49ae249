"""Alphasense B4 gas cells on an individual sensor board: two voltages from a concentration.

Source: Alphasense AAN 803 (temperature behaviour, algorithm 1 and table for NO2-B43F and OX-B431) and the
labels of the cells. A cell has a working electrode that sees the gas and an auxiliary one that only sees
temperature and drift; both stand on an electronic offset.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

from bench.chips.part import Quantity, round_half_up

TABLE_TEMPERATURES_C = (-30, -20, -10, 0, 10, 20, 30, 40, 50)


@dataclass(frozen=True)
class CellKind:
    """A cell type: how much of the auxiliary electrode's background the working electrode shows, by temperature."""

    name: str
    background_ratio: tuple[str, ...]
    """nT of AAN 803, algorithm 1, at `TABLE_TEMPERATURES_C`."""

    def ratio(self, temperature_c: Fraction) -> Fraction:
        """nT, linear between the table's temperatures, held at its ends."""
        ratios = [Fraction(text) for text in self.background_ratio]
        if temperature_c <= TABLE_TEMPERATURES_C[0]:
            return ratios[0]
        for index in range(1, len(ratios)):
            low_c, high_c = TABLE_TEMPERATURES_C[index - 1 : index + 1]
            if temperature_c <= high_c:
                share = (temperature_c - low_c) / (high_c - low_c)
                return ratios[index - 1] + share * (ratios[index] - ratios[index - 1])
        return ratios[-1]


NO2_B43F = CellKind("NO2-B43F", ("1.3", "1.3", "1.3", "1.3", "1.0", "0.6", "0.4", "0.2", "-1.5"))
OX_B431 = CellKind("OX-B431", ("0.9", "0.9", "1.0", "1.3", "1.5", "1.7", "2.0", "2.5", "3.7"))


@dataclass(frozen=True)
class Label:
    """What the label of one cell says, in microvolts."""

    we_electronic_uv: int
    ae_electronic_uv: int
    sensitivity_uv_ppb: Fraction
    no2_sensitivity_uv_ppb: Fraction = Fraction(0)
    """Only OX cells: they react to NO2 as well."""


class Cell:
    """One cell in air. Concentrations in ppb, temperature in 0.01 degrees Celsius, `background` in microvolts."""

    def __init__(
        self,
        kind: CellKind,
        label: Label,
        *,
        concentration: Quantity,
        temperature: Quantity,
        background: Quantity,
        no2: Quantity | None = None,
    ) -> None:
        self.kind = kind
        self.label = label
        self._concentration = concentration
        self._temperature = temperature
        self._background = background
        self._no2 = no2

    def auxiliary_uv(self, now_us: int) -> int:
        """OP2: offset and background."""
        return self.label.ae_electronic_uv + round_half_up(self._background(now_us))

    def working_uv(self, now_us: int) -> int:
        """OP1: offset, the share of the background that shows at this temperature, and the gas."""
        ratio = self.kind.ratio(Fraction(self._temperature(now_us)) / 100)
        signal = ratio * Fraction(self._background(now_us))
        signal += self.label.sensitivity_uv_ppb * self._concentration(now_us)
        if self._no2 is not None:
            signal += self.label.no2_sensitivity_uv_ppb * self._no2(now_us)
        return self.label.we_electronic_uv + round_half_up(signal)
