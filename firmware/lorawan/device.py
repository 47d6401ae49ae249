"""LoRaWAN for programs that want to join, send and receive, and nothing else of Spatz.

    from firmware.boards import alone
    from firmware.boards.heltec_v3 import facts
    from firmware.lorawan.regions import eu868

    lorawan = alone.lorawan(facts, eu868)
    lorawan.join()
    lorawan.send(1, b"hello")

What the rules demand (back-off, duty cycle, repetitions) is waited for here; what must survive is stored by the MAC.
All calls are generators of pauses in milliseconds inside: `LoRaWAN` blocks for them, `device_async.LoRaWAN` lets other
tasks run. Nodes of Spatz do not load this file: `firmware.node.link` never blocks and never raises.
"""

from .errors import AckWait, ChannelBusyWait, DutyCycleWait, JoinWait, PayloadTooLong, Wait
from .events import Acknowledged, Downlink, Repeat

_LONGEST_PAUSE_MS = 3_600_000  # the clock has to be asked now and then
_POLL_MS = 20
_ANSWER_WITHIN_MS = 8_000  # CLASS_C_RESP_TIMEOUT (RP002-1.0.4 section 2.3)
_KEPT_DOWNLINKS = 16
_WORDS = (
    (JoinWait, "join back-off (TS001-1.0.4 section 7)"),
    (DutyCycleWait, "duty cycle of the sub-bands, or the limit that the network has set"),
    (AckWait, "RETRANSMIT_TIMEOUT after a confirmed uplink without an answer (TS001-1.0.4 4.3.1.3)"),
    (ChannelBusyWait, "somebody else was on the air each time"),
)


class LoRaWAN:
    """One device. `mac`: `mac.Mac`, `class_c.ClassCMac` or `abp.personalised` of one; `radio`: of `firmware.radio`,
    for class C one that listens; `clock`: `firmware.node.clock.Clock`.

    Times are in milliseconds; `timeout_ms` limits how long the rules are waited for, None: as long as it takes. Raised
    are `firmware.lorawan.errors` and `firmware.radio.errors`; after a RadioError the next call starts the radio anew.
    """

    def __init__(self, mac, radio, clock):
        self.mac = mac
        """For what is asked of the stack itself: `request_link_check`, `set_adr`, `room`, ..."""
        self.radio = radio
        self.on_event = None
        """Called with each of `firmware.lorawan.events` but Repeat; downlinks are kept for `receive` all the same."""
        self.lost_downlinks = 0
        """How many of them nobody came to take."""
        self._clock = clock
        self._downlinks = []
        self._loaded = False
        self._ready = False  # the radio
        self._busy = False  # an exchange is out
        self._wait = None  # the last refusal
        self._wait_until_ms = 0
        self._tuned = None  # class C: what the radio listens to

    # Calls of a program

    def start(self):
        """Load what was stored and set the radio up; every other call does so by itself.

        Raises NoIdentity, StateCorrupt, RadioError.
        """
        if not self._loaded:
            self.mac.start(self._clock.now_ms())
            self._loaded = True
        if not self._ready:
            self.radio.start()
            self._tuned = None
            self._ready = True

    @property
    def joined(self):
        """Whether there is a session; `start` finds one that was stored."""
        return self._loaded and self.mac.joined

    def join(self, timeout_ms=None):
        """Join if there is no session: True when there is one, False when the time is over."""
        return self._run(self._joining(timeout_ms))

    def send(self, port, data, confirmed=False, timeout_ms=None):
        """An uplink: True when it is out (and acknowledged, if that was asked for), False if not, or not in time.

        Raises NotJoined, PayloadTooLong, CounterExhausted.
        """
        return self._run(self._sending(port, data, confirmed, timeout_ms))

    def receive(self, timeout_ms=0):
        """The next `Downlink`, or None after `timeout_ms`; class A does not wait: its windows are those of `send`."""
        return self._run(self._receiving(timeout_ms))

    def save(self):
        """Store the exact counters: before `machine.deepsleep` or switching off, so that none are skipped."""
        if self._loaded:
            self.mac.save(self._clock.now_ms())

    def state(self):
        """For people: what the stack is (`Mac.state`), what it does `next`, in how many `in_ms`, and `why` not now."""
        if not self._loaded:
            return {"next": "start", "in_ms": 0, "why": ""}
        now_ms = self._clock.now_ms()
        found = self.mac.state(now_ms)
        found["next"] = "send" if found["joined"] else "join"
        found["in_ms"] = max(self._wait_until_ms - now_ms, found.get("wait_ms", 0), 0)
        found["why"] = ""
        if self._busy:
            found["why"] = "an exchange is under way: its windows, or a repetition"
        elif found["in_ms"]:
            refused = self._wait if self._wait_until_ms > now_ms else DutyCycleWait(0)
            found["why"] = next(words for kind, words in _WORDS if isinstance(refused, kind))
        return found

    # The same as generators of pauses

    def _run(self, steps):
        sleep_ms = self._clock.sleep_ms
        try:
            while True:
                sleep_ms(next(steps))
        except StopIteration as end:
            return end.value

    def _joining(self, timeout_ms):
        self.start()
        end_ms = self._end_ms(timeout_ms)
        while not self.mac.joined:
            if (yield from self._exchange(self.mac.join, end_ms)) is None:
                return False
        return True

    def _sending(self, port, data, confirmed, timeout_ms):
        self.start()
        end_ms = self._end_ms(timeout_ms)
        while True:
            try:
                events = yield from self._exchange(lambda now_ms: self.mac.send(port, data, now_ms, confirmed), end_ms)
                break
            except PayloadTooLong as error:
                if len(data) > error.max_alone:
                    raise
            # Answers to MAC commands take the room: they go first, alone.
            if (yield from self._exchange(self.mac.send_answers, end_ms)) is None:
                return False
        if events is None or not confirmed:
            return events is not None
        return any(isinstance(event, Acknowledged) for event in events)

    def _receiving(self, timeout_ms):
        self.start()
        end_ms = self._end_ms(timeout_ms)
        listens = hasattr(self.mac, "listening")
        while not self._downlinks:
            now_ms = self._clock.now_ms()
            if listens and not self._busy and self._listen(now_ms):
                answer_by_ms = now_ms + _ANSWER_WITHIN_MS
                yield from self._exchange(self.mac.send_answers, answer_by_ms)
            elif not listens or now_ms >= end_ms:
                return None
            else:
                yield _POLL_MS
        return self._downlinks.pop(0)

    def _listen(self, now_ms):
        """Take what came in on RXC, and go on listening. True when it wants an answer."""
        window = self.mac.listening(now_ms)
        if window is None:
            return False
        tuning = (window.freq_hz, window.sf, window.bw_hz)
        if tuning != self._tuned:
            self.radio.listen(window)
            self._tuned = tuning
        heard = self.radio.poll()
        if heard is None:
            return False
        events = self.mac.hear(heard, now_ms)
        self._take(events)
        return any(isinstance(event, Downlink) and event.confirmed for event in events)

    def _exchange(self, ask, end_ms):
        """`ask(now_ms)` for an exchange until the rules permit it, and carry it out with its repetitions.

        Gives all events, or None when that would not begin before `end_ms`.
        """
        while True:
            if self._busy:
                yield _POLL_MS  # of another task
                continue
            self.start()
            now_ms = self._clock.now_ms()
            try:
                return (yield from self._carry(ask(now_ms)))
            except Wait as wait:
                now_ms = self._clock.now_ms()
                self._wait = wait
                self._wait_until_ms = now_ms + wait.ms
                if end_ms is not None and self._wait_until_ms > end_ms:
                    return None
                yield min(wait.ms, _LONGEST_PAUSE_MS)

    def _carry(self, exchange):
        """Carry out an exchange and its repetitions; gives all events. Raises ChannelBusyWait if it never began."""
        self._busy = True
        self._tuned = None
        seen = []
        left = exchange  # to be given up when this ends early: a RadioError, or the task was cancelled
        try:
            while exchange is not None:
                events = yield from self._once(exchange)
                exchange = None
                for event in events:
                    if isinstance(event, Repeat):
                        exchange = event.exchange
                        not_before_ms = event.not_before_ms
                    else:
                        seen.append(event)
                if exchange is not None:
                    yield max(not_before_ms - self._clock.now_ms(), 0)
            left = None
        except Wait:
            left = None  # the MAC gave it up itself
            raise
        finally:
            self._busy = False
            if left is not None:
                self.mac.abandon(left)
                self._ready = False
        self._take(seen)
        return seen

    def _once(self, exchange):
        """One try of an exchange; gives its events."""
        try:
            heard = yield from self.radio.steps(exchange)
        except Exception as error:
            if not hasattr(error, "nothing_sent"):
                raise
            return self.mac.not_sent(exchange, self._clock.now_ms())
        if exchange.rxc is not None:
            self._tuned = (exchange.rxc.freq_hz, exchange.rxc.sf, exchange.rxc.bw_hz)
        return self.mac.conclude(exchange, heard, self._clock.now_ms())

    def _take(self, events):
        for event in events:
            if isinstance(event, Downlink):
                if len(self._downlinks) == _KEPT_DOWNLINKS:
                    self._downlinks.pop(0)
                    self.lost_downlinks += 1
                self._downlinks.append(event)
            if self.on_event is not None:
                self.on_event(event)

    def _end_ms(self, timeout_ms):
        return None if timeout_ms is None else self._clock.now_ms() + timeout_ms
