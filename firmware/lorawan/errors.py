"""How the LoRaWAN stack refuses, and what to do then.

LorawanError
    Wait                 not yet: `.ms` says how long
        DutyCycleWait        the sub-bands of all usable channels are spent
        JoinWait             join back-off (TS001-1.0.4 section 7)
        AckWait              a confirmed uplink is still waiting for its acknowledgement time-out
        ChannelBusyWait      somebody else was on the air each time (regions with `exchange.sense_first`)
    Busy                 the previous exchange was not concluded
    NotJoined            no session
    PayloadTooLong       more than the data rate takes; `.max` says what fits
        DwellTooLong     because a transmission may last 400 ms at most
    NonceExhausted       all 65536 DevNonces are spent
    CounterExhausted     FCntUp is at its end
    Malformed            bytes that are no LoRaWAN frame
    StateCorrupt         a stored record is damaged
    NoIdentity           nothing was provisioned
"""


class LorawanError(Exception):
    """Base of all errors of `firmware.lorawan`. By itself: no enabled channel carries the data rate; `join` again."""


class Wait(LorawanError):
    """Raised by `join` and `send` when the rules forbid transmitting now. Try again after `ms` milliseconds."""

    def __init__(self, ms):
        super().__init__("wait %d ms" % ms)
        self.ms = ms


class DutyCycleWait(Wait):
    """Every usable channel lies in a sub-band whose airtime is spent, or the network limits the duty cycle."""


class JoinWait(Wait):
    """The airtime that the join back-off allows is spent, or the random pause between two tries is running."""


class AckWait(Wait):
    """RETRANSMIT_TIMEOUT after an unacknowledged confirmed uplink is running (TS001-1.0.4 4.3.1.3)."""


class ChannelBusyWait(Wait):
    """Raised by `not_sent`: the channel was busy each time. Frame and counter are given up; send anew."""


class Busy(LorawanError):
    """Raised when an exchange is still open: carry it out and `conclude` it, or `abandon` it."""


class NotJoined(LorawanError):
    """Raised by `send` without a session: `join` first."""


class PayloadTooLong(LorawanError):
    """Raised by `send`: at most `max` bytes fit now; `max_alone` bytes fit once pending MAC answers are out.

    Send less, or `send_answers` first when the payload is no longer than `max_alone`.
    """

    TEXT = "at most %d bytes fit now"

    def __init__(self, max_now, max_alone):
        super().__init__(self.TEXT % max_now)
        self.max = max_now
        self.max_alone = max_alone


class DwellTooLong(PayloadTooLong):
    """As `PayloadTooLong`, where no transmission may last longer than 400 ms: a higher data rate takes more."""

    TEXT = "at most %d bytes fit now, because a transmission may last 400 ms"


class NonceExhausted(LorawanError):
    """Raised by `join` when DevNonce reached 0xFFFF. The device needs a new JoinEUI or DevEUI from provisioning."""


class CounterExhausted(LorawanError):
    """Raised by `send` when FCntUp reached 2^32-1: `join` again."""


class Malformed(LorawanError):
    """Raised by parsers in `frames`; the text says what is wrong. On the air such frames are dropped."""


class StateCorrupt(LorawanError):
    """Raised by `start` when a stored record is damaged or half of them are missing.

    Never repaired by starting at zero: that would repeat nonces and counters. Provision the device anew.
    """


class NoIdentity(LorawanError):
    """Raised by `start` when the store has no identity record: provision the device."""
