"""How punctual this board is, measured, and how large the error budget of the receive windows has to be for it.

    from firmware.radio.self_check import self_check
    print(self_check(lorawan.radio))

Once at the start, in about a second and without transmitting. A receive window opens late by what is summed up here;
`Transceiver.rx_error_us` makes it longer by as much (`windows.py`). Without this check it is 20 ms: enough with some
milliseconds of wake-up jitter. A board that sleeps less punctually needs more, a punctual one saves energy with less.

    coarse sleep .. tune .. coarse sleep to 5 ms before .. wait .. SetRx, listening
    |-- 30 ms ------------------------------------------------|
"""

import gc

from .errors import RadioBusy
from .windows import symbol_us

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


LEAST_US = const(10_000)
"""No budget is smaller: LoRaMac-node's default, in C and with a hardware timer."""
MOST_US = const(500_000)
"""No budget is larger, as in LoRaMac-node."""
_PREPARE_US = const(30_000)  # `transceiver.py`: so long before a window its preparation begins,
_FINE_US = const(5_000)  # ... and so long before, sleeping ends and waiting begins
_SAFETY = const(2)  # the worst of some dozen measurements is not the worst of a year
_LONGEST_DELAY_S = const(6)  # from the end of a Join-Request to RX2
_TX_END_US = const(2_000)  # so much earlier than computed TxDone may say that it was (`transceiver.py`)

_SLEEPS_MS = (1, 2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41)
_WAITS_US = (100, 700, 1_500, 2_900, 4_300, 4_900)
_TIMER_SF = const(7)
_TIMER_HZ = const(125_000)
_TIMER_US = const(409_600)  # 400 symbols: both chips can count that
_TIMER_TRIES = const(3)
_TIMER_PATIENCE_US = const(100_000)


class Measured:
    """What was measured, in microseconds at worst unless it says otherwise."""

    def __init__(self, sleep_us=0, wait_us=0, prepare_us=0, open_us=0, collect_us=0, irq_us=None, clock_ppm=0):
        self.sleep_us = sleep_us
        """By how much `sleep_ms` overshoots: ticks of the port, other tasks."""
        self.wait_us = wait_us
        """By how much `sleep_us` does."""
        self.prepare_us = prepare_us
        """Waking the radio and tuning it: a dozen commands over SPI, and the start of the TCXO."""
        self.open_us = open_us
        """The command that starts the receiver."""
        self.collect_us = collect_us
        """Collection of garbage: there is one in a window only if the heap is full."""
        self.irq_us = irq_us
        """From the end of a receive window to the interrupt's handler; None without such an interrupt (SX127x). It does
        not count: the handler may only correct the end of a transmission to an earlier instant."""
        self.clock_ppm = clock_ppm
        """The board's clock against the radio's crystal; positive: fast."""
        self.error_us = 0
        """The budget that follows from it, set by `self_check`."""

    def late_us(self):
        """By how much a window may open late, or seem to, all taken together."""
        coarse_us = max(self.sleep_us + self.prepare_us - _PREPARE_US, self.sleep_us - _FINE_US, 0)
        drift_us = abs(self.clock_ppm) * _LONGEST_DELAY_S
        return coarse_us + self.wait_us + self.open_us + self.collect_us + drift_us + _TX_END_US

    def budget_us(self):
        """For `rx_error_us`: twice that, in whole milliseconds, between LEAST_US and MOST_US."""
        wanted_us = -(-_SAFETY * self.late_us() // 1000) * 1000
        return max(LEAST_US, min(wanted_us, MOST_US))

    @property
    def enough(self):
        """Whether a budget covers this board: if not, it will miss downlinks."""
        return self.late_us() <= MOST_US

    def __str__(self):
        told = "sleep +%d, wait +%d, tune %d, open %d, collect %d, interrupt %s us; clock %+d ppm; budget %d ms" % (
            self.sleep_us,
            self.wait_us,
            self.prepare_us,
            self.open_us,
            self.collect_us,
            self.irq_us,
            self.clock_ppm,
            self.budget_us() // 1000,
        )
        return told if self.enough else told + ": not enough"


def self_check(radio, freq_hz=868_100_000):
    """Measure, and set `radio.rx_error_us`; gives `Measured`. The radio was started; it sleeps afterwards.

    `freq_hz`: some frequency of the region, only listened to. Raises RadioError.
    """
    clock = radio._clock
    found = Measured()
    try:
        found.sleep_us = _overshoot_us(clock, clock.sleep_ms, _SLEEPS_MS, 1000)
        found.wait_us = _overshoot_us(clock, clock.sleep_us, _WAITS_US, 1)
        found.collect_us = max(_duration_us(clock, gc.collect) for _ in range(2))
        for _ in range(2):
            radio.sleep()
            found.prepare_us = max(found.prepare_us, _duration_us(clock, _prepare, radio, freq_hz))
        _compare_clocks(radio, clock, found)
    finally:
        radio.sleep()
    found.error_us = radio.rx_error_us = found.budget_us()
    return found


def _overshoot_us(clock, sleep, lengths, unit_us):
    worst_us = 0
    for length in lengths:
        worst_us = max(worst_us, _duration_us(clock, sleep, length) - unit_us * length)
    return worst_us


def _duration_us(clock, act, *given):
    begin_us = clock.ticks_us()
    act(*given)
    return clock.ticks_diff(clock.ticks_us(), begin_us)


def _prepare(radio, freq_hz):
    radio._wake()
    radio._ready()
    radio._tune(freq_hz, _TIMER_SF, _TIMER_HZ, 255, 0, 1)


def _compare_clocks(radio, clock, found):
    """A receive window of known length by the chip's own timer: what the board's clock says about it."""
    symbol = symbol_us(_TIMER_SF, _TIMER_HZ)
    for _ in range(_TIMER_TRIES):
        radio._ready()
        radio._done = False
        begin_us = clock.ticks_us()
        radio._receive(_TIMER_US, symbol)
        opened_us = clock.ticks_us()
        found.open_us = max(found.open_us, clock.ticks_diff(opened_us, begin_us))
        clock.sleep_ms(_TIMER_US // 1000 - 60)
        passed_us = 0
        irq = 0
        while passed_us < _TIMER_US + _TIMER_PATIENCE_US and not irq & radio._OVER:
            irq = radio._irq()
            passed_us = clock.ticks_diff(clock.ticks_us(), opened_us)
        if not irq & radio._OVER or irq & (radio._FRAME | radio._SPOILT):
            continue  # somebody was heard, which stops the timer
        if radio._done:
            handled_us = clock.ticks_diff(radio._done_us, opened_us)
            found.irq_us = handled_us - _TIMER_US
            passed_us = min(passed_us, handled_us)
        found.clock_ppm = (passed_us - _TIMER_US) * 625 // 256  # of 409.6 ms
        return
    raise RadioBusy("no receive window ends by the radio's timer")
