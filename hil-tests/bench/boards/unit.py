"""What a unit is, and what of it outlives the processor's resets."""

from __future__ import annotations

import hashlib
import importlib
import json
from dataclasses import dataclass, field
from typing import Any, Literal

from bench.boards.flash import Layout, layout_of

Cause = Literal["PWRON", "HARD", "WDT", "DEEPSLEEP", "SOFT"]
UNIX_2000_S = 946_684_800  # ports/esp32: the clock starts at 2000-01-01
UNIX_2021_S = 1_609_459_200  # ports/rp2: the clock starts at 2021-01-01
LOCAL_OUI = bytes.fromhex("025a7a")  # locally administered: no real adapter has it
BOOT_US = {"esp32": 350_000, "rp2040": 120_000}
"""From reset to boot.py, order of magnitude: ROM and bootloader, flash checks, start of MicroPython."""
SOFT_BOOT_US = 30_000
DEFAULT_BOOT_US = 300_000
MCU_NAMES = {"esp32": "ESP32", "esp32s3": "ESP32S3", "rp2040": "RP2040"}


@dataclass(slots=True)
class Unit:
    """One board with its identity: type, chip, addresses."""

    name: str
    board: str
    facts: Any
    seed: int
    ticks_start_ms: int = 0
    """What `time.ticks_ms()` counts from after a reset; close to 2**30 lets a test see the wrap."""
    boots: int = 0
    cause: Cause = "PWRON"
    hard_cause: Cause = "PWRON"
    wake_reason: int = 0
    rtc_memory: bytes = b""
    clock_offset_s: int = 0
    base_us: int = 0
    wake_pins: dict[int, int] = field(default_factory=dict)

    @property
    def mcu(self) -> str:
        """Processor, as in the board facts."""
        return str(self.facts.MCU)

    @property
    def layout(self) -> Layout:
        """Places in its flash."""
        return layout_of(self.mcu, self.facts.FLASH_BYTES)

    @property
    def mac(self) -> bytes:
        """Six bytes, unique in a bench, repeatable from its seed."""
        return LOCAL_OUI + _digest(self.seed, self.name, "mac")[:3]

    @property
    def unique_id(self) -> bytes:
        """machine.unique_id(): the MAC on ESP32, the flash's serial number on RP2040."""
        return self.mac if self.mcu.startswith("esp32") else _digest(self.seed, self.name, "flash id")[:8]

    def powered_on(self, now_us: int) -> None:
        """Everything volatile is gone, the clock starts where the port starts it."""
        self.rtc_memory = b""
        start_s = UNIX_2021_S if self.mcu == "rp2040" else UNIX_2000_S
        self.clock_offset_s = start_s - now_us // 1_000_000

    def boot_message(self, run_main: bool) -> bytes:
        """What the prelude needs to know, as JSON."""
        self.boots += 1
        layout = self.layout
        mcu_name = MCU_NAMES.get(self.mcu, self.mcu.upper())
        return json.dumps(
            {
                "mcu": self.mcu,
                "cause": self.cause,
                "hard_cause": self.hard_cause,
                "wake_reason": self.wake_reason,
                "base_us": self.base_us,
                "clock_offset_s": self.clock_offset_s,
                "unique_id": self.unique_id.hex(),
                "seed": int.from_bytes(_digest(self.seed, self.name, str(self.boots))[:4], "big"),
                "machine": f"Spatz virtual {self.board} with {mcu_name}",
                "build": f"SPATZ_VIRTUAL_{self.board.upper()}",
                "wires": self._wires(),
                "files_offset": layout.files_offset,
                "files_bytes": layout.files_bytes,
                "run_main": run_main,
            }
        ).encode()

    def _wires(self) -> list[tuple[str, int, dict[str, int]]]:
        """Which pins belong to which bus, for the bit-banged bus classes."""
        wires = []
        if (i2c := getattr(self.facts, "I2C", None)) is not None:
            wires.append(("I2C", i2c["id"], {"scl": i2c["scl"], "sda": i2c["sda"]}))
        radio = getattr(self.facts, "RADIO", None)
        if radio is not None and radio.get("spi") is not None:
            wires.append(("SPI", radio["spi"], {"sck": radio["sck"]}))
        return wires


def unit_of(name: str, board: str, seed: int, ticks_start_ms: int = 0) -> Unit:
    """A unit of a board type known to `firmware.boards`."""
    facts = importlib.import_module(f"firmware.boards.{board}.facts")
    return Unit(name=name, board=board, facts=facts, seed=seed, ticks_start_ms=ticks_start_ms)


def _digest(seed: int, name: str, purpose: str) -> bytes:
    return hashlib.sha256(f"{seed}/{name}/{purpose}".encode()).digest()
