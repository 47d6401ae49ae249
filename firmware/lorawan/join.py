"""What a device may spend on joining: DevNonce, and airtime by the retransmission back-off (TS001-1.0.4 section 7).

    since the first try     airtime     of it
    first hour              36 s        1 %
    hour 1 to 11            36 s        0.1 %
    each day after          8.7 s       0.01 %

The time counts on across resets from the last stored value, so a brown-out loop does not refill the budget. After the
first hour tries are spread evenly: airtime may not run ahead of its share of the time that has passed. So whenever the
network comes back, the next try is not far, instead of on the next day.
"""

import struct

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

_HOUR_S = const(3_600)
_DAY_S = const(86_400)
_SLOW_FROM_S = 11 * _HOUR_S
_LAYOUT = "<I4sIHHB"
NONCE_BYTES = 17  # and 3 for each JoinNonce before the last one
_BUDGET_MS = (36_000, 36_000, 8_700)
_SAVE_EVERY_S = const(600)  # while waiting, the elapsed time is stored this often,
_SAVE_FIRST_S = const(60)  # sooner after a reset: power that always fails after minutes must not stop the time

_FIRST_PAUSE_MS = const(8_000)  # between two tries; doubles with each failure
_LONGEST_PAUSE_MS = const(600_000)

NONCE_END = 0xFFFF
_NO_JOIN_NONCE = b"\xff\xff\xff\xff"
_TAKEN_BYTES = const(48)  # 16 JoinNonces: `nonce` stays far below the 128 bytes that littlefs rewrites in place


class JoinState:
    """The record `nonce`, and the pause between two tries."""

    def __init__(self):
        self.dev_nonce = 0  # the next one to use
        self.taken = b""
        """JoinNonces of the last accepts, 3 wire bytes each, the newest first."""
        self.tries = 0
        self._concluded = True  # the last series of tries ended with a session
        self._base_s = 0
        self._base_at_ms = 0
        self._used_ms = 0
        self._window = 0
        self._not_before_ms = 0
        self._save_s = _SAVE_FIRST_S
        self._turn = 0
        self.answered = False
        """The last try was answered, though not so that a session could begin: the network is there."""

    @property
    def turn(self):
        """Counts the tries of a series, across resets too: data rates take turns by it."""
        return self._turn + self.tries

    def elapsed_s(self, now_ms):
        """Powered seconds since the first try of this series, as far as they are known."""
        return self._base_s + (now_ms - self._base_at_ms) // 1000

    def begin(self, now_ms):
        """A try is wanted: the first one after a success starts a new series, but not within its hour."""
        if self._concluded and (self._used_ms == 0 or self.elapsed_s(now_ms) >= _HOUR_S):
            self._base_s, self._base_at_ms = 0, now_ms
            self._used_ms = 0
            self._window = 0
            self._concluded = False

    def wait_ms(self, airtime_us, now_ms):
        """How long until a Join-Request of `airtime_us` may be sent; 0: now."""
        elapsed = self.elapsed_s(now_ms)
        window = _window_at(elapsed)
        used = self._used_ms if window == self._window else 0
        budget = _BUDGET_MS[min(window, 2)]
        start, end = _window_start(window), _window_start(window + 1)
        if used + _ms(airtime_us) > budget:
            return 1000 * (end - elapsed)
        early_s = 0 if window == 0 or self.answered else start + used * (end - start) // budget - elapsed
        return max(0, 1000 * early_s, self._not_before_ms - now_ms)

    def patience_ms(self, wait_ms):
        """How much of a wait may pass before the elapsed time has to be stored."""
        return min(wait_ms, 1000 * self._save_s)

    def spend(self, airtime_us, now_ms):
        """Take the next DevNonce and its airtime; store the record before transmitting."""
        window = _window_at(self.elapsed_s(now_ms))
        if window != self._window:
            self._window = window
            self._used_ms = 0
        self._used_ms += _ms(airtime_us)
        self.tries += 1
        self.answered = False
        nonce = self.dev_nonce
        self.dev_nonce += 1
        return nonce

    def pause(self, now_ms, random_u32):
        """A try failed: a random pause follows, longer each time."""
        pause_ms = min(_FIRST_PAUSE_MS << min(self.tries - 1, 8), _LONGEST_PAUSE_MS)
        self._not_before_ms = now_ms + pause_ms // 2 + (random_u32() & 0xFFFFFF) % pause_ms

    def conclude(self, join_nonce):
        """A session began with an accept of this `join_nonce`, 3 wire bytes."""
        self.taken = (join_nonce + self.taken)[:_TAKEN_BYTES]
        self._concluded = True
        self.tries = 0
        self._turn = 0
        self._not_before_ms = 0

    def due_for_storing(self, now_ms):
        """Whether so much time passed that it should be stored."""
        return self.elapsed_s(now_ms) - self._base_s >= self._save_s

    def pack(self, now_ms):
        """The record body, 17 to 62 bytes."""
        self._base_s, self._base_at_ms = self.elapsed_s(now_ms), now_ms
        self._save_s = min(2 * self._save_s, _SAVE_EVERY_S)
        taken = self.taken
        last = taken[:3] + b"\0" if taken else _NO_JOIN_NONCE
        packed = struct.pack(_LAYOUT, self.dev_nonce, last, self._base_s, self._window, self._used_ms, self._concluded)
        return packed + taken[3:]

    def unpack(self, packed, now_ms):
        """Take back what `pack` gave."""
        fields = struct.unpack_from(_LAYOUT, packed)
        self.dev_nonce, last, self._base_s, self._window, self._used_ms = fields[:5]
        self.taken = b"" if last == _NO_JOIN_NONCE else last[:3] + packed[NONCE_BYTES:]
        self._concluded = bool(fields[5])
        self._turn = 0 if self._concluded else self.dev_nonce
        self._base_at_ms = now_ms


def _window_at(elapsed_s):
    if elapsed_s < _HOUR_S:
        return 0
    if elapsed_s < _SLOW_FROM_S:
        return 1
    return 2 + (elapsed_s - _SLOW_FROM_S) // _DAY_S


def _window_start(window):
    if window < 2:
        return window * _HOUR_S
    return _SLOW_FROM_S + (window - 2) * _DAY_S


def _ms(airtime_us):
    return -(-airtime_us // 1000)
