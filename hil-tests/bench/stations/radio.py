"""The radio of a station: the model of the chip that the board's facts name, on the pins that they name."""

from __future__ import annotations

from collections.abc import Callable
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
    radio = _MODELS[facts["chip"]](facts, schedule, air, name, seed, supplies, harness)
    if facts["reset"] is not None:
        harness.outputs[facts["reset"]] = radio.reset
    return radio, supplies


def _sx1262(
    facts: dict[str, Any],
    schedule: Schedule,
    air: Air,
    name: str,
    seed: int | str,
    supplies: Supplies,
    harness: Harness,
) -> Radio:
    radio = SX1262(
        schedule,
        air,
        name,
        tcxo_mv=facts["tcxo_mv"],
        needs_dio2_switch=facts["dio2_rf_switch"],
        rf_power=supplies.get("rf_power"),
        antenna_gain_dbi_x10=facts["antenna_gain_dbi_x10"],
        seed=seed,
        powered=False,
    )
    air.add_node(radio)
    harness.spi[(facts["spi"], facts["cs"])] = radio
    harness.inputs[facts["busy"]] = radio.busy
    harness.inputs[facts["dio1"]] = radio.dio1
    return radio


def _sx1276(
    facts: dict[str, Any],
    schedule: Schedule,
    air: Air,
    name: str,
    seed: int | str,
    supplies: Supplies,
    harness: Harness,
) -> Radio:
    radio = SX1276(
        schedule,
        air,
        name,
        pa_boost=facts["pa_boost"],
        tcxo=facts["tcxo_input"],
        antenna_gain_dbi_x10=facts["antenna_gain_dbi_x10"],
        seed=seed,
        powered=False,
    )
    air.add_node(radio)
    harness.spi[(facts["spi"], facts["cs"])] = radio
    harness.inputs[facts["dio0"]] = radio.dio0
    if facts["dio1"] is not None:
        harness.inputs[facts["dio1"]] = radio.dio1
    return radio


def _rui3(
    facts: dict[str, Any],
    schedule: Schedule,
    air: Air,
    name: str,
    seed: int | str,
    supplies: Supplies,
    harness: Harness,
) -> Radio:
    modem = Rak3172(schedule, air, name, seed=seed, powered=False)  # puts its own antenna up
    harness.uart[facts["uart"]] = modem
    return modem


_MODELS: dict[str, Callable[[dict[str, Any], Schedule, Air, str, int | str, Supplies, Harness], Radio]] = {
    "sx1262": _sx1262,
    "sx1276": _sx1276,
    "rui3": _rui3,
}
