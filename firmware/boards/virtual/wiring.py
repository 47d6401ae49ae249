"""Wiring of the virtual board: like a real ESP32 board, from its facts."""

import machine

from firmware.boards import stack_sx126x
from firmware.boards.hardware import Hardware
from firmware.boards.virtual import facts


def build(config, clock):
    """The hardware of this board."""
    return Hardware(machine, facts, config, clock, stack_sx126x, machine.lightsleep)
