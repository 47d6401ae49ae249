"""The node's clock: the only place where time comes from.

MicroPython's `ticks_ms` wraps after 2^30 ms (12.4 days); `Clock.now_ms()` does not. Everything else passes through
unchanged, so a driver or the radio handed a `Clock` runs on a board, on the bench and in a test alike.
"""


class Clock:
    """Time since power-on, over MicroPython's `time` module or anything with its functions.

    `ticks_ms`, `ticks_us`, `ticks_add`, `ticks_diff`, `sleep_ms`, `sleep_us` are those of the module; the tick
    functions allocate nothing and may be called from an interrupt handler. `now_ms` must not be.
    """

    def __init__(self, time_module):
        self.ticks_ms = time_module.ticks_ms
        self.ticks_us = time_module.ticks_us
        self.ticks_add = time_module.ticks_add
        self.ticks_diff = time_module.ticks_diff
        self.sleep_ms = time_module.sleep_ms
        self.sleep_us = time_module.sleep_us
        self._last_ticks = self.ticks_ms()
        self._now_ms = 0

    def now_ms(self):
        """Milliseconds since this clock was made; never goes back, may exceed 2^30.

        Must be called at least every 2^29 ms (6.2 days): a longer gap cannot be told from a step back. The node's
        cycle wakes far more often.
        """
        ticks = self.ticks_ms()
        step = self.ticks_diff(ticks, self._last_ticks)
        if step > 0:
            self._last_ticks = ticks
            self._now_ms += step
        return self._now_ms
