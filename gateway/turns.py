"""Whose turn it is: the rules by which one destination gets live frames and its backlog.

No I/O and no clock: the caller tells the time (monotonic microseconds), hands in what came from the spool and from
the far end, and sends what comes out. One object a destination.

    live      frames just received. They go first, at once, if nothing of their device waits before them.
    backlog   everything else stays in the spool and is fetched device by device, round and round in the order of
              DevAddr: the oldest frame of each device that is not busy. `backlog` is only a flag: "look there".
    busy      a device with a frame in flight, or whose last frame was acknowledged less than the spacing ago.
    hold      the far end takes messages but nobody listens there: only one probe at a time, with growing pauses.

Order (rule 3): a frame is sent only if all earlier frames of its device, for this destination, are settled. Two
exceptions: twins, the same bytes heard by two concentrators, are sent together, so that the server merges them; and
where the settings say so, a live frame overtakes the backlog of its device, which is then given up (rule 5).
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from enum import Enum
from typing import Literal, NamedTuple

from gateway.budget import Allowance
from gateway.frames import Moment, Uplink
from gateway.store import NO_DEV_ADDR, Before, Row

# mosquitto lets 20 unacknowledged messages pass towards a subscriber; more would only queue there.
WINDOW = 20
# The backlog may use half of it, so that a live frame always finds room.
_REPLAY_WINDOW = 10
# Live frames waiting for room in the window; what does not fit waits in the spool.
_MOST_LIVE = 256
# ChirpStack merges copies that come within its deduplication_delay of 200 ms.
_TWIN_US = 150_000
# Rule 4: no two frames of one device closer than this, or the server processes them in parallel and loses one.
_LEAST_SPACING_US = 500_000
# Devices remembered with the last settled frame. Losing an entry costs nothing but a detour over the spool.
_MOST_SETTLED = 10_000
_PROBE_FIRST_US = 1_000_000
_PROBE_LONGEST_US = 30_000_000
# How long a broker is believed that has only ever said "nobody listens" (some say so wrongly).
_UNPROVEN_HOLD_US = 600_000_000
_RETRY_US = 50_000
_IDLE_RETRY_US = 1_000_000


class Verdict(Enum):
    """What the far end said to a frame."""

    TAKEN = "taken"
    UNHEARD = "unheard"  # acknowledged, but nobody is listening there (MQTT 5 reason 0x10)
    REFUSED = "refused"  # answered with an error; to be tried again later
    LOST = "lost"  # the link ended before an answer


class Parcel(NamedTuple):
    """A frame on its way to one destination.

    `stored` frames come back after a failure; others live only until `expires_us`. `before` is what of the same device
    waited when this one was stored. `wants_answer`: the device waits for a downlink. `overtakes`: sent before the
    backlog of its device, which is worth nothing once this frame is delivered.
    """

    seq: int
    dev_addr: int
    moment: Moment
    uplink: Uplink
    stored: bool = True
    expires_us: int = 0
    before: Before = Before()
    wants_answer: bool = False
    copies: tuple[int, ...] = ()
    overtakes: bool = False


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of one destination. Times in microseconds.

    Rule 5: a live frame waits behind the backlog of its device, unless `live_first`, or it wants an answer and
    `live_first_for_answers`, or more than `live_first_above` frames wait (0: never).
    """

    spacing_us: int = 1_000_000
    replay_per_second: float = 20.0
    hold: Literal["auto", "on", "off"] = "auto"
    live_first: bool = False
    live_first_for_answers: bool = False
    live_first_above: int = 0


@dataclass(slots=True)
class _Hold:
    since_us: int
    probe_us: int
    pause_us: int


class _Sent(NamedTuple):
    parcel: Parcel
    sent_us: int


class _Rest(NamedTuple):
    """A device after an acknowledged frame."""

    settled_us: int
    sent_us: int
    phy_payload: bytes


class Turns:
    """The state of one destination. Everything in it is bounded."""

    def __init__(self, rules: Rules, backlog: bool) -> None:
        self.rules = rules
        self.backlog = backlog
        self.up = False
        self.allowance = Allowance.ALL
        self.cursor = NO_DEV_ADDR - 1
        self.expired = 0
        self._live: deque[Parcel] = deque()
        self._in_flight: dict[int, _Sent] = {}
        self._flying: dict[int, _Sent] = {}  # by DevAddr
        self._resting: OrderedDict[int, _Rest] = OrderedDict()  # by DevAddr, in order of settled_us
        self._settled: OrderedDict[int, int] = OrderedDict()  # DevAddr -> newest settled seq
        self._hold: _Hold | None = None
        self._proven = False
        self._disbelieved = False
        self._tokens = 1.0
        self._tokens_us = 0
        self._retry_us = 0

    @property
    def holding(self) -> bool:
        """Whether the far end takes messages for nobody."""
        return self._hold is not None

    @property
    def holding_since_us(self) -> int | None:
        """Since when, monotonic; None if not."""
        return None if self._hold is None else self._hold.since_us

    @property
    def stored_in_flight(self) -> int:
        """Of the frames in flight, those that are in the spool."""
        return sum(1 for sent in self._in_flight.values() if sent.parcel.stored)

    @property
    def in_flight(self) -> int:
        """Frames sent and not yet answered."""
        return len(self._in_flight)

    # The link

    def link_up(self, now_us: int) -> None:
        """A connection is ready. What it knew of the far end's honesty is void."""
        self.up = True
        self._hold, self._proven, self._disbelieved = None, False, False
        self._retry_us = now_us

    def link_down(self) -> None:
        """The connection ended. Stored live frames wait in the spool; the others keep their short life."""
        self.up = False
        if any(parcel.stored for parcel in self._live):
            self.backlog = True
        self._live = deque(parcel for parcel in self._live if not parcel.stored)

    # Live frames

    def offer(self, parcel: Parcel) -> None:
        """A frame has been received, and stored if it is of the kind that is."""
        if parcel.seq in self._in_flight or (parcel.stored and parcel.seq <= self._settled.get(parcel.dev_addr, 0)):
            return  # the round over the backlog was faster
        if parcel.stored and not (self.up and self.allowance is not Allowance.NOTHING):
            self.backlog = True
        elif len(self._live) < _MOST_LIVE:
            self._live.append(parcel)
        elif parcel.stored:
            self.backlog = True
        else:
            self.expired += 1

    def next_live(self, now_us: int) -> Parcel | None:
        """The live frame to send now, if there is one and room for it."""
        while self._live:
            parcel = self._live[0]
            if not parcel.stored and now_us >= parcel.expires_us:
                self._live.popleft()
                self.expired += 1
                continue
            if not self.up or len(self._in_flight) >= WINDOW:
                return None
            if self.allowance is Allowance.NOTHING:
                if not parcel.stored:
                    return None
                self._live.popleft()
                self.backlog = True
                continue
            self._live.popleft()
            if not parcel.stored:
                return parcel
            if self._hold is None and self._spaced(parcel, now_us):
                if parcel.before.seq <= self._settled.get(parcel.dev_addr, 0) or self._twin(parcel, now_us):
                    return parcel
                if self._overtakes(parcel):
                    return parcel._replace(overtakes=True)
            self.backlog = True
        return None

    def _spaced(self, parcel: Parcel, now_us: int) -> bool:
        """Whether the device is neither in flight nor just served; twins may go together."""
        if parcel.dev_addr in self._flying:
            return self._twin(parcel, now_us)
        resting = self._resting.get(parcel.dev_addr)
        return resting is None or now_us - resting.settled_us >= _LEAST_SPACING_US or self._twin(parcel, now_us)

    def _twin(self, parcel: Parcel, now_us: int) -> bool:
        """Whether the same bytes have been sent a moment ago."""
        flying, resting = self._flying.get(parcel.dev_addr), self._resting.get(parcel.dev_addr)
        if flying is not None:
            phy_payload, sent_us = flying.parcel.uplink.phy_payload, flying.sent_us
        elif resting is not None:
            phy_payload, sent_us = resting.phy_payload, resting.sent_us
        else:
            return False
        return parcel.uplink.phy_payload == phy_payload and now_us - sent_us < _TWIN_US

    def _overtakes(self, parcel: Parcel) -> bool:
        rules = self.rules
        return (
            rules.live_first
            or (rules.live_first_for_answers and parcel.wants_answer)
            or 0 < rules.live_first_above < parcel.before.frames
        )

    # Backlog

    def replay_room(self, now_us: int) -> int:
        """How many frames of the backlog to fetch now."""
        if not self.up or not self.backlog or now_us < self._retry_us or self._live:
            return 0
        if self.allowance is not Allowance.ALL:
            return 0
        if self._hold is not None:
            return 1 if now_us >= self._hold.probe_us and not self._in_flight else 0
        self._refill(now_us)
        return max(0, min(_REPLAY_WINDOW - len(self._in_flight), int(self._tokens)))

    def _refill(self, now_us: int) -> None:
        rate = self.rules.replay_per_second
        elapsed_s = max(0, now_us - self._tokens_us) / 1_000_000
        self._tokens = min(max(1.0, rate / 10), self._tokens + elapsed_s * rate)
        self._tokens_us = now_us

    def busy(self, now_us: int) -> frozenset[int]:
        """Devices that must not be fetched now."""
        self._wake_rested(now_us)
        return frozenset((*self._flying, *self._resting))

    def _wake_rested(self, now_us: int) -> None:
        while self._resting:
            dev_addr, rest = next(iter(self._resting.items()))
            if now_us - rest.settled_us < self.rules.spacing_us:
                break
            del self._resting[dev_addr]

    def take(self, rows: list[Row], complete: bool, waiting: int, now_us: int) -> list[Parcel]:
        """What to send of the rows fetched. `complete` tells that nothing else was to be found, `waiting` how many rows
        the spool had for this destination beside those in flight when the fetch was asked for.
        """
        self._wake_rested(now_us)
        queued = {parcel.dev_addr for parcel in self._live}
        parcels = []
        for row in rows:
            self.cursor = row.dev_addr
            if row.dev_addr in self._flying or row.dev_addr in self._resting or row.dev_addr in queued:
                continue
            parcels.append(Parcel(row.seq, row.dev_addr, row.moment, row.uplink, copies=row.copies))
        self._tokens -= len(parcels)
        if complete and not rows:
            self.backlog = waiting > 0
            rested = next(iter(self._resting.values()), None)
            pause_us = _IDLE_RETRY_US if rested is None else rested.settled_us + self.rules.spacing_us - now_us
            self._retry_us = now_us + max(_RETRY_US, pause_us)
        return parcels

    # Sending

    def sent(self, parcel: Parcel, now_us: int) -> None:
        """The frame has been handed to the link."""
        sent = _Sent(parcel, now_us)
        self._in_flight[parcel.seq] = sent
        if parcel.stored:
            self._flying.setdefault(parcel.dev_addr, sent)

    def settled(self, parcel: Parcel, verdict: Verdict, now_us: int) -> bool:
        """The far end has answered. True: the spool may forget the frame for this destination."""
        sent = self._in_flight.pop(parcel.seq, None)
        if sent is not None and self._flying.get(parcel.dev_addr) is sent:
            del self._flying[parcel.dev_addr]
        if verdict is Verdict.TAKEN:
            self._proven, self._hold = True, None
        elif verdict is Verdict.UNHEARD and self._accept_unheard(now_us):
            verdict = Verdict.TAKEN
        elif verdict is Verdict.REFUSED:
            self._pause(now_us)
        if not parcel.stored:
            return False
        if verdict is not Verdict.TAKEN:
            self.backlog = True
            self._retry_us = min(self._retry_us, now_us)
            return False
        sent_us = now_us if sent is None else sent.sent_us
        self._resting.pop(parcel.dev_addr, None)
        self._resting[parcel.dev_addr] = _Rest(now_us, sent_us, parcel.uplink.phy_payload)
        newest = max(parcel.seq, *parcel.copies) if parcel.copies else parcel.seq
        newest = max(newest, self._settled.pop(parcel.dev_addr, 0))
        self._settled[parcel.dev_addr] = newest
        if len(self._settled) > _MOST_SETTLED:
            self._settled.popitem(last=False)
        self._wake_rested(now_us)
        return True

    def _accept_unheard(self, now_us: int) -> bool:
        """Whether "nobody listens" counts as delivered. Otherwise the destination goes on hold."""
        if self.rules.hold == "off" or self._disbelieved:
            return True
        if self.rules.hold == "auto" and not self._proven and self._hold is not None:
            self._disbelieved = now_us - self._hold.since_us >= _UNPROVEN_HOLD_US
            if self._disbelieved:
                self._hold = None
                return True
        self._pause(now_us)
        return False

    def _pause(self, now_us: int) -> None:
        if self._hold is None:
            self._hold = _Hold(now_us, now_us + _PROBE_FIRST_US, _PROBE_FIRST_US)
        elif now_us >= self._hold.probe_us:
            self._hold.pause_us = min(2 * self._hold.pause_us, _PROBE_LONGEST_US)
            self._hold.probe_us = now_us + self._hold.pause_us

    def next_due(self, now_us: int) -> int | None:
        """When something can happen without news from outside; None: never."""
        dues = []
        if self._live and not self._live[0].stored:
            dues.append(self._live[0].expires_us)
        if self.up and self.backlog and self.allowance is Allowance.ALL:
            due_us = self._retry_us
            if self._hold is not None:
                due_us = max(due_us, self._hold.probe_us)
            elif self._tokens < 1:
                due_us = max(due_us, self._tokens_us + int((1 - self._tokens) * 1e6 / self.rules.replay_per_second) + 1)
            if len(self._in_flight) < _REPLAY_WINDOW and (self._hold is None or not self._in_flight):
                dues.append(due_us)
        return max(now_us, min(dues)) if dues else None
