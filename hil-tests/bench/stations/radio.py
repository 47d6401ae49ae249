"""The radio of a station: the model of the chip that the board's facts name, on the pins that they name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.air.air import Air
from bench.boards.harness import Harness
from bench.chips.ports import Line
from bench.chips.rui3 import Rak3172
from bench.chips.sx1262 import SX1262
from bench.chips.sx1276 import SX1276
from bench.schedule import Schedule

Radio = SX1262 | SX1276 | Rak3172
Supplies = dict[str, Line]
"""Lines that feed the radio, by their names in the facts; absent where the board has no such switch."""

_SUPPLIES = ("module_power", "rf_power", "tcxo_power")


def fit_radio(
    facts: dict[str, Any], schedule: Schedule, air: Air, name: str, seed: int | str, harness: Harness
) -> tuple[Radio, Supplies]:
    """Wire the radio of RADIO of a board's facts into `harness`, without power, and put its antenna up."""
    supplies = {supply: Line(0) for supply in _SUPPLIES if facts.get(supply) is not None}
    for supply, line in supplies.items():
        harness.outputs[facts[supply]] = line
    radio = _MODELS[facts["chip"]](Place(facts, schedule, air, name, seed, supplies, harness))
    if facts["reset"] is not None:
        harness.outputs[facts["reset"]] = radio.reset
    return radio, supplies


@dataclass(frozen=True, slots=True)
class Place:
    """Where a radio is fitted: RADIO of the board's facts, and all that is around it."""

    facts: dict[str, Any]
    schedule: Schedule
    air: Air
    name: str
    seed: int | str
    supplies: Supplies
    harness: Harness

    def put_up(self, chip: SX1262 | SX1276, **pins: Line) -> Radio:
        """Put the antenna of a chip on SPI up, and wire its interrupts by their names in the facts."""
        self.air.add_node(chip)
        self.harness.spi[(self.facts["spi"], self.facts["cs"])] = chip
        for pin, line in pins.items():
            if self.facts[pin] is not None:
                self.harness.inputs[self.facts[pin]] = line
        return chip


def _sx1262(place: Place) -> Radio:
    facts = place.facts
    chip = SX1262(
        place.schedule,
        place.air,
        place.name,
        tcxo_mv=facts["tcxo_mv"],
        needs_dio2_switch=facts["dio2_rf_switch"],
        rf_power=place.supplies.get("rf_power"),
        antenna_gain_dbi_x10=facts["antenna_gain_dbi_x10"],
        seed=place.seed,
        low_power=facts["chip"] == "sx1261",
        powered=False,
    )
    return place.put_up(chip, busy=chip.busy, dio1=chip.dio1)


def _sx1276(place: Place) -> Radio:
    facts = place.facts
    chip = SX1276(
        place.schedule,
        place.air,
        place.name,
        pa_boost=facts["pa_boost"],
        tcxo=facts["tcxo_input"],
        antenna_gain_dbi_x10=facts["antenna_gain_dbi_x10"],
        seed=place.seed,
        powered=False,
    )
    return place.put_up(chip, dio0=chip.dio0, dio1=chip.dio1)


def _rui3(place: Place) -> Radio:
    modem = Rak3172(place.schedule, place.air, place.name, seed=place.seed, powered=False)  # puts its own antenna up
    place.harness.uart[place.facts["uart"]] = modem
    return modem


_MODELS: dict[str, Callable[[Place], Radio]] = {
    "sx1261": _sx1262,
    "sx1262": _sx1262,
    "sx1276": _sx1276,
    "rui3": _rui3,
}
