"""Wiring of an ESP32 with a RAK3172.

In light sleep the UART hears nothing; a class A modem says nothing either unless it was told to send, and the node
waits for the end of that awake.
"""

import machine

from firmware.boards import stack_rui3
from firmware.boards.esp32_rak3172 import facts
from firmware.boards.hardware import Hardware


def build(config, clock):
    """The hardware of this board."""
    return Hardware(machine, facts, config, clock, stack_rui3, machine.lightsleep)
