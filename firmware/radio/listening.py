"""Class C in a radio: it listens whenever it does not transmit and has no other window open.

For transceivers of any kind: `class SX1262ClassC(Listening, SX1262)`. Class A nodes do not load this file.
"""

from .errors import ChannelBusy
from .port import Heard
from .transceiver import Transceiver
from .windows import symbol_us, window_us

_STEP_MS = 20  # between two looks while listening inside an exchange
_GUARD_US = 35_000  # listening ends so long before the next window, for tuning
_KEPT = 4  # frames kept for `poll` from inside an exchange


class Listening:
    """`listen(window)` starts continuous reception, `poll()` gives what came in. `steps` listens in its pauses too.

    An exchange says in `rxc` where to listen meanwhile; None: nowhere, as in class A.
    """

    _rxc = None
    _kept = ()

    def listen(self, window):
        """Receive on `window.freq_hz`, `sf`, `bw_hz` until the next other call than `poll`."""
        self._wake()
        self._ready()
        self._tune(window.freq_hz, window.sf, window.bw_hz, 255, 0, 1)
        self._receive(0, 0)

    def poll(self):
        """The next frame heard (`Heard` with window 0), or None. Frames of an exchange's pauses come first."""
        if self._kept:
            heard, self._kept = self._kept[0], self._kept[1:]
            return heard
        return self._look()

    def steps(self, exchange):
        """As `Transceiver.steps`, and listening on `exchange.rxc` before, between and after the windows."""
        self._rxc = exchange.rxc
        try:
            heard = yield from Transceiver.steps(self, exchange)
        except ChannelBusy:
            if exchange.rxc is not None:
                self.listen(exchange.rxc)
            raise
        if heard is not None:
            heard.frame = memoryview(bytes(heard.frame))  # the buffer is needed again at once
        if exchange.rxc is not None:
            self.listen(exchange.rxc)
        return heard

    def _window(self, window, end_us, number):
        if self._rxc is not None:
            yield from self._overhear(window, end_us)
        return (yield from Transceiver._window(self, window, end_us, number))

    def _overhear(self, window, end_us):
        """Listen on RXC until it is time for `window`; a frame under way then is lost to it (chapter 15)."""
        clock = self._clock
        offset_us, _ = window_us(window.sf, window.bw_hz, self.rx_error_us)
        until_us = clock.ticks_add(end_us, 1000 * window.delay_ms + offset_us - _GUARD_US)
        worth_us = 12 * symbol_us(self._rxc.sf, self._rxc.bw_hz)  # less than a preamble is not worth the tuning
        if clock.ticks_diff(until_us, self._ticks_us()) < worth_us:
            return
        self.listen(self._rxc)
        while clock.ticks_diff(until_us, self._ticks_us()) > 0:
            yield _STEP_MS
            heard = self._look()
            if heard is not None and len(self._kept) < _KEPT:
                self._kept += (Heard(bytes(heard.frame), heard.rssi_dbm, heard.snr_db_x4, 0),)

    def _look(self):
        """What is complete by now. Interrupts of a frame still coming in stay: clearing could lose its end."""
        irq = self._irq()
        if not irq & self._OVER:
            return None
        heard = self._read_frame(0) if self._sound(irq) else None
        self._clear_irq()
        return heard
