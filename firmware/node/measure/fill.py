"""Profile `fill`: A02YYUW distance, DS18B20 temperature, battery.

Calibration keys: `empty_mm`, `full_mm` (distances at 0 and 100 %), `shape` ("prism", "cylinder", or "frustum" with
`floor_mm` and `rim_mm`), `full_percent` (alarm, 80). Without `empty_mm` and `full_mm` there is a distance, but no
fill level.
"""

from firmware.drivers import faults, fill_level
from firmware.drivers.a02yyuw import A02YYUW
from firmware.drivers.ds18b20 import DS18B20
from firmware.node.judge import Drop, Threshold
from firmware.payload.tables import fill as table

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


_DISTANCE = const(0)
_FILL = const(1)
_TEMPERATURE = const(2)
_BATTERY = const(3)

_EVENT_FULL = const(1)  # words of profile `event`
_EVENT_EMPTIED = const(5)
_FULL_PERCENT = const(80)
_FULL_SAMPLES = const(2)
_FULL_HYSTERESIS_PERCENT = const(5)
"""A bin that sways around the threshold is reported once."""
_EMPTIED_PERCENT = const(40)


class Fill:
    """What a `fill` node measures and which events it finds."""

    table = table
    always_powered = False

    def __init__(self, hardware, config, clock):
        self._calibration = config.calibration
        self._distance = A02YYUW(hardware.uart(9600), clock)
        self._temperature = DS18B20(hardware.onewire(), clock)
        self.battery = hardware.battery(config)
        self.sensors = (self._distance, self._temperature, self.battery)
        full = self._calibration.get("full_percent", _FULL_PERCENT)
        self.alarms = (
            Threshold(_EVENT_FULL, _FILL, full, _FULL_SAMPLES, _FULL_HYSTERESIS_PERCENT),
            Drop(_EVENT_EMPTIED, _FILL, _EMPTIED_PERCENT),
        )

    def collect(self, values):
        """Put the readings into `values`; True when all parts work."""
        distance = self._distance.read()
        values[_DISTANCE] = distance
        values[_FILL] = self._fill(distance)
        values[_TEMPERATURE] = self._temperature.read()
        values[_BATTERY] = self.battery.read()
        return not (self._distance.doubtful or faults.is_fault(distance) or faults.is_fault(values[_TEMPERATURE]))

    def _fill(self, distance):
        """Percent. Something right before the lens is a full container or a covered lens: 100, with no distance."""
        empty_mm = self._calibration.get("empty_mm")
        full_mm = self._calibration.get("full_mm")
        if empty_mm is None or full_mm is None or empty_mm <= full_mm:
            return None
        if distance == faults.BELOW_BLANKING:
            return 100
        if faults.is_fault(distance):
            return None
        share = fill_level.height_share(distance, empty_mm, full_mm)
        shape = self._calibration.get("shape", fill_level.PRISM)
        if shape == fill_level.CYLINDER:
            share = fill_level.cylinder_share(share)
        elif shape == fill_level.FRUSTUM:
            share = fill_level.frustum_share(share, self._calibration["floor_mm"], self._calibration["rim_mm"])
        return fill_level.fill_percent(share)


Kind = Fill
