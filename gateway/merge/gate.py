"""What the merge gate does with copies and time: decides, keeps, hands out. No I/O but the store, no clock.

    settled   no gateway is handing in a backlog and none has begun or ended within `quiet`: nothing older than what
              is here is on its way, so frames may leave. Until then everything waits, live frames as well: one frame
              too early makes the server refuse all older ones for ever.
    lane      one device with frames here. It leaves in the order of frame counters, one frame every `spacing`.
    live      frames of a device that has nothing here pass as soon as they are stored, not paced, not counted
              against the cap, their copies as they come.
    through   a gateway may send a device's frames directly again once everything of its partition has left.

Bounded: copies on disk by `max_copies`, at the cost of the gateway that fills it; in memory one lane a device.
"""

from __future__ import annotations

import heapq
from collections import Counter, OrderedDict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from gateway.merge.copies import Copy, made_late
from gateway.merge.order import first_counter
from gateway.merge.store import MergeStore, Stored
from gateway.merge.words import PARTITIONS, Through, partition
from gateway.turns import Verdict

# ChirpStack merges copies that come within its deduplication_delay of 200 ms.
_TWIN_US = 150_000
# A frame older than this can be answered in no receive window any more, see `gateway.relay`.
_LATE_US = 2_000_000
_WINDOW = 20
_MOST_GATEWAYS = 10_000
_EVICT_COPIES = 512
_PROBE_FIRST_US = 1_000_000
_PROBE_LONGEST_US = 30_000_000


@dataclass(frozen=True, slots=True)
class Rules:
    """Settings of the gate. Times in microseconds."""

    quiet_us: int = 15_000_000
    longest_wait_us: int = 1_800_000_000
    spacing_us: int = 1_000_000
    replay_per_second: float = 20.0
    max_copies: int = 500_000
    remembered: int = 1_000_000


class Bundle(NamedTuple):
    """One frame to be published: (gateway id, message) for each copy. `alone`: a copy that follows its twin."""

    dev_addr: int
    fcnt: int
    frame: bytes
    messages: tuple[tuple[str, bytes], ...]
    alone: bool = False


@dataclass(slots=True)
class _Lane:
    due_us: int
    copies: int = 0
    late: bool = False
    since_us: int = 0
    quiet_until_us: int = 0
    cursor: int | None = None
    flying: bytes | None = None
    ticket: int = 0


@dataclass(slots=True)
class Counts:
    """What happened since the start, for metrics."""

    received: int = 0
    published: int = 0
    merged: int = 0
    duplicates: int = 0
    evicted: int = 0
    impatient: int = 0


@dataclass(slots=True)
class _Hold:
    """Nobody listens at the server's topic: one probe at a time."""

    probe_us: int
    pause_us: int = field(default=_PROBE_FIRST_US)


class Gate:
    """One instance. The caller commits the store after `receive` and before it acknowledges."""

    def __init__(self, rules: Rules, store: MergeStore, now_us: int) -> None:
        self.rules = rules
        self.counts = Counts()
        self._store = store
        self._lanes: dict[int, _Lane] = {}
        self._queues: dict[bool, list[tuple[int, int, int]]] = {False: [], True: []}  # late? -> (due, ticket, DevAddr)
        self._tickets = 0
        self._owners = store.owners()
        self._pending: Counter[str] = Counter()  # copies by partition
        self._owed: dict[str, dict[str, int]] = {digit: {} for digit in PARTITIONS}
        self._replaying: dict[str, None] = dict.fromkeys(store.replaying())
        self._calm_us = now_us + rules.quiet_us
        self._since_us: int | None = now_us
        self._deaf_until_us = now_us
        self._twins: deque[Bundle] = deque()
        self._recent: OrderedDict[bytes, tuple[int, bytes]] = OrderedDict()  # frame -> when and with which tx
        self._flying = 0
        self._hold: _Hold | None = None
        self._tokens = 1.0
        self._tokens_us = now_us
        for dev_addr, copies in store.lanes().items():
            lane = self._lanes[dev_addr] = _Lane(now_us, copies, late=True, since_us=now_us)
            self._pending[partition(dev_addr)] += copies
            self._queue(dev_addr, lane)

    # What is known

    @property
    def waiting(self) -> int:
        """Copies not republished yet."""
        return self._pending.total()

    @property
    def devices(self) -> int:
        """Devices with frames here, or with one that has just left."""
        return len(self._lanes)

    @property
    def replaying(self) -> tuple[str, ...]:
        """Gateways that are handing in their backlog."""
        return tuple(self._replaying)

    @property
    def holding(self) -> bool:
        """Whether nobody listens where frames go."""
        return self._hold is not None

    def settled(self, now_us: int) -> bool:
        """See the top of this file."""
        if self._since_us is None:
            return True
        if self._replaying or now_us < self._calm_us:
            if now_us - self._since_us < self.rules.longest_wait_us:
                return False
            # Enough waited. Whoever announces again and again does not get the gate to wait for ever.
            self._replaying.clear()
            self._store.note_replaying(())
            self._deaf_until_us = now_us + self.rules.longest_wait_us
            self.counts.impatient += 1
        self._since_us = None
        return True

    # From gateways

    def connected(self, now_us: int) -> None:
        """A connection to the broker is new: gateways have lost theirs as well, perhaps, and need time to come back."""
        settled = self.settled(now_us)
        self._calm_us = now_us + self.rules.quiet_us
        if settled:
            self._since_us = now_us

    def announced(self, gateway_id: str, frames: int, now_us: int) -> None:
        """A gateway says how many frames it is about to hand in; 0: all are handed in."""
        settled = self.settled(now_us)
        if frames == 0 and gateway_id in self._replaying:
            del self._replaying[gateway_id]
        elif frames and now_us >= self._deaf_until_us and len(self._replaying) < _MOST_GATEWAYS:
            self._replaying[gateway_id] = None
        else:
            return
        self._store.note_replaying(self._replaying)
        self._calm_us = now_us + self.rules.quiet_us
        if settled:
            self._since_us = now_us

    def receive(self, copy: Copy, now_us: int) -> None:
        """Take a copy: after the next commit it may be acknowledged."""
        self.counts.received += 1
        owed = self._owed[copy.partition]
        if copy.gateway_id in owed or len(owed) < _MOST_GATEWAYS:
            owed[copy.gateway_id] = copy.uplink_id
        if self._follows_its_twin(copy, now_us):
            return
        if self._store.is_done(copy.frame):
            self.counts.duplicates += 1
            return
        if not self._store.add(copy):
            self.counts.duplicates += 1
            return
        lane = self._lanes.get(copy.dev_addr)
        if lane is None:
            lane = self._lanes[copy.dev_addr] = _Lane(now_us)
        if not lane.copies:
            lane.since_us = now_us
        lane.copies += 1
        self._owners[copy.gateway_id] += 1
        self._pending[copy.partition] += 1
        if copy.late or not self.settled(now_us):
            lane.late = True
        if copy.late:
            lane.quiet_until_us = now_us + self.rules.quiet_us
        if lane.flying is None:
            self._queue(copy.dev_addr, lane)
        if self.waiting > self.rules.max_copies:
            self._evict()

    def _follows_its_twin(self, copy: Copy, now_us: int) -> bool:
        """A copy of a frame that left a moment ago leaves at once, so that the server still merges it."""
        while self._recent and now_us - next(iter(self._recent.values()))[0] > _TWIN_US:
            self._recent.popitem(last=False)
        if copy.frame not in self._recent:
            return False
        if self._recent[copy.frame][1] != copy.tx:
            self.counts.duplicates += 1
            return True
        self.counts.merged += 1
        message = (copy.gateway_id, copy.payload)
        self._twins.append(Bundle(copy.dev_addr, copy.fcnt, copy.frame, (message,), alone=True))
        return True

    def _evict(self) -> None:
        owner = max(self._owners, key=lambda gateway_id: self._owners[gateway_id])
        lost = self._store.evict(owner, _EVICT_COPIES)
        self._owners[owner] -= lost.total()
        self.counts.evicted += lost.total()
        for dev_addr, copies in lost.items():
            self._less(dev_addr, copies)

    def _less(self, dev_addr: int, copies: int) -> None:
        self._pending[partition(dev_addr)] -= copies
        if (lane := self._lanes.get(dev_addr)) is not None:
            lane.copies -= copies

    def _queue(self, dev_addr: int, lane: _Lane) -> None:
        """Put a lane in line; where it stood before, it does not any more."""
        self._tickets += 1
        lane.ticket = self._tickets
        due_us = max(lane.due_us, self._quiet_from_us(lane))
        heapq.heappush(self._queues[lane.late], (due_us, lane.ticket, dev_addr))

    def _quiet_from_us(self, lane: _Lane) -> int:
        return min(lane.quiet_until_us, lane.since_us + self.rules.longest_wait_us)

    # To the server

    def take(self, now_us: int) -> list[Bundle]:
        """What to publish now; each comes back by `answered`."""
        bundles: list[Bundle] = []
        if self._hold is not None and (self._flying or now_us < self._hold.probe_us):
            return bundles
        while self._twins:
            bundles.append(self._twins.popleft())
        if not self.settled(now_us):
            return bundles
        self._refill(now_us)
        window = 1 if self._hold is not None else _WINDOW
        for late in (False, True):
            while self._flying < window and (not late or self._tokens >= 1):
                bundle = self._next(late, now_us)
                if bundle is None:
                    break
                self._tokens -= late
                bundles.append(bundle)
        return bundles

    def _refill(self, now_us: int) -> None:
        rate = self.rules.replay_per_second
        elapsed_s = max(0, now_us - self._tokens_us) / 1_000_000
        self._tokens = min(max(1.0, rate / 10), self._tokens + elapsed_s * rate)
        self._tokens_us = now_us

    def _next(self, late: bool, now_us: int) -> Bundle | None:
        queue = self._queues[late]
        while queue and queue[0][0] <= now_us:
            _, ticket, dev_addr = heapq.heappop(queue)
            lane = self._lanes.get(dev_addr)
            if lane is None or lane.ticket != ticket or lane.flying is not None:
                continue
            if not lane.copies:
                del self._lanes[dev_addr]
                continue
            return self._launch(dev_addr, lane, now_us)
        return None

    def _launch(self, dev_addr: int, lane: _Lane, now_us: int) -> Bundle | None:
        if lane.cursor is None:
            lane.cursor = first_counter(self._store.counters(dev_addr))
        found = self._store.next_frame(dev_addr, lane.cursor)
        if found is None:
            raise AssertionError("a lane that counts copies has none")
        fcnt, frame = found
        chosen = _one_transmission(self._store.copies(dev_addr, fcnt, frame))
        old = now_us - lane.since_us > _LATE_US
        messages = tuple(
            (one.gateway_id, made_late(one.payload) if old and not one.late else one.payload) for one in chosen
        )
        lane.cursor, lane.flying = fcnt, frame
        self._flying += 1
        self._recent[frame] = (now_us, chosen[0].tx)
        self._recent.move_to_end(frame)
        return Bundle(dev_addr, fcnt, frame, messages)

    def answered(self, bundle: Bundle, verdict: Verdict, now_us: int) -> None:
        """What became of a bundle. If TAKEN, the next commit forgets its copies."""
        if bundle.alone:
            return
        self._flying -= 1
        lane = self._lanes[bundle.dev_addr]
        lane.flying = None
        if verdict is Verdict.TAKEN:
            self._hold = None
            owners = self._store.finish(bundle.dev_addr, bundle.fcnt, bundle.frame)
            self._owners -= owners
            self._less(bundle.dev_addr, owners.total())
            self.counts.published += 1
            self.counts.merged += len(bundle.messages) - 1
            self.counts.duplicates += owners.total() - len(bundle.messages)
            if not lane.copies:
                lane.cursor, lane.late, lane.quiet_until_us = None, False, 0
            lane.due_us = now_us + self.rules.spacing_us
        elif verdict in (Verdict.UNHEARD, Verdict.REFUSED):
            self._pause(now_us)
        if verdict is not Verdict.TAKEN:
            self._recent.pop(bundle.frame, None)
        self._queue(bundle.dev_addr, lane)

    def _pause(self, now_us: int) -> None:
        if self._hold is None:
            self._hold = _Hold(now_us + _PROBE_FIRST_US)
        elif now_us >= self._hold.probe_us:
            self._hold.pause_us = min(2 * self._hold.pause_us, _PROBE_LONGEST_US)
            self._hold.probe_us = now_us + self._hold.pause_us

    # To gateways

    def through(self, now_us: int) -> list[tuple[str, Through]]:
        """Whom to tell that everything of a partition is with the server, each once."""
        words: list[tuple[str, Through]] = []
        if not self.settled(now_us):
            return words
        for digit, owed in self._owed.items():
            if owed and not self._pending[digit]:
                words += [(gateway_id, Through(digit, uplink_id)) for gateway_id, uplink_id in owed.items()]
                owed.clear()
        return words

    # Time

    def next_due(self, now_us: int) -> int | None:
        """When `take` or `through` may have something without news from outside; None: never."""
        if self._twins:
            return now_us
        if not self.settled(now_us) and self._since_us is not None:
            end_us = self._since_us + self.rules.longest_wait_us
            return max(now_us, end_us if self._replaying else min(end_us, self._calm_us))
        if self._hold is not None:
            return None if self._flying else max(now_us, self._hold.probe_us)
        if self._flying >= _WINDOW:
            return None
        dues = [queue[0][0] for queue in self._queues.values() if queue]
        if len(dues) == len(self._queues) or self._queues[True]:
            token_us = self._tokens_us + int(max(0.0, 1 - self._tokens) * 1e6 / self.rules.replay_per_second) + 1
            dues[-1] = max(dues[-1], token_us if self._tokens < 1 else 0)
        return max(now_us, min(dues)) if dues else None

    def tidy(self) -> None:
        """Now and then: forget what was republished long ago."""
        self._store.forget_done(self.rules.remembered)


def _one_transmission(copies: Iterable[Stored]) -> list[Stored]:
    """Of a frame that the device repeated (NbTrans), the transmission most gateways heard: the server would take the
    copies of another one for a retransmission.
    """
    by_tx: dict[bytes, list[Stored]] = {}
    for copy in copies:
        by_tx.setdefault(copy.tx, []).append(copy)
    return max(by_tx.values(), key=len)
