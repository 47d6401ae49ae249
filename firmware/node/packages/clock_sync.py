"""Clock synchronisation (TS003): the node asks for the time after its start, then as often as the network says."""

from firmware.lorawan.packages.clock_sync import PORT, ClockSync

_ASK_EVERY_MS = 24 * 3_600_000
"""While nobody answers."""


class Service:
    """See `firmware.node.packages`."""

    PORT = PORT

    def __init__(self, cycle, mac, directory):
        self._clock = cycle.gps_clock
        self._sync = ClockSync(self._clock, cycle.random_u32)
        self._ask_ms = 0
        self._say = cycle.say

    def take(self, downlink, now_ms):
        """Answers and wishes of the application server."""
        before_s = self._clock.now_s(now_ms)
        answer = self._sync.handle(downlink.data, now_ms)
        after_s = self._clock.now_s(now_ms)
        if after_s != before_s:
            self._say("clock gps=%d moved=%d" % (after_s, after_s - before_s))
        return answer

    def next_ms(self, now_ms):
        """The network's wish comes first; before there is one, the node asks by itself."""
        wished_ms = self._sync.next_ms
        return self._ask_ms if wished_ms is None and not self._clock.known else wished_ms

    def speak(self, now_ms):
        """AppTimeReq; an answer is wanted as long as the time is not known."""
        return self._sync.request(now_ms, not self._clock.known)

    def said(self, now_ms):
        """Asked; again a day later when there is no answer."""
        self._sync.requested(now_ms)
        self._ask_ms = now_ms + _ASK_EVERY_MS
