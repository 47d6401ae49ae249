"""Electrodes of two Alphasense cells on their ISB boards, read round by round through one ADS1115 and averaged.

A round is the four inputs one after another; slow conversions reject hum, many rounds reject noise. The rounds are
spread over `window_ms`, because the noise of a cell is slow (average over a minute or longer, Alphasense AAN 803).
"""

from firmware.drivers import faults
from firmware.drivers.ads1115 import microvolts

INPUTS = 4
"""NO2 working, NO2 auxiliary, OX working, OX auxiliary electrode at AIN0 to AIN3."""

_MAX_ROUNDS = 64
"""A sum of this many codes still is a small int after conversion."""


class Electrodes4:
    """The four electrodes behind `adc` (an `ADS1115`), averaged over `rounds` rounds within `window_ms`."""

    def __init__(self, adc, clock, rounds=1, window_ms=0):
        self._adc = adc
        self._clock = clock
        self._rounds = min(max(rounds, 1), _MAX_ROUNDS)
        self._pause_ms = window_ms // self._rounds
        self._sums = [0] * INPUTS
        self._round = 0
        self._input = 0
        self._since = 0
        self._fault = None

    def start(self):
        """Begin the first round."""
        for index in range(INPUTS):
            self._sums[index] = 0
        self._round = 0
        self._fault = None
        self._begin_round()

    def _begin_round(self):
        self._since = self._clock.ticks_ms()
        self._input = 0
        self._adc.start(0)

    def ready_in_ms(self):
        """0 when `read()` has something to say; else when to ask again. Moves from input to input as it is asked."""
        while self._fault is None and self._round < self._rounds:
            if self._input == INPUTS:  # between two rounds
                left = self._pause_ms - self._clock.ticks_diff(self._clock.ticks_ms(), self._since)
                if left > 0:
                    return left
                self._begin_round()
            left = self._adc.ready_in_ms()
            if left > 0:
                return left
            self._take()
        return 0

    def _take(self):
        code = self._adc.read()
        if faults.is_fault(code):
            self._fault = code
            return
        self._sums[self._input] += code
        self._input += 1
        if self._input < INPUTS:
            self._adc.start(self._input)
        else:
            self._round += 1

    def read(self):
        """Four means in uV in the order of `INPUTS`, or a fault word for all: one lost electrode spoils both gases."""
        if self._fault is not None:
            return self._fault
        if self._round < self._rounds:
            return faults.NO_DATA
        return [microvolts(total, self._rounds, self._adc.full_scale_mv) for total in self._sums]
