"""A battery behind a resistor divider, as an analogue pin sees it.

Source: Zephyr overlay rak19007 (1 M over 1.5 M on WisBlock base boards).
"""

from __future__ import annotations

from bench.chips.part import Part, Quantity, round_half_up
from bench.schedule import Schedule


class Battery(Part):
    """An `AnalogSource`: call it with the time. `voltage` gives mV at the battery.

    Faults: `no-response` (the divider's tap is open and floats at 0).
    """

    FAULTS = frozenset({"no-response"})

    def __init__(self, schedule: Schedule, voltage: Quantity, *, r_top_ohm: int, r_bottom_ohm: int) -> None:
        super().__init__(schedule)
        self._voltage = voltage
        self._r_top_ohm = r_top_ohm
        self._r_bottom_ohm = r_bottom_ohm
        self._start()

    def __call__(self, now_us: int) -> int:
        """Microvolts at the tap."""
        if "no-response" in self.faults:
            self._play("battery", "no-response")
            return 0
        voltage_mv = round_half_up(self._voltage(now_us))
        self._play("battery", voltage_mv)
        return voltage_mv * 1000 * self._r_bottom_ohm // (self._r_top_ohm + self._r_bottom_ohm)
