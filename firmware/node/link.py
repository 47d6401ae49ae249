"""The link: drives the LoRaWAN stack and the radio, waits as they demand, and never raises.

`Link.send` and `Link.work` try once and return. When the rules forbid transmitting now, `next_ms` says when to come
back; the node measures meanwhile.
"""

from firmware.lorawan.errors import (
    CounterExhausted,
    LorawanError,
    NonceExhausted,
    NotJoined,
    PayloadTooLong,
    Wait,
)
from firmware.lorawan.events import Acknowledged, Downlink, Joined, LinkCheck, Pending, Repeat
from firmware.node.memory import forget
from firmware.radio.errors import ChannelBusy

SENT = 0
"""Transmitted, and acknowledged if that was asked for."""
LATER = 1
"""Not now: try again at `next_ms`."""
UNHEARD = 2
"""Transmitted, but the acknowledgement that was asked for did not come."""
TOO_LONG = 3
"""More than the data rate takes now; `room()` says what fits."""

_RETRY_MS = 60_000
"""After a fault of radio or flash. Long enough not to drain a battery, short enough for a technician who waits."""
_SILENCE_MS = 96 * 3_600_000
"""Nothing heard for so long: join again (profiles, rules common to all). The old session is used meanwhile."""
_ASK_BEFORE_MS = 48 * 3_600_000
"""So long before that, every uplink asks the network for a sign of life (LinkCheckReq)."""
_REJOIN_EVERY_MS = 3_600_000
"""Pause between two tries to join again."""
_ASKED_AFTER_START = 2
"""After a start with a session so many uplinks ask for a sign of life; none: join again. How long the network was
silent before is not known, and power that fails every other day must not keep a node in a session that is gone."""
_UNANSWERED = 64
"""So many uplinks without any answer before a start (ADR_ACK_LIMIT): join again at once."""


class Link:
    """The link of one node. `mac`: `firmware.lorawan.mac.Mac`; `radio`: the port of `firmware.radio`.

    `say(text)` takes one line for the console. Downlinks are collected in `inbox`, to be taken by the caller.
    """

    def __init__(self, mac, radio, clock, sleep_ms, say):
        self._mac = mac
        self._radio = radio
        self._clock = clock
        self._sleep_ms = sleep_ms
        self._say = say
        self._open = False
        self.dead = False
        """Nothing but a technician helps: no identity, damaged records, nonces used up."""
        self._rejoin_ms = 0  # when to join again although there is a session
        self._asked = 0  # uplinks that still have to ask whether the session from before the start is alive
        self.next_ms = 0
        self.more = False
        """The network has more for us: send something soon."""
        self.inbox = []
        self.rssi_dbm = None
        self.snr_db_x4 = None
        self.airtime_us = 0
        """Of the last transmission."""
        self.fcnt = None
        """Counter of the last uplink."""

    @property
    def joined(self):
        """Whether there is a session."""
        return self._open and self._mac.joined

    def room(self):
        """Largest payload in bytes that can be sent now."""
        return self._mac.room(self._clock.now_ms())

    def rest(self, duration_ms):
        """Wait, as deep as the board can."""
        self._sleep_ms(duration_ms)

    def work(self):
        """Start the stack and join, as far as that is due. True when there is a session."""
        now_ms = self._clock.now_ms()
        if self.dead or now_ms < self.next_ms:
            return self.joined and not self.dead
        if not self._open and not self._start(now_ms):
            return False
        if self._mac.joined:
            if now_ms < self._rejoin_ms:
                return True
            self._rejoin_ms = now_ms + _REJOIN_EVERY_MS
        self._join()
        return self._mac.joined

    def _start(self, now_ms):
        try:
            self._radio.start()
            self._mac.start(now_ms)
        except LorawanError as error:  # StateCorrupt, NoIdentity: measuring goes on, the queue keeps it
            self.dead = True
            self._say("link dead %s" % error)
            return False
        except Exception as error:
            self._fault(error)
            return False
        forget("firmware.lorawan.recovery")
        self._open = True
        self._heard(now_ms)
        if self._mac.joined:
            state = self._mac.state(now_ms)
            self._say("session %s" % state["dev_addr"])
            self._asked = _ASKED_AFTER_START
            if state.get("unanswered", 0) >= _UNANSWERED:
                self._rejoin_ms = now_ms
        return True

    def _join(self):
        now_ms = self._clock.now_ms()
        try:
            exchange = self._mac.join(now_ms)
        except Wait as wait:
            if self._mac.joined:
                self._rejoin_ms = min(self._rejoin_ms, now_ms + wait.ms)
            else:
                self.next_ms = now_ms + wait.ms
            return
        except NonceExhausted as error:
            self.dead = not self._mac.joined
            self._say("link dead %s" % error)
            return
        except Exception as error:
            self._fault(error)
            return
        self._say("join freq=%d sf=%d" % (exchange.freq_hz, exchange.sf))
        self._carry(exchange)

    def send(self, port, data, confirmed=False):
        """One uplink with its repetitions; gives SENT, LATER, UNHEARD or TOO_LONG."""
        now_ms = self._clock.now_ms()
        if self.dead or not self.joined or now_ms < self.next_ms:
            return LATER
        if self._asked or now_ms > self._rejoin_ms - _ASK_BEFORE_MS:
            self._mac.request_link_check()
        try:
            exchange = self._mac.send(port, data, now_ms, confirmed)
        except Wait as wait:
            self.next_ms = now_ms + wait.ms
            return LATER
        except PayloadTooLong as error:
            return self._make_room(error, len(data))
        except (NotJoined, CounterExhausted):
            self._rejoin_ms = now_ms
            self.next_ms = now_ms + _RETRY_MS
            return LATER
        except Exception as error:
            self._fault(error)
            return LATER
        return self._outcome(exchange, confirmed)

    def nudge(self):
        """An uplink without data, so that the network can send what it has."""
        now_ms = self._clock.now_ms()
        if self.dead or not self.joined or now_ms < self.next_ms:
            return LATER
        self.more = False
        try:
            exchange = self._mac.send_answers(now_ms)
        except Wait as wait:
            self.next_ms = now_ms + wait.ms
            self.more = True
            return LATER
        except Exception as error:
            self._fault(error)
            return LATER
        return self._outcome(exchange, False)

    def _make_room(self, error, length):
        """Pending MAC answers take the place: they go out first, alone."""
        if length <= error.max_alone:
            self.nudge()
            return LATER
        return TOO_LONG

    def _outcome(self, exchange, confirmed):
        self.airtime_us = exchange.airtime_us
        self.fcnt = self._mac.state(self._clock.now_ms())["fcnt_up"] - 1
        events = self._carry(exchange)
        if events is None:
            return LATER
        if self._asked:
            self._asked -= 1
            if not self._asked:
                self._rejoin_ms = 0
        if not confirmed:
            return SENT
        for event in events:
            if isinstance(event, Acknowledged):
                return SENT
        return UNHEARD

    def _carry(self, exchange):
        """Carry out an exchange and its repetitions; gives all events, or None when the radio failed."""
        seen = []
        while exchange is not None:
            try:
                heard = self._radio.carry_out(exchange)
            except ChannelBusy:
                exchange = self._again(exchange)
                if exchange is None:
                    return None
                continue
            except Exception as error:
                self._mac.abandon(exchange)
                self._fault(error)
                return None
            now_ms = self._clock.now_ms()
            try:
                events = self._mac.conclude(exchange, heard, now_ms)
            except OSError as error:  # the flash refused what must survive
                self._mac.abandon(exchange)
                self._fault(error)
                return None
            exchange = None
            if heard is not None:
                forget("firmware.lorawan.activation", "firmware.lorawan.commands")
                self.rssi_dbm = heard.rssi_dbm
                self.snr_db_x4 = heard.snr_db_x4
            for event in events:
                exchange = self._take(event, now_ms) or exchange
            seen += events
        return seen

    def _again(self, exchange):
        """The channel was busy: the same exchange elsewhere and later, or None when the MAC gives it up for now."""
        now_ms = self._clock.now_ms()
        try:
            return self._take(self._mac.not_sent(exchange, now_ms)[0], now_ms)
        except Wait as wait:
            self.next_ms = now_ms + wait.ms
            return None

    def _take(self, event, now_ms):
        """What an event means for the node; gives the next exchange of a repetition, when its time has come."""
        if isinstance(event, Repeat):
            self._sleep_ms(event.not_before_ms - now_ms)
            return event.exchange
        if isinstance(event, Joined):
            self._heard(now_ms)
            self._say("joined %s" % event.dev_addr)
        elif isinstance(event, Downlink):
            self._heard(now_ms)
            self.more = self.more or event.pending
            self.inbox.append(event)
        elif isinstance(event, (Acknowledged, LinkCheck)):
            self._heard(now_ms)
        elif isinstance(event, Pending):
            self._heard(now_ms)
            self.more = True
        return None

    def _heard(self, now_ms):
        """The network is there."""
        self._asked = 0
        self._rejoin_ms = now_ms + _SILENCE_MS

    def _fault(self, error):
        """Radio or flash failed: say so, start the radio anew later."""
        self.next_ms = self._clock.now_ms() + _RETRY_MS
        self._say("link fault %s %s" % (type(error).__name__, error))
        if self._open:
            try:
                self._radio.start()
            except Exception:
                pass  # the next exchange fails again and comes back here
