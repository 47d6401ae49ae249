"""Wiring of the RAK11310.

The RP2040's watchdog cannot wait longer than 8.3 s, and a join alone takes that long: it cannot be the node's 60 s
watchdog. So a timer feeds it, as long as the node itself has shown life within the last 60 s. What this cannot catch:
a node that is stuck while interrupts still run and something keeps calling `feed`. What it does catch: a hung processor
within 8.3 s, a hung program within 70 s. `machine.lightsleep` stops the timer, so sleep comes in short pieces.
"""

import machine

from firmware.boards import stack_sx126x
from firmware.boards.hardware import Hardware
from firmware.boards.rak11310 import facts

_ALIVE_MS = 60_000
_FEED_EVERY_MS = 4_000


class _Watchdog:
    """The hardware's 8.3 s, stretched to 60 s by a timer."""

    def __init__(self, clock):
        self._clock = clock
        self._alive = clock.ticks_ms()
        self._wdt = machine.WDT(timeout=facts.WATCHDOG_MAX_MS)
        self._timer = machine.Timer(period=_FEED_EVERY_MS, callback=self._tick)

    def feed(self):
        """The node shows life."""
        self._alive = self._clock.ticks_ms()
        self._wdt.feed()

    def _tick(self, timer):
        if self._clock.ticks_diff(self._clock.ticks_ms(), self._alive) < _ALIVE_MS:
            self._wdt.feed()


class Rak11310(Hardware):
    """Hardware with the stretched watchdog."""

    def make_watchdog(self):
        """See the head of this file."""
        return _Watchdog(self._clock)


def build(config, clock):
    """The hardware of this board."""
    return Rak11310(machine, facts, config, clock, stack_sx126x, machine.lightsleep)
