"""The link of a class C node: between its exchanges it listens (TS001-1.0.4 chapter 15).

The node lives on mains: it never sleeps deeply, and looks at the radio some times a second. What comes in ends the
node's rest, so an acknowledgement is on its way long before CLASS_C_RESP_TIMEOUT (8 s) is over.
"""

from firmware.lorawan.events import Downlink, Joined, NetworkTime
from firmware.node.link import LATER, Link

_LOOK_EVERY_MS = 100
"""Shorter than the shortest pause that a server leaves between two frames to a group."""
_AFTER_FAULT_MS = 60_000


class ListeningLink(Link):
    """As `Link`; `mac`: a `ClassCMac`; `radio`: one that has `listen` and `poll`.

    `on_time`: called with a `NetworkTime` and the time in ms when it came, or None.
    """

    def __init__(self, mac, radio, clock, sleep_ms, say):
        super().__init__(mac, radio, clock, sleep_ms, say)
        self._tuned = None  # where the radio listens: frequency in Hz and SF
        self.on_time = None

    def rest(self, duration_ms):
        """Wait and listen; ends early when something was heard that has to be dealt with."""
        clock = self._clock
        end_ms = clock.now_ms() + duration_ms
        while True:
            now_ms = clock.now_ms()
            left_ms = end_ms - now_ms
            if left_ms <= 0:
                return
            window = self._mac.listening(now_ms) if self.joined and not self.dead else None
            if window is None:
                self._tuned = None
                self._sleep_ms(left_ms)
                return
            try:
                if self._overhear(window, now_ms):
                    return
            except Exception as error:  # radio or flash: as in an exchange
                self._tuned = None
                self._fault(error)
                self._sleep_ms(min(left_ms, _AFTER_FAULT_MS))
                continue
            self._sleep_ms(min(left_ms, _LOOK_EVERY_MS))

    def _overhear(self, window, now_ms):
        """Look once; whether there is something to do now."""
        place = window.freq_hz, window.sf
        if place != self._tuned:
            self._radio.listen(window)
            self._tuned = place
        heard = self._radio.poll()
        if heard is None:
            return False
        events = self._mac.hear(heard, now_ms)
        for event in events:
            self._take(event, now_ms)
            if isinstance(event, Downlink) and event.confirmed:
                self.more = True  # whatever goes out now carries the acknowledgement
        return bool(events)

    def send(self, port, data, confirmed=False):
        """As `Link.send`; an uplink with data saves the empty one that was due."""
        more, self.more = self.more, False
        outcome = super().send(port, data, confirmed)
        if outcome == LATER:
            self.more = more or self.more
        return outcome

    def _carry(self, exchange):
        self._tuned = None
        seen = super()._carry(exchange)
        if seen is not None and exchange.rxc is not None:
            self._tuned = exchange.rxc.freq_hz, exchange.rxc.sf
        return seen

    def _take(self, event, now_ms):
        if isinstance(event, Joined):
            self.more = True  # only after an uplink does the network use class C
        elif isinstance(event, NetworkTime) and self.on_time is not None:
            self.on_time(event, now_ms)
        return super()._take(event, now_ms)
