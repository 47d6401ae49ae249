"""Wiring of the Heltec V3: an ESP32-S3 board as its facts tell."""

import machine

from firmware.boards import stack_sx126x
from firmware.boards.hardware import Hardware
from firmware.boards.heltec_v3 import facts


def build(config, clock):
    """The hardware of this board."""
    return Hardware(machine, facts, config, clock, stack_sx126x, machine.lightsleep)
