"""esptool as a program: read the MAC, write an image. Its exit status decides; its text only informs.

`--trace` is never used: it prints all data that goes over the line.
"""

from __future__ import annotations

import re

from provisioning.errors import BoardError, BoardSilent, PortError, ProgramError, WrongBoard
from provisioning.images import Image
from provisioning.processes import Finished, python_module, run
from provisioning.work import Work

CONNECT_DEADLINE_S = 60.0
WRITE_SECONDS_PER_BYTE = 1 / 5_000  # half of what 115,200 baud gives, so that a slow cable is no failure
_MAC = re.compile(r"^\s*(?:BASE )?MAC:\s*((?:[0-9a-f]{2}:){5}[0-9a-f]{2})\s*$", re.IGNORECASE | re.MULTILINE)


class Esptool:
    """esptool against the device's port."""

    def __init__(self, work: Work, chip: str) -> None:
        self._work = work
        self._chip = chip

    def read_mac(self) -> str:
        """The factory MAC, 12 lower-case hex digits. WrongBoard when the chip is another."""
        ended = self._run(["read-mac"], CONNECT_DEADLINE_S)
        found = _MAC.search(ended.output)
        if found is None:
            raise ProgramError("esptool-no-mac", reason=ended.tail())
        return found.group(1).replace(":", "").lower()

    def write(self, image: Image, offset: int) -> None:
        """Write and verify. What is already there (by its MD5) is skipped, which is how a cut write is resumed."""
        deadline_s = CONNECT_DEADLINE_S + image.size * WRITE_SECONDS_PER_BYTE
        arguments = ["write-flash", "--no-progress", "--skip-flashed", f"{offset:#x}", str(image.path)]
        self._run(["--baud", str(self._work.options.baud), *arguments], deadline_s)

    def _run(self, arguments: list[str], deadline_s: float) -> Finished:
        self._work.release_port()
        port = self._work.port
        command = python_module("esptool", "--chip", self._chip, "--port", port, *arguments)
        self._work.node_stopped = True
        ended = run(command, deadline_s, self._work.redactor, dies_with_us=True)
        if ended.status:
            raise _meaning(ended, port, self._chip)
        return ended


def _meaning(ended: Finished, port: str, chip: str) -> Exception:
    """esptool ends with 2 for everything; its words only choose which advice is given."""
    text = ended.output
    if "No module named esptool" in text:
        return ProgramError("program-missing", program="esptool", reason=ended.tail())
    if "exclusively lock port" in text or "Could not open" in text:
        return PortError("port-busy", port=port)
    if found := re.search(r"This chip is ([\w-]+), not", text):
        return WrongBoard("chip-differs", wanted=chip, found=found.group(1))
    if "Failed to connect" in text or "No serial data received" in text:
        return BoardSilent("boot-rom-silent", port=port)
    return BoardError("esptool-failed", reason=ended.tail())
