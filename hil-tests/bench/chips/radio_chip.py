"""What the radio chips share: a supply, an NRESET pin, a noise floor, and an antenna that tells the level there is."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

from bench.chips.part import Part
from bench.chips.ports import ForbiddenUse, Line
from bench.schedule import Schedule

RESET_PULSE_US = 100
"""NRESET low for this long (SX1261/2 section 8.1, SX1276 section 7.2.2)."""


class RadioChip(Part):
    """A chip that forgets everything when NRESET goes high again."""

    NAME: ClassVar[str]
    RESET_SECTION: ClassVar[str]
    """Where the data sheet has the length of the pulse."""
    RESET_US: ClassVar[int]
    """From the end of the pulse to the first command."""

    def __init__(self, schedule: Schedule, powered: bool) -> None:
        super().__init__(schedule, powered)
        self.reset = Line(1)
        self._reset_fell_us: int | None = None
        self.reset.watch(self._reset_changed)

    def _reset_changed(self, level: int) -> None:
        if not self.powered:
            return
        if level == 0:
            self._reset_fell_us = self._schedule.now_us
            self._power_off()
        elif self._reset_fell_us is not None:
            low_us = self._schedule.now_us - self._reset_fell_us
            if low_us < RESET_PULSE_US:
                short = f"NRESET was low for {low_us} us, it needs {RESET_PULSE_US}"
                raise ForbiddenUse(f"{self.NAME}: {short} us ({self.RESET_SECTION})")
            self._cold_start(self.RESET_US)

    @abstractmethod
    def _cold_start(self, start_us: int) -> None:
        """Settings as after power-on; commands are taken in `start_us`."""
