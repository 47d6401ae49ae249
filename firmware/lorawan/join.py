"""What has to be known of joining for good: the record `nonce`. How it limits the tries is in `backoff`.

The time of a series of tries counts on across resets from the last stored value, so a brown-out loop does not refill
its budget.
"""

import struct

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

_LAYOUT = "<I4sIHHB"
NONCE_BYTES = 17  # and 3 for each JoinNonce before the last one
_SAVE_EVERY_S = const(600)  # while waiting, the elapsed time is stored this often,
_SAVE_FIRST_S = const(60)  # sooner after a reset: power that always fails after minutes must not stop the time

NONCE_END = 0xFFFF
_NO_JOIN_NONCE = b"\xff\xff\xff\xff"
_TAKEN_BYTES = const(48)  # 16 JoinNonces: `nonce` stays far below the 128 bytes that littlefs rewrites in place


class JoinState:
    """DevNonce and JoinNonces, and what the tries of the present series have cost."""

    def __init__(self):
        self.dev_nonce = 0  # the next one to use
        self.taken = b""
        """JoinNonces of the last accepts, 3 wire bytes each, the newest first."""
        self.tries = 0
        self.concluded = True  # the last series of tries ended with a session
        self.base_s = 0  # since the first try, at `base_at_ms`
        self.base_at_ms = 0
        self.used_ms = 0  # airtime in `window` of the back-off
        self.window = 0
        self.not_before_ms = 0  # the pause after the last try
        self.save_s = _SAVE_FIRST_S
        self._turn = 0
        self.answered = False
        """The last try was answered, though not so that a session could begin: the network is there."""

    @property
    def turn(self):
        """Counts the tries of a series, across resets too: data rates take turns by it."""
        return self._turn + self.tries

    def elapsed_s(self, now_ms):
        """Powered seconds since the first try of this series, as far as they are known."""
        return self.base_s + (now_ms - self.base_at_ms) // 1000

    def conclude(self, join_nonce):
        """A session began with an accept of this `join_nonce`, 3 wire bytes."""
        self.taken = (join_nonce + self.taken)[:_TAKEN_BYTES]
        self.concluded = True
        self.tries = 0
        self._turn = 0
        self.not_before_ms = 0

    def pack(self, now_ms):
        """The record body, 17 to 62 bytes."""
        self.base_s, self.base_at_ms = self.elapsed_s(now_ms), now_ms
        self.save_s = min(2 * self.save_s, _SAVE_EVERY_S)
        taken = self.taken
        last = taken[:3] + b"\0" if taken else _NO_JOIN_NONCE
        packed = struct.pack(_LAYOUT, self.dev_nonce, last, self.base_s, self.window, self.used_ms, self.concluded)
        return packed + taken[3:]

    def unpack(self, packed, now_ms):
        """Take back what `pack` gave."""
        fields = struct.unpack_from(_LAYOUT, packed)
        self.dev_nonce, last, self.base_s, self.window, self.used_ms = fields[:5]
        self.taken = b"" if last == _NO_JOIN_NONCE else last[:3] + packed[NONCE_BYTES:]
        self.concluded = bool(fields[5])
        self._turn = 0 if self.concluded else self.dev_nonce
        self.base_at_ms = now_ms
