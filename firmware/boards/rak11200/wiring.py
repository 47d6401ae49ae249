"""Wiring of the RAK11200 with a RAK13300.

`machine.WDT` of the ESP32 port takes the full 60 s. Light sleep stops its timer (unverified), and the node feeds it at
least every 30 s anyway.
"""

import machine

from firmware.boards import stack_sx126x
from firmware.boards.hardware import Hardware
from firmware.boards.rak11200 import facts


def build(config, clock):
    """The hardware of this board."""
    return Hardware(machine, facts, config, clock, stack_sx126x, machine.lightsleep)
