"""Wiring of the LilyGO T3: an ESP32 board as its facts tell."""

import machine

from firmware.boards import stack_sx127x
from firmware.boards.hardware import Hardware
from firmware.boards.lilygo_t3 import facts


def build(config, clock):
    """The hardware of this board."""
    return Hardware(machine, facts, config, clock, stack_sx127x, machine.lightsleep)
