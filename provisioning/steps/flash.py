"""flash: put the MicroPython image on the board, checked by its own header first."""

from __future__ import annotations

from typing import Any

from provisioning import uf2_drive
from provisioning.errors import SettingsError, WrongBoard
from provisioning.esptool import Esptool
from provisioning.images import Image, chip_name, read_esp_image, read_uf2_image
from provisioning.settings import image_path
from provisioning.steps.identify import check_machine
from provisioning.work import Work


class Flash:
    """esptool for Espressif chips, a copy to the boot drive for UF2 boards; nothing when no image is asked for."""

    name = "flash"
    needs = ("identify",)

    def fingerprint(self, work: Work) -> str:
        """The image and the unit it is for."""
        image = read_image(work)
        return f"{work.device.unit} {image.sha256 if image else 'as found'}"

    def still_true(self, work: Work) -> bool:
        """Nothing but this tool changes the flash; the next step meets the running firmware anyway."""
        return True

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Write the image, or look whether the firmware that is there will do."""
        image = read_image(work)
        facts = work.facts
        if image is None:
            found = work.link().describe()
            check_machine(found["machine"], facts.MCU, work.settings.board)
            return {"image": None, "release": found["release"]}
        if facts.FIRMWARE["kind"] == "esp-image":
            tool = Esptool(work, chip_name(facts.FIRMWARE["chip_id"]))
            unit = tool.read_mac()
            if unit != work.device.unit:
                raise WrongBoard("unit-differs", name=work.device.name, known=work.device.unit, found=unit)
            tool.write(image, facts.FIRMWARE["offset"])
        else:
            uf2_drive.flash(work, image)
            work.link()  # it runs, and only now can its unit be read
        return {"image": image.path.name, "sha256": image.sha256, "bytes": image.size}


def read_image(work: Work) -> Image | None:
    """The image of NODE.toml, read and judged against the board; None when none is asked for."""
    path = image_path(work.settings, work.settings_file)
    if path is None:
        return None
    facts, sha256 = work.facts, work.settings.firmware.sha256
    kind = facts.FIRMWARE["kind"]
    if kind == "esp-image":
        return read_esp_image(
            path,
            chip_id=facts.FIRMWARE["chip_id"],
            offset=facts.FIRMWARE["offset"],
            flash_bytes=facts.FLASH_BYTES,
            sha256=sha256,
        )
    if kind == "uf2":
        return read_uf2_image(path, family=facts.FIRMWARE["family_id"], flash_bytes=facts.FLASH_BYTES, sha256=sha256)
    raise SettingsError("flash-unsupported", board=work.settings.board, kind=kind)


STEP = Flash()
