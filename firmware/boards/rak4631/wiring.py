"""Wiring of the RAK4631. The port has no timed light sleep: the board idles."""

import machine

from firmware.boards import stack_sx126x
from firmware.boards.hardware import Hardware
from firmware.boards.rak4631 import facts


def build(config, clock):
    """The hardware of this board."""
    return Hardware(machine, facts, config, clock, stack_sx126x)
