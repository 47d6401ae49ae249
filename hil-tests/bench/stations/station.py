"""One station: chip models on the pins of a board, for one profile.

    world --quantities--> chip models --harness--> board
                              |                      |
                           played <---- judged by ---- decoded reports

The sensors hang on the board's switched supply where it has one; radio and battery do not.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from fractions import Fraction
from types import ModuleType
from typing import Any

from bench.air.air import Air
from bench.boards.harness import Harness
from bench.chips.a02yyuw import A02YYUW
from bench.chips.ads1115 import ADS1115
from bench.chips.alphasense import NO2_B43F, OX_B431, Cell, CellKind, Label
from bench.chips.am312 import AM312
from bench.chips.axp192 import AXP192
from bench.chips.battery import Battery
from bench.chips.ds18b20 import DS18B20
from bench.chips.opt3001 import OPT3001
from bench.chips.part import Part, Played
from bench.chips.ports import I2cPeer, Line
from bench.chips.sht4x import SHT4x
from bench.schedule import Schedule
from bench.stations import expected
from bench.stations.expected import Acceptable, Container, GasCell, Sample
from bench.stations.radio import fit_radio
from bench.stations.wire import fields
from bench.world import World

CONTAINER = Container(empty_mm=1500, full_mm=300)
NO2_LABEL = Label(222_000, 241_000, Fraction("360.62"))
OX_LABEL = Label(235_000, 243_000, Fraction("361"), Fraction("423"))
CALIBRATION_ID = 17
DIM_PERCENT = 60
AVERAGE_S = 60

# How long quantities stand still. Gas is averaged for a minute, so it stands longer.
HOLD_S = {"fill": (7, 180), "air": (120, 900), "light": (7, 180)}
MOTION_GAP_S = 45.0
SENSORS_START_US = 2_000_000
"""A node starts its sensors at most so long before it reads them (the slowest: 0.9 s)."""


class Rail:
    """The sensors' supply: on while the board has power and its switch, if any, is closed."""

    def __init__(self, schedule: Schedule, parts: Iterable[Part], switch: Line | None, on_level: int) -> None:
        self._schedule = schedule
        self._parts = list(parts)
        self._switch = switch
        self._on_level = on_level
        self._board_on = False
        self.on = False
        self.switched_on_us: list[int] = []
        if switch is not None:
            switch.watch(lambda _level: self._update())

    def set_power(self, on: bool) -> None:
        """The board's own supply."""
        self._board_on = on
        self._update()

    def _update(self) -> None:
        closed = self._switch is None or self._switch.level == self._on_level
        on = self._board_on and closed
        if on and not self.on:
            self.switched_on_us.append(self._schedule.now_us)
        self.on = on
        for part in self._parts:
            part.set_power(on)


class Station:
    """The parts around one board. `profile` is `fill`, `air` or `light`; `facts` a board's facts module.

    `harness` goes to `Bench.add_board`, `settings` into the node's configuration file, `radio` is its voice in the
    air. Faults: `station.parts["distance"].fail("no-target")`.
    """

    def __init__(
        self,
        profile: str,
        facts: ModuleType,
        schedule: Schedule,
        world: World,
        air: Air,
        seed: int = 0,
        *,
        name: str | None = None,
        hold_s: tuple[int, int] | None = None,
    ) -> None:
        self.profile = profile
        self.name = name if name is not None else f"{profile}-{seed}"
        self.parts: dict[str, Part] = {}
        self.harness = Harness()
        self.settings: dict[str, Any] = {}
        """What the node's configuration file must say about these very parts: calibration, lamp level."""
        self._facts = facts
        self._schedule = schedule
        self._world = world
        self._seed = seed
        self._hold_s = hold_s or HOLD_S[profile]
        self._fields = fields(profile)
        self._bursts = expected.Bursts()
        self.battery = self._add_battery()
        build = {"fill": self._build_fill, "air": self._build_air, "light": self._build_light}[profile]
        build()
        module_power = self._add_radio(air)
        self.rail = self._add_rail(module_power)
        self.harness.powered += [self.rail]
        self.parts["battery"] = self.battery
        self.parts["radio"] = self.radio

    # What was played, and what follows from it

    @property
    def played(self) -> list[Played]:
        """Everything the sensor models put out, in the order of time."""
        return sorted((entry for part in self.parts.values() for entry in part.played), key=lambda entry: entry.time_us)

    def samples(self) -> list[Sample]:
        """Every sampling so far, with what a report of it must say."""
        ends_us = self._bursts.ends(self.battery.played)
        starts_us = [0, *ends_us]
        return [
            Sample(start_us, end_us, self._acceptable(start_us, end_us))
            for start_us, end_us in zip(starts_us, ends_us, strict=False)
        ]

    def expected(self, t_tx_us: int) -> Acceptable:
        """What a report must say that was taken freshly and sent at `t_tx_us`. Raises LookupError before any sample."""
        ends_us = self._bursts.ends(self.battery.played)
        place = bisect.bisect_right(ends_us, t_tx_us)
        if place == 0:
            raise LookupError(f"{self.name} had not sampled before {t_tx_us} us")
        return self._acceptable(ends_us[place - 2] if place > 1 else 0, ends_us[place - 1])

    def sample_of(self, decoded: Mapping[str, Any], before_us: int) -> Sample | None:
        """The newest sample before an instant that a report agrees with: for reports that came late out of a queue."""
        ends_us = self._bursts.ends(self.battery.played)
        for place in range(bisect.bisect_right(ends_us, before_us) - 1, -1, -1):
            start_us = ends_us[place - 1] if place else 0
            acceptable = self._acceptable(start_us, ends_us[place])
            if not expected.agrees(decoded, acceptable):
                return Sample(start_us, ends_us[place], acceptable)
        return None

    def _window(self, quantity: str, start_us: int, end_us: int) -> list[Played]:
        """What one quantity played in a sample; a supply that came on meanwhile starts the sample anew."""
        start_us = max(start_us, self._supplied_since(end_us))
        return [
            entry
            for part in self.parts.values()
            for entry in expected.between(part.played, start_us, end_us)
            if entry.quantity == quantity
        ]

    def _supplied_since(self, when_us: int) -> int:
        place = bisect.bisect_right(self.rail.switched_on_us, when_us)
        return self.rail.switched_on_us[place - 1] if place else 0

    def _acceptable(self, start_us: int, end_us: int) -> Acceptable:
        judge = {"fill": self._expect_fill, "air": self._expect_air, "light": self._expect_light}[self.profile]
        return judge(start_us, end_us)

    def _expect_battery(self, end_us: int) -> set[Any]:
        burst = expected.between(self.battery.played, end_us - expected.BURST_GAP_US, end_us)
        return expected.battery(burst, self._fields["battery"])

    def _expect_fill(self, start_us: int, end_us: int) -> Acceptable:
        echoes = self._window("distance", max(start_us, end_us - expected.DISTANCE_WINDOW_US), end_us)
        temperature = self._window("temperature", start_us, end_us)
        return expected.distance_and_fill(echoes, CONTAINER, self._fields) | {
            "temperature": expected.last(temperature, self._fields["temperature"]),
            "battery": self._expect_battery(end_us),
        }

    def _expect_air(self, start_us: int, end_us: int) -> Acceptable:
        temperature = self._window("temperature", start_us, end_us)
        electrodes = {f"ain{channel}": self._window(f"ain{channel}", start_us, end_us) for channel in range(4)}
        return expected.gases(electrodes, temperature, self._cells, self._fields) | {
            "no": {None},
            "temperature": expected.last(temperature, self._fields["temperature"]),
            "humidity": expected.last(self._window("humidity", start_us, end_us), self._fields["humidity"]),
            "battery": self._expect_battery(end_us),
            "calibration": {CALIBRATION_ID},
        }

    def _expect_light(self, start_us: int, end_us: int) -> Acceptable:
        on_us = self._supplied_since(end_us)
        ends_us = self._bursts.ends(self.battery.played)
        first_read_us = ends_us[bisect.bisect_right(ends_us, on_us)]
        listening_us = (max(on_us, first_read_us - SENSORS_START_US), first_read_us)
        warm_us = (listening_us[0] + expected.WARM_UP_US, listening_us[1] + expected.WARM_UP_US)
        return {
            "illuminance": expected.last(self._window("illuminance", start_us, end_us), self._fields["illuminance"]),
            "motion": expected.motion(
                self.parts["motion"].played,
                since_us=max(start_us, on_us),
                until_us=end_us,
                warm_us=warm_us,
                wire=self._fields["motion"],
            ),
            "dim": {DIM_PERCENT},
        }

    # Building

    def _build_fill(self) -> None:
        distance = A02YYUW(
            self._schedule, self._quantity("distance", 320, 1480), seed=f"{self._world.seed}/{self.name}", powered=False
        )
        temperature = DS18B20(
            self._schedule,
            self._quantity("temperature", -1_500, 4_500),
            serial=(self._seed + 1) & 0xFFFF_FFFF,
            powered=False,
        )
        self.parts |= {"distance": distance, "temperature": temperature}
        self.harness.uart[self._facts.UART["id"]] = distance
        self.harness.onewire[self._facts.ONEWIRE_PIN] = [temperature]
        self.settings = {"calibration": {"empty_mm": CONTAINER.empty_mm, "full_mm": CONTAINER.full_mm}}

    def _build_air(self) -> None:
        temperature = self._quantity("temperature", -1_000, 3_500)
        no2, o3 = self._quantity("no2", 0, 150), self._quantity("o3", 0, 120)

        def cell(name: str, kind: CellKind, label: Label, concentration: Any, cross: Any = None) -> Cell:
            background = self._quantity(f"{name}/background", -4_000, 9_000, step=125)
            return Cell(
                kind, label, concentration=concentration, temperature=temperature, background=background, no2=cross
            )

        no2_cell = cell("no2", NO2_B43F, NO2_LABEL, no2)
        ox_cell = cell("ox", OX_B431, OX_LABEL, o3, no2)
        self._cells = {
            "no2": GasCell(NO2_B43F, NO2_LABEL, "ain0", "ain1"),
            "o3": GasCell(OX_B431, OX_LABEL, "ain2", "ain3"),
        }
        adc = ADS1115(
            self._schedule,
            [no2_cell.working_uv, no2_cell.auxiliary_uv, ox_cell.working_uv, ox_cell.auxiliary_uv],
            powered=False,
        )
        climate = SHT4x(self._schedule, temperature, self._quantity("humidity", 200, 940), powered=False)
        self.parts |= {"electrodes": adc, "climate": climate}
        self._on_i2c(adc, climate)
        self.settings = {
            "calibration": {
                "no2": _label_settings(NO2_LABEL),
                "ox": _label_settings(OX_LABEL)
                | {"no2_sensitivity_nv_ppb": int(OX_LABEL.no2_sensitivity_uv_ppb * 1000)},
                "id": CALIBRATION_ID,
                "average_s": AVERAGE_S,
            }
        }

    def _build_light(self) -> None:
        light = OPT3001(self._schedule, self._quantity("illuminance", 1, 60_000, logarithmic=True), powered=False)
        motion = AM312(
            self._schedule,
            self._world.motion(f"{self.name}/motion", MOTION_GAP_S),
            active=self._facts.PIR_ACTIVE,
            seed=f"{self._world.seed}/{self.name}",
            powered=False,
        )
        self.parts |= {"illuminance": light, "motion": motion}
        self._on_i2c(light)
        self.harness.inputs[self._facts.PIR_PIN] = motion.line
        self.settings = {"calibration": {}, "dim_percent": DIM_PERCENT}

    def _quantity(self, name: str, low: int, high: int, *, step: int = 1, logarithmic: bool = False) -> Any:
        return self._world.quantity(
            f"{self.name}/{name}",
            low,
            high,
            step=step,
            hold_s=self._hold_s,
            logarithmic=logarithmic,
            rhythm=self.name,  # one station's surroundings change together, so few samples fall across a step
        )

    def _on_i2c(self, *chips: I2cPeer) -> None:
        self.harness.i2c.setdefault(self._facts.I2C["id"], []).extend(chips)

    def _add_battery(self) -> Battery | AXP192:
        """The battery behind a divider, or behind the power management chip that measures it."""
        # Multiples of a wire step, so that the converter's own error of some millivolts does not show.
        voltage = self._world.quantity(f"{self.name}/battery", 3_400, 4_100, step=20, hold_s=(600, 7_200))
        facts = self._facts.BATTERY
        if "pmu" in facts:
            chip = AXP192(self._schedule, voltage, powered=False)
            self._on_i2c(chip)
            self.harness.powered.append(chip)
            return chip
        divided = Battery(self._schedule, voltage, r_top_ohm=facts["r_top_ohm"], r_bottom_ohm=facts["r_bottom_ohm"])
        self.harness.adc[facts["adc"]] = divided
        return divided

    def _add_radio(self, air: Air) -> Line | None:
        """Put the radio on its pins; gives the line that supplies its module, where the board has one."""
        self.radio, supplies = fit_radio(
            self._facts.RADIO, self._schedule, air, self.name, self._world.seed, self.harness
        )
        module_power = supplies.get("module_power")
        switch = self.battery.ldo2 if isinstance(self.battery, AXP192) else module_power
        self.harness.powered.append(self.radio if switch is None else Rail(self._schedule, [self.radio], switch, 1))
        return module_power

    def _add_rail(self, module_power: Line | None) -> Rail:
        switch, on_level = module_power, 1
        if self._facts.SENSOR_POWER is not None:
            on_level = self._facts.SENSOR_POWER["on"]
            switch = Line(1 - on_level)
            self.harness.outputs[self._facts.SENSOR_POWER["pin"]] = switch
        return Rail(self._schedule, self.parts.values(), switch, on_level)


def _label_settings(label: Label) -> dict[str, int]:
    """A cell's label as the node's configuration has it: nanovolts for sensitivities."""
    return {
        "we_electronic_uv": label.we_electronic_uv,
        "ae_electronic_uv": label.ae_electronic_uv,
        "sensitivity_nv_ppb": int(label.sensitivity_uv_ppb * 1000),
    }
