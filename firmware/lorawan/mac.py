"""LoRaWAN 1.0.4 class A, without I/O: what to send next, and what an answer means.

    idle --join/send--> open --conclude--> idle
                          ^        |
                          +-Repeat-+      NbTrans: the same frame again on another channel

The caller hands in the time (milliseconds since power-on, never going back) and carries out the exchanges. State that
has to survive is written here before an exchange is given out and before a downlink is reported: the caller cannot
forget it.
"""

from . import frames
from .commands import DEVICE_TIME, LINK_CHECK  # constants only: at deployment nothing is left of this import
from .duty import DutyCycle
from .errors import (
    AckWait,
    Busy,
    ChannelBusyWait,
    CounterExhausted,
    JoinWait,
    Malformed,
    NonceExhausted,
    NotJoined,
)
from .events import Acknowledged, Downlink, Joined, JoinFailed, NotAcknowledged, Pending, Repeat, SettingsChanged
from .exchange import Exchange
from .join import NONCE_END, JoinState
from .link import Link
from .outgoing import Outgoing
from .records import Records
from .session import FCNT_END

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

RETRANSMIT_TIMEOUT_MS = 1_000  # 2 s +- 1 s (RP002-1.0.4 section 2.3): this, and up to
RETRANSMIT_SPREAD_MS = 2_000  # this more at random

_HOUR_MS = const(3_600_000)
_BUFFER_BYTES = const(256)
_OVERHEAD_BYTES = const(12)  # MHDR, FHDR without FOpts, MIC

_JOIN = const(1)
_DATA = const(2)


class Mac:
    """One device. `region`: a module of `regions`; `store`: `FileStore` or the like; `random_u32()`: 32 random bits.

    `device.battery_level()` gives 0 (external power), 1..254 or 255 (unknown) for DevStatusAns; `device` may be None.
    """

    strict_join = False
    """Whether a JoinNonce has to be higher than the last one; if not, it has to be none of the last 16."""

    def __init__(self, region, store, random_u32, device=None):
        self._region = region
        self._random_u32 = random_u32
        self._battery_level = None if device is None else device.battery_level
        self._link = Link(region)
        self._duty = DutyCycle(region)
        self._join = JoinState()
        self._records = Records(store, self._link, self._duty, self._join)
        self._buffer = bytearray(_BUFFER_BYTES)
        self._view = memoryview(self._buffer)
        self._fopts = bytearray(frames.FOPTS_MAX_BYTES)
        self._exchange = Exchange(self._wants)
        self._outgoing = Outgoing(self._link, self._duty, self._records, random_u32, self._exchange)
        self._open = 0  # _JOIN or _DATA while an exchange is out
        self._tries_left = 0
        self._nothing = []  # the events of most uplinks
        self._confirmed = False
        self._activation = None  # while joining
        self._asked = 0  # MAC requests that the open exchange carries, bits 1 << CID
        self._ack_at_ms = 0

    def start(self, now_ms):
        """Load what was stored. Raises `NoIdentity` or `StateCorrupt`; nothing else may be called before."""
        self._records.load(now_ms)

    def skip_few_counters(self):
        """For a node that is reset at each wake-up: store each counter by itself, so that a reset skips none."""
        self._records.counter_margin = 1

    @property
    def joined(self):
        """Whether there is a session."""
        return self._records.session is not None

    def join(self, now_ms):
        """A Join-Request to carry out; its DevNonce is already stored as used.

        Raises `Busy`, `JoinWait`, `DutyCycleWait` or `NonceExhausted`. A session that exists stays until a Join-Accept
        comes.
        """
        from . import backoff
        from .activation import Activation

        self._require_idle()
        join, region = self._join, self._region
        if join.dev_nonce >= NONCE_END:
            raise NonceExhausted("all DevNonces are used: this device needs a new DevEUI or JoinEUI")
        backoff.begin(join, now_ms)
        data_rate = region.JOIN_DRS[join.turn % len(region.JOIN_DRS)]
        airtime = self._outgoing.airtime_us(frames.JOIN_REQUEST_BYTES, data_rate)
        wait_ms = backoff.wait_ms(join, airtime, now_ms)
        if wait_ms:
            if backoff.due_for_storing(join, now_ms):
                self._records.save_nonce(now_ms)
            raise JoinWait(backoff.patience_ms(join, wait_ms))
        channel = self._outgoing.choose(data_rate, airtime, now_ms, True)
        dev_nonce = backoff.spend(join, airtime, now_ms)
        self._records.save_nonce(now_ms)
        self._outgoing.send(channel, data_rate, airtime, region.MAX_EIRP_DBM, now_ms, now_ms)
        self._activation = Activation(self._records.identity, dev_nonce, self.strict_join)
        self._exchange.frame = self._view[: self._activation.request(self._buffer)]
        self._open = _JOIN
        return self._exchange

    def send(self, port, data, now_ms, confirmed=False):
        """An uplink of `data` on `port` (1..255) to carry out; its counter is already stored as used.

        Raises `NotJoined`, `Busy`, `PayloadTooLong`, `CounterExhausted` or a `Wait`.
        """
        if not 1 <= port <= 255:
            raise ValueError("FPort %d: 1 to 255 carry data" % port)
        return self._uplink(port, data, now_ms, confirmed)

    def send_answers(self, now_ms):
        """An uplink without application data: carries MAC answers, or just gives the network a chance to talk."""
        return self._uplink(None, b"", now_ms, False)

    def room(self, now_ms):
        """The largest application payload that `send` takes now, in bytes; 0 without a session."""
        if self._records.session is None:
            return 0
        limit = self._payload_limit()
        return limit - self._link.fill_fopts(self._fopts, limit)

    def request_link_check(self):
        """The next uplink asks how well it is heard; the answer is the event `LinkCheck`."""
        self._link.requests |= 1 << LINK_CHECK

    def request_time(self):
        """The next uplink asks for the time; the answer is the event `NetworkTime`."""
        self._link.requests |= 1 << DEVICE_TIME

    def set_adr(self, on):
        """Whether the network manages data rate and power (default: on)."""
        self._link.adr = on

    def set_data_rate(self, data_rate):
        """Choose the data rate by hand; with ADR on the network may change it again."""
        if not self._link.plan.usable(self._link.plan.mask, data_rate):
            raise ValueError("no channel carries DR%d" % data_rate)
        self._link.data_rate = data_rate

    def leave(self):
        """Give the session up: nothing but `join` may follow. A reset before its success brings the session back."""
        self._require_idle()
        self._records.session = None

    def set_duty_cycle(self, on):
        """Whether the budgets of the sub-bands are kept (default: on): off for a test house only, never in the air."""
        bands = self._region.BANDS
        self._duty.limit_to(bands if on else [band[:2] + (_HOUR_MS,) + band[3:] for band in bands])

    def save(self, now_ms):
        """Store the exact counters before a planned loss of power, so that none are skipped."""
        if self._records.session is not None:
            self._records.save_hot(now_ms, self._records.session.fcnt_up)

    def abandon(self, exchange):
        """Give up an open exchange and its repetitions without carrying it out; gives the list of events."""
        kind, self._open = self._open, 0
        if kind == _JOIN:
            return [JoinFailed()]
        return [NotAcknowledged(self._records.session.fcnt_up - 1)] if kind and self._confirmed else []

    def not_sent(self, exchange, now_ms):
        """`exchange` was not begun: its channel was busy (`sense_first`). Gives the list of events: the same frame once
        more after a random pause, if possible on another channel. Nobody heard it, so no counter is used twice.

        When that happens too often, the exchange is given up: `ChannelBusyWait` says when to begin a new one.
        """
        if not self._open:
            raise ValueError("this exchange was already concluded")
        self._duty.free_at_ms = 0  # as it was when this exchange was given out
        pause_ms = self._link.plan.busy_pause_ms(exchange.frame, self._random_u32)
        if pause_ms < 0:
            self.abandon(exchange)
            raise ChannelBusyWait(-pause_ms)
        return [Repeat(exchange, self._outgoing.repeat(now_ms, now_ms + pause_ms))]

    def conclude(self, exchange, heard, now_ms):
        """`exchange` was transmitted and its windows are over; `heard` is what the radio received, or None.

        Gives the list of events, valid until the next call. `heard` has `frame`, `rssi_dbm`, `snr_db_x4`.
        """
        if not self._open:
            raise ValueError("this exchange was already concluded")
        if self._open == _JOIN:
            return self._conclude_join(heard, now_ms)
        return self._conclude_data(exchange, heard, now_ms)

    def state(self, now_ms):
        """For people: a dict of what the stack is and why it may be waiting. No keys."""
        found = {
            "region": self._region.NAME,
            "joined": self.joined,
            "busy": self._open != 0,
            "dev_nonce": self._join.dev_nonce,
            "join_tries": self._join.tries,
        }
        if self.joined:
            session, link = self._records.session, self._link
            found["dev_addr"] = session.shown
            found["fcnt_up"] = session.fcnt_up
            found["fcnt_down"] = session.fcnt_down
            found["room"] = self.room(now_ms)
            duty_ms = self._outgoing.wait_ms(_OVERHEAD_BYTES, link.data_rate, now_ms)
            found["wait_ms"] = max(duty_ms or 0, self._ack_at_ms - now_ms)
            found.update(link.state())
        return found

    # Uplinks

    def _uplink(self, port, data, now_ms, confirmed):
        session, link = self._records.session, self._link
        if session is None:
            raise NotJoined("no session: join first")
        self._require_idle()
        if now_ms < self._ack_at_ms:
            raise AckWait(self._ack_at_ms - now_ms)
        if session.fcnt_up >= FCNT_END:
            raise CounterExhausted("FCntUp is at its end: join again")
        limit = self._payload_limit()
        if port is None and link.answers_within(min(limit, frames.FOPTS_MAX_BYTES)) < len(link.answers):
            port = 0  # too much for FOpts: a frame of its own
            data = bytes(link.answers[: link.answers_within(limit)])
        fopts_len = 0 if port == 0 else link.fill_fopts(self._fopts, limit)
        data_rate = link.data_rate
        if len(data) + fopts_len > limit:
            data_rate = link.plan.overlong(link, len(data) + fopts_len, limit - fopts_len, limit)
        length = _OVERHEAD_BYTES + fopts_len + len(data) + (port is not None)
        airtime = self._outgoing.airtime_us(length, data_rate)
        channel = self._outgoing.choose(data_rate, airtime, now_ms)

        fctrl = (frames.ADR if link.adr else 0) | (frames.ADR_ACK_REQ if link.wants_answer else 0)
        fctrl |= frames.ACK if link.ack_due else 0
        fcnt = session.fcnt_up
        eirp_dbm, repeats = link.eirp_dbm, link.nb_trans - 1
        self._asked = 0
        if port != 0:
            self._asked, link.requests = link.requests, 0
        # From here on the counter is spent, whatever happens; the stored state is the one after this uplink.
        link.ack_due = False
        link.answers_sent()
        link.count_uplink()
        session.fcnt_up = fcnt + 1
        self._outgoing.send(channel, data_rate, airtime, eirp_dbm, now_ms, now_ms)

        frames.build_data(
            self._buffer,
            frames.CONFIRMED_UP if confirmed else frames.UNCONFIRMED_UP,
            session.dev_addr,
            fctrl,
            fcnt,
            self._fopts,
            fopts_len,
            port,
            data,
            session.nwk_key,
            session.app_key,
        )
        if len(self._exchange.frame or b"") != length:  # each view is garbage: reports of one length need but one
            self._exchange.frame = self._view[:length]
        self._confirmed = confirmed
        self._tries_left = repeats
        self._open = _DATA
        return self._exchange

    def _payload_limit(self):
        return self._link.plan.payload_bytes[self._link.data_rate]

    def _require_idle(self):
        if self._open:
            raise Busy("conclude the last exchange first")

    # Answers

    def _wants(self, frame):
        if self._open == _JOIN:
            return self._activation.accept(frame, self._join) is not None
        return self._genuine(frame) is not None

    def _genuine(self, frame):
        """The data frame in `frame` and its full counter, if it is for us and new, else None. Changes nothing."""
        session = self._records.session
        try:
            parts = frames.DataFrame(frame)
        except Malformed:
            return None
        if parts.uplink or parts.dev_addr != session.dev_addr:
            return None
        fcnt = frames.full_fcnt(parts.fcnt16, session.fcnt_down)
        if fcnt is None or not parts.mic_valid(session.nwk_key, fcnt):
            return None
        return parts, fcnt

    def _conclude_join(self, heard, now_ms):
        self._open = 0
        activation, self._activation = self._activation, None
        join, records = self._join, self._records
        accept = None if heard is None else activation.accept(heard.frame, join)
        if accept is None:
            from .backoff import pause

            pause(join, now_ms, self._random_u32)
            return [JoinFailed()]
        records.session = activation.begin(accept, self._link, self._outgoing.data_rate)
        join.conclude(accept.join_nonce)
        records.save_nonce(now_ms)
        records.save_cold()
        records.save_hot(now_ms, records.counter_margin)
        return [Joined(records.session.shown)]

    def _conclude_data(self, exchange, heard, now_ms):
        genuine = None if heard is None else self._genuine(heard.frame)
        fcnt_up = self._records.session.fcnt_up - 1
        if genuine is not None:
            self._open = 0
            parts, fcnt = genuine
            events = self._take(parts, fcnt, heard, now_ms)
            if self._confirmed:
                events.insert(0, Acknowledged(fcnt_up) if parts.fctrl & frames.ACK else NotAcknowledged(fcnt_up))
            return events
        if self._confirmed:
            wait_ms = RETRANSMIT_TIMEOUT_MS + (self._random_u32() & 0xFFFF) % RETRANSMIT_SPREAD_MS
            self._ack_at_ms = now_ms + wait_ms
        if self._tries_left > 0:
            self._tries_left -= 1
            not_before_ms = self._outgoing.repeat(now_ms, max(now_ms, self._ack_at_ms))
            if not_before_ms is not None:
                return [Repeat(exchange, not_before_ms)]
        self._open = 0
        if self._confirmed:
            return [NotAcknowledged(fcnt_up)]
        self._nothing.clear()  # whatever a caller may have put in
        return self._nothing

    def _take(self, parts, fcnt, heard, now_ms):
        """A genuine class A downlink: counters, MAC commands, storage; then events."""
        session, link = self._records.session, self._link
        session.fcnt_down = fcnt
        link.adr_ack_cnt = 0
        link.answers = bytearray()
        link.ack_due = parts.confirmed
        has_payload = parts.payload_start < parts.mic_at
        if parts.port == 0:
            requests = parts.decrypted(session.nwk_key, fcnt)
        else:
            requests = parts.fopts
        age_ms = self._outgoing.age_ms(len(parts.raw), heard.window)
        events = []
        if requests:
            from .commands import execute  # few downlinks have any

            events = execute(link, requests, heard.snr_db_x4, self._battery_level, self._asked, age_ms)
            for event in events:
                if isinstance(event, SettingsChanged):
                    self._records.save_cold()
        self._records.save_hot(now_ms)
        pending = bool(parts.fctrl & frames.F_PENDING)
        if parts.port and has_payload:
            data = bytes(parts.decrypted(session.app_key, fcnt))
            events.append(Downlink(parts.port, data, parts.confirmed, pending, fcnt, heard.rssi_dbm, heard.snr_db_x4))
        elif pending:
            events.append(Pending())
        return events
