"""What is the same with every transceiver chip: an exchange, from waking up to sleeping.

    wake, tune, transmit .. TxDone, standby .. tune, receive at RX1 .. [frame | time-out] .. receive at RX2 .. sleep

The end of the transmission, from which both windows count, is computed: instant of the command + switching time + time
on air. The interrupt of TxDone may only correct it to an earlier instant, because a handler can be late, never early.
Garbage is collected while the chip transmits, and before both windows are closed again only if the heap is full.

An exchange is a generator, `steps`, that gives how many milliseconds to wait before it goes on: `carry_out` blocks for
them, `firmware.lorawan.device_async` lets other tasks run. What has to be precise waits by itself inside.

A chip's class gives the steps:

    _wake()                 out of sleep, settings as before
    _ready()                standby with the clock running; ends transmitting and receiving
    _tune(freq_hz, sf, bw_hz, length, crc, inverted)
    _set_power(power_dbm)   at the antenna's foot, already limited to what the board can
    _write_buffer(frame)
    _send(patience_ms)      forget old interrupts and transmit
    _receive(length_us, symbol_us)   forget old interrupts and listen so long for a preamble; 0: without end
    _rssi_dbm()             the level at the antenna, while receiving
    _irq()                  interrupts since then; the masks `_SENT` .. `_OVER` tell what they mean
    _read_frame(number)     the received frame as `Heard`
"""

import gc

from .windows import ERROR_US, longest_frame_us, symbol_us, window_us

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


_TXDONE_TOLERANCE_US = const(2_000)  # two crystals disagree by less over the longest frame
_TX_PATIENCE_MS = const(200)  # beyond the time on air
_PREPARE_MS = const(30)  # before a window: start of the clock, about ten commands, and who wakes us may be late
_POLL_MS = const(2)
_HEADER_SYMBOLS = const(25)  # preamble 8, sync word 4.25, header 8; and some


class Transceiver:
    """One radio. `clock` as the node's; `radio_facts`: RADIO of the board's facts.

    `rx_error_us`: by how much the instant of a receive window may be wrong; more costs receive time (`windows.py`).
    """

    _TX_START_US = 0  # from the command to the first symbol
    _RX_START_US = 0  # from the command to listening
    _SENT = 0  # bits of `_irq`: TxDone,
    _FAILED = 0  # the chip gave up transmitting,
    _BEGUN = 0  # a preamble is being followed,
    _HEADER = 0  # ... and its header was sound,
    _FRAME = 0  # a frame is complete,
    _SPOILT = 0  # ... or its check sum, or that of its header, is wrong,
    _OVER = 0  # nothing more will come

    def __init__(self, clock, radio_facts):
        self._clock = clock
        self._ticks_us = clock.ticks_us
        self._facts = radio_facts
        self._asleep = False
        self._done = False
        self._done_us = 0
        self.rx_error_us = ERROR_US

    def carry_out(self, exchange):
        """Transmit `exchange.frame` and listen in its windows; `Heard`, or None.

        Raises `RadioError`; `ChannelBusy` is none: nothing was sent, the MAC is told by `not_sent`.
        """
        return self._wait_through(self.steps(exchange))

    def transmit(self, exchange):
        """Transmit; gives the end of the transmission in `ticks_us`. Leaves the radio awake."""
        return self._wait_through(self._transmission(exchange))

    def _wait_through(self, steps):
        """Run a generator of pauses to its end; gives its result."""
        sleep_ms = self._clock.sleep_ms
        try:
            while True:
                sleep_ms(next(steps))
        except StopIteration as end:
            return end.value

    def steps(self, exchange):
        """`carry_out` as a generator of pauses in milliseconds; one that lasts 20 ms too long does no harm.

        Close it to break the exchange off.
        """
        threshold = _hold_collector(-1)
        try:
            if exchange.sense_first is not None:
                from .errors import ChannelBusy
                from .sensing import quiet

                if not quiet(self, exchange):
                    raise ChannelBusy("somebody else is on the air at %d Hz" % exchange.freq_hz)
            end_us = yield from self._transmission(exchange)
            heard = yield from self._window(exchange.rx1, end_us, 1)
            if heard is not None and exchange.wants(heard.frame):
                return heard
            return (yield from self._window(exchange.rx2, end_us, 2))
        finally:
            _hold_collector(threshold)
            self.sleep()

    def _transmission(self, exchange):
        """Give the pauses of a transmission, then its end in `ticks_us`."""
        self._wake()
        frame = exchange.frame
        self._ready()
        self._tune(exchange.freq_hz, exchange.sf, exchange.bw_hz, len(frame), 1, 0)
        power_dbm = (10 * exchange.power_dbm - self._facts["antenna_gain_dbi_x10"]) // 10
        self._set_power(min(power_dbm, self._facts["max_power_dbm"]))
        self._write_buffer(frame)
        self._done = False
        self._send(exchange.airtime_us // 1000 + _TX_PATIENCE_MS)
        clock = self._clock
        end_us = clock.ticks_add(self._ticks_us(), self._TX_START_US + exchange.airtime_us)
        # Not `gc.disable()`: with a full heap that turns a pause of some milliseconds, which `rx_error_us` covers, into
        # a MemoryError. After a collection now there is no other before the heap is full.
        gc.collect()
        yield self._left_ms(end_us)
        self._sleep_until(end_us)
        for _ in range(_TX_PATIENCE_MS // _POLL_MS):
            irq = self._irq()
            if irq & self._SENT:
                break
            if irq & self._FAILED:
                _transmit_failed("the transmission was not over in time")
            yield _POLL_MS
        else:
            _transmit_failed("TxDone did not come")
        if self._done and clock.ticks_diff(self._done_us, end_us) < _TXDONE_TOLERANCE_US:
            return self._done_us
        return end_us

    def _on_done(self, _pin):
        """Interrupt of TxDone."""
        if not self._done:
            self._done_us = self._ticks_us()
            self._done = True

    def _window(self, window, end_us, number):
        """Give the pauses of a receive window, `window.delay_ms` after `end_us`, then `Heard` or None."""
        clock = self._clock
        offset_us, length_us = window_us(window.sf, window.bw_hz, self.rx_error_us, self._RX_START_US)
        open_us = clock.ticks_add(end_us, 1000 * window.delay_ms + offset_us)
        early_us = clock.ticks_diff(open_us, self._ticks_us()) - 1000 * _PREPARE_MS
        if early_us > 0:
            yield early_us // 1000
        elif -early_us > length_us + 1000 * _PREPARE_MS:
            return None  # a frame in the first window lasted into the second
        self._ready()
        self._tune(window.freq_hz, window.sf, window.bw_hz, 255, 0, 1)
        self._sleep_until(open_us)
        self._receive(length_us, symbol_us(window.sf, window.bw_hz))
        yield -(-length_us // 1000)
        irq = yield from self._frame_end(window)
        return self._read_frame(number) if self._sound(irq) else None

    def _sound(self, irq):
        """Whether these interrupts mean a complete and sound frame."""
        return irq & (self._FRAME | self._SPOILT) == self._FRAME

    def _frame_end(self, window):
        """The window's time is over: give the pauses until a frame that has begun ends, then the interrupts so far."""
        clock = self._clock
        begin_us = self._ticks_us()
        limit_us = longest_frame_us(window.sf, window.bw_hz)
        header_us = _HEADER_SYMBOLS * symbol_us(window.sf, window.bw_hz)
        while True:
            irq = self._irq()
            waited_us = clock.ticks_diff(self._ticks_us(), begin_us)
            if irq & self._OVER or waited_us > limit_us:
                return irq
            if not irq & self._BEGUN and waited_us > 2 * 1000 * _POLL_MS:
                return irq  # no preamble, though the timer should have ended it
            if not irq & self._HEADER and waited_us > header_us:
                return irq  # a preamble that was none
            yield _POLL_MS

    def _left_ms(self, when_us):
        """Milliseconds that may be slept before `when_us`: `sleep_ms` may overshoot by a tick of the port."""
        return max(self._clock.ticks_diff(when_us, self._ticks_us()) // 1000 - 5, 0)

    def _sleep_until(self, when_us):
        """Coarse sleep, then a precise one."""
        self._clock.sleep_ms(self._left_ms(when_us))
        left_us = self._clock.ticks_diff(when_us, self._ticks_us())
        if left_us > 0:
            self._clock.sleep_us(left_us)


def _transmit_failed(text):
    from .errors import TransmitFailed  # here: a node that never fails has no memory for ways to fail

    raise TransmitFailed(text)


def _hold_collector(threshold):
    """Set after how many allocated bytes MicroPython collects (-1: only when the heap is full); gives the old value."""
    if not hasattr(gc, "threshold"):
        return -1  # CPython
    before = gc.threshold()
    gc.threshold(threshold)
    return before
