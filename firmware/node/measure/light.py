"""Profile `light`: OPT3001 illuminance, PIR counted by interrupt, lamp level.

Calibration keys: `pir_warmup_s` (60), `pir_merge_ms` (1000). The lamp level is what the configuration says
(`dim_percent`) until a lamp can be controlled; without it the field is empty.
"""

from firmware.drivers import faults
from firmware.drivers.opt3001 import OPT3001
from firmware.drivers.pir import AM312_WARMUP_MS, MERGE_GAP_MS, PIR, Presence
from firmware.payload.tables import light as table

_ILLUMINANCE = 0
_MOTION = 1
_DIM = 2


class Light:
    """What a `light` node measures."""

    table = table
    always_powered = True  # the PIR counts all the time
    alarms = ()  # none on persons (profile N5)

    def __init__(self, hardware, config, clock):
        calibration = config.calibration
        self._dim_percent = config.dim_percent
        self._light = OPT3001(hardware.i2c(), clock)
        pin, active = hardware.pir()
        warmup_s = calibration.get("pir_warmup_s")
        self._motion = PIR(
            pin,
            clock,
            active,
            AM312_WARMUP_MS if warmup_s is None else warmup_s * 1000,
            Presence(clock, calibration.get("pir_merge_ms", MERGE_GAP_MS)),
        )
        self.battery = hardware.battery(config)
        self.sensors = (self._light, self._motion, self.battery)

    def collect(self, values):
        """Put the readings into `values`; True when all parts work and are warm."""
        values[_ILLUMINANCE] = self._light.read()
        values[_MOTION] = self._motion.read()
        values[_DIM] = self._dim_percent
        self.battery.read()
        return not (faults.is_fault(values[_ILLUMINANCE]) or faults.is_fault(values[_MOTION]))


Kind = Light
