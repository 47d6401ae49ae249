"""Wiring of the T-Beam: radio and battery are the power management chip's business."""

import machine

from firmware.boards import stack_sx127x
from firmware.boards.hardware import Hardware
from firmware.boards.tbeam import facts
from firmware.boards.tbeam.pmu import Pmu


class TBeam(Hardware):
    """Hardware with an AXP192 or AXP2101."""

    def battery(self, config):
        """The chip that measures it."""
        if self._battery is None:
            self._battery = Pmu(self.i2c(), facts.BATTERY["pmu"], self._clock)
        return self._battery

    def radio_spi(self):
        """As everywhere, after the radio has got its supply."""
        self.battery(self._config).radio_on()
        return super().radio_spi()


def build(config, clock):
    """The hardware of this board."""
    return TBeam(machine, facts, config, clock, stack_sx127x, machine.lightsleep)
