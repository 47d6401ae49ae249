"""A whole node on the virtual board: genuine MicroPython, sensor models, air, concentrator, server core.

Everything between the sensors and the decoded event is real or a model that knows nothing of the firmware.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from bench.air.air import Air
from bench.air.concentrator import Concentrator
from bench.air.direct import DirectLink
from bench.boards import Bench, Board, Harness
from bench.boards.software import compile_firmware
from bench.chips.a02yyuw import A02YYUW
from bench.chips.ads1115 import ADS1115
from bench.chips.alphasense import NO2_B43F, OX_B431, Cell, Label
from bench.chips.am312 import AM312
from bench.chips.battery import Battery
from bench.chips.ds18b20 import DS18B20
from bench.chips.opt3001 import OPT3001
from bench.chips.ports import Line
from bench.chips.sht4x import SHT4x
from bench.chips.sx1262 import SX1262
from bench.server.core import NetworkServer
from bench.server.outputs import AppEvent
from firmware.boards.virtual import facts
from firmware.lorawan.ids import Eui
from firmware.lorawan.store import pack_identity

DEV_EUI = "70b3d57ed0000001"
JOIN_EUI = "70b3d57ed00000ff"
APP_KEY = bytes(range(16))
GATEWAY = "0016c001ff10a235"
UNIX_US = 1_795_312_800_000_000
CODEC = Path(__file__).parents[3] / "firmware/payload/generated/spatz.js"
NO2_LABEL = Label(222_000, 241_000, 250)
OX_LABEL = Label(235_000, 243_000, 361, 423)

CALIBRATION: dict[str, dict[str, Any]] = {
    "fill": {"empty_mm": 1500, "full_mm": 300},
    "air": {
        "id": 17,
        "average_s": 0,
        "warmup_s": 0,
        "no2": {"we_electronic_uv": 222_000, "ae_electronic_uv": 241_000, "sensitivity_nv_ppb": 250_000},
        "ox": {
            "we_electronic_uv": 235_000,
            "ae_electronic_uv": 243_000,
            "sensitivity_nv_ppb": 361_000,
            "no2_sensitivity_nv_ppb": 423_000,
        },
    },
    "light": {"pir_warmup_s": 0},
}


class World:
    """Quantities that a test sets; models ask for them."""

    def __init__(self) -> None:
        self.distance_mm = 1020
        self.temperature_centi = 2150
        self.humidity_permille = 615
        self.battery_mv = 3620
        self.no2_ppb = 21
        self.o3_ppb = 47
        self.lux = 143
        self.motions_us: list[int] = []

    def next_motion(self, now_us: int) -> int | None:
        return next((at_us for at_us in self.motions_us if at_us > now_us), None)


class WholeNode:
    """One node of `profile` and its network. `settings` go into /node.json."""

    def __init__(self, root: Path, profile: str, *, heap_bytes: int = 2 * 1024 * 1024, **settings: Any) -> None:
        self.bench = Bench(root, seed=7)
        self.world = World()
        schedule = self.bench.schedule
        self.air = Air(schedule, fading_db=0)
        self.radio = SX1262(
            schedule,
            self.air,
            "node",
            tcxo_mv=facts.RADIO["tcxo_mv"],
            antenna_gain_dbi_x10=facts.RADIO["antenna_gain_dbi_x10"],
        )
        self.air.add_node(self.radio)
        self.models: dict[str, Any] = {}
        self.server = NetworkServer()
        codec = CODEC.read_text() if CODEC.exists() else ""
        self.server.add_device(DEV_EUI, APP_KEY, codec_script=codec)
        self.link = DirectLink(schedule, self.server, unix_us=UNIX_US)
        self.link.attach(Concentrator(schedule, self.air, "gateway"), GATEWAY)
        self.board: Board = self.bench.add_board("node", harness=self._harness(profile), heap_bytes=heap_bytes)
        self.config = {
            "version": 1,
            "name": "node",
            "board": "virtual",
            "profile": profile,
            "region": "EU868",
            "report_interval_s": 60,
            "confirmed": False,
            "calibration": CALIBRATION[profile],
            "spread_percent": 0,
            "start_delay_s": 0,
            **settings,
        }
        self.board.write_files(
            {
                **compile_firmware("virtual", profile),
                "/node.json": json.dumps(self.config).encode(),
                "/lorawan/identity": pack_identity(Eui.from_hex(DEV_EUI), Eui.from_hex(JOIN_EUI), APP_KEY),
            }
        )

    def __enter__(self) -> WholeNode:
        self.board.power_on()
        return self

    def __exit__(self, *_: object) -> None:
        self.bench.close()

    def _harness(self, profile: str) -> Harness:
        radio = facts.RADIO
        battery = Battery(
            self.bench.schedule,
            lambda now_us: self.world.battery_mv,
            r_top_ohm=facts.BATTERY["r_top_ohm"],
            r_bottom_ohm=facts.BATTERY["r_bottom_ohm"],
        )
        self.models["battery"] = battery
        harness = Harness(
            spi={(radio["spi"], radio["cs"]): self.radio},
            inputs={radio["busy"]: self.radio.busy, radio["dio1"]: self.radio.dio1},
            outputs={radio["reset"]: self.radio.reset},
            adc={facts.BATTERY["adc"]: battery},
            powered=[self.radio],
        )
        getattr(self, f"_wire_{profile}")(harness)
        return harness

    def _switched(self, harness: Harness, *parts: Any) -> None:
        """Parts on the switched sensor supply."""
        supply = Line(0)
        supply.watch(lambda level: [part.set_power(bool(level)) for part in parts])
        harness.outputs[facts.SENSOR_POWER["pin"]] = supply

    def _wire_fill(self, harness: Harness) -> None:
        schedule, world = self.bench.schedule, self.world
        distance = A02YYUW(schedule, lambda now_us: world.distance_mm, powered=False)
        temperature = DS18B20(schedule, lambda now_us: world.temperature_centi, powered=False)
        harness.uart[facts.UART["id"]] = distance
        harness.onewire[facts.ONEWIRE_PIN] = [temperature]
        self._switched(harness, distance, temperature)
        self.models |= {"distance": distance, "temperature": temperature}

    def _wire_air(self, harness: Harness) -> None:
        schedule, world = self.bench.schedule, self.world
        surroundings = {
            "temperature": lambda now_us: world.temperature_centi,
            "background": lambda now_us: 4_300,
        }
        no2 = Cell(NO2_B43F, NO2_LABEL, concentration=lambda now_us: world.no2_ppb, **surroundings)
        ox = Cell(
            OX_B431,
            OX_LABEL,
            concentration=lambda now_us: world.o3_ppb,
            no2=lambda now_us: world.no2_ppb,
            **surroundings,
        )
        inputs = [no2.working_uv, no2.auxiliary_uv, ox.working_uv, ox.auxiliary_uv]
        adc = ADS1115(schedule, inputs, powered=False)
        climate = SHT4x(
            schedule,
            lambda now_us: world.temperature_centi,
            lambda now_us: world.humidity_permille,
            powered=False,
        )
        harness.i2c[facts.I2C["id"]] = [adc, climate]
        self._switched(harness, adc, climate)
        self.models |= {"adc": adc, "climate": climate}

    def _wire_light(self, harness: Harness) -> None:
        schedule, world = self.bench.schedule, self.world
        light = OPT3001(schedule, lambda now_us: world.lux, powered=False)
        motion = AM312(schedule, world.next_motion, active=facts.PIR_ACTIVE, powered=False)
        harness.i2c[facts.I2C["id"]] = [light]
        harness.inputs[facts.PIR_PIN] = motion.line
        self._switched(harness, light, motion)
        self.models |= {"light": light, "motion": motion}

    # What came out

    def events(self, kind: str) -> list[Any]:
        """Messages of the server's application events of a kind."""
        return [out.message for out in self.link.outputs if isinstance(out, AppEvent) and out.kind == kind]

    def ups(self, f_port: int | None = None) -> list[Any]:
        """Uplink events, of one FPort or all."""
        return [up for up in self.events("up") if f_port in (None, up.f_port)]

    def decoded(self, f_port: int) -> list[dict[str, Any]]:
        """What the codec made of the uplinks of a port."""
        from google.protobuf.json_format import MessageToDict

        return [MessageToDict(up.object) for up in self.ups(f_port)]

    def run_until_ups(self, f_port: int, count: int, timeout_s: float = 600) -> bool:
        """Let time pass until the server has `count` uplinks of a port."""
        return self.bench.run_until(lambda: len(self.ups(f_port)) >= count, timeout_s)
