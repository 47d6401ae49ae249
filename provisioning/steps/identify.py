"""identify: which board hangs on the port, and is it the kind that NODE.toml names?"""

from __future__ import annotations

import re
from typing import Any

from provisioning import uf2_drive
from provisioning.errors import BoardSilent, WrongBoard
from provisioning.esptool import Esptool
from provisioning.images import chip_name
from provisioning.work import Work

# What `sys.implementation._machine` says on a board with this microcontroller ("... with ESP32").
_MACHINE = {
    "esp32": re.compile(r"\bESP32(?![-\w])"),
    "esp32s3": re.compile(r"\bESP32[- ]?S3\b"),
    "rp2040": re.compile(r"\bRP2040\b"),
    "nrf52840": re.compile(r"\bnRF52840\b", re.IGNORECASE),
}


class Identify:
    """By the boot ROM when an image will be flashed (the board may be blank), else by the running MicroPython."""

    name = "identify"
    needs: tuple[str, ...] = ()

    def fingerprint(self, work: Work) -> str:
        """The kind of board."""
        return work.settings.board

    def still_true(self, work: Work) -> bool:
        """A board does not change; every step at the port checks the unit again by itself."""
        return work.device.unit is not None

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Bind the device to the unit on the port."""
        facts = work.facts
        kind = facts.FIRMWARE["kind"]
        if kind == "esp-image" and work.settings.firmware.image is not None:
            unit = Esptool(work, chip_name(facts.FIRMWARE["chip_id"])).read_mac()
            work.confirm_unit(unit)
            return {"unit": unit, "by": "boot ROM", "chip": facts.MCU}
        will_flash = kind == "uf2" and work.settings.firmware.image is not None
        in_boot_loader = {"unit": None, "by": "boot drive", "chip": facts.MCU}
        # The boot loader of these chips tells one unit from another by nothing: it is read after flashing.
        if will_flash and (work.options.boot_drive or uf2_drive.find_drive()):
            return in_boot_loader
        try:
            found = work.link().describe()
        except BoardSilent:
            if will_flash:
                return in_boot_loader
            raise
        check_machine(found["machine"], facts.MCU, work.settings.board)
        return {"unit": found["unit"], "by": "MicroPython " + found["release"], "chip": facts.MCU}


def check_machine(machine: str, mcu: str, board: str) -> None:
    """WrongBoard when the running firmware names another microcontroller than the board has."""
    pattern = _MACHINE.get(mcu)
    if pattern is not None and not pattern.search(machine):
        raise WrongBoard("board-differs", board=board, wanted=mcu, found=machine)


STEP = Identify()
