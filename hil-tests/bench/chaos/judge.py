"""Was every promise kept? A pure function from what happened to what should not have.

    lost       acknowledged, within quota, and never at the application
    twice      more than once at the application
    disorder   after a younger frame of the same device
    misdated   with a reception time that is not the true one, or undated although the clock was right
    unknown    never sent
    ghost      a transmission in no receive window of an uplink of that device
    false ok   the server was told of a transmission that never was

Within quota: a frame may be missing only if, at one moment, the spool's capacity in younger frames waited behind it,
nothing older was written to the server after that moment, and nothing younger of its device before it. So eviction is
excused exactly where it had to happen, and nothing else is excused by it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from enum import Enum
from itertools import accumulate
from typing import NamedTuple

from bench.chaos.records import Arrival, Claim, Emission, Key, Period, Record, Sent

COUNTER = 1 << 32
RX_DELAYS_US = (1_000_000, 2_000_000)
"""RX1 and RX2 (RP002-1.0.4, RECEIVE_DELAY1 and 2)."""
WINDOW_ERROR_S = 0.02
"""The model's radio is exact; what is left is the rounding of two clocks."""
EARLY_S = 0.25
"""A doubled datagram may be the one that counts, and the first the one that got lost."""
LATE_S = 2.0
"""From the datagram's departure until a busy gateway has read it."""
UNDATED_LIVE_S = 4.0
"""A frame that counts as live without a verified clock gets the time of its arrival."""
CLOCK_NOTICED_S = 11.0
"""The gateway looks at its clock every ten seconds."""
CLAIM_WINDOW_S = (-20.0, 20.0)
"""RX2 at the longest RxDelay is 16 s after the order."""
ACK_ORDER_S = 0.5
"""Frames acknowledged within this may lie in the spool in another order."""
OVERFLOW_STEPS = 16


class Kind(Enum):
    """What went wrong."""

    LOST = "lost"
    TWICE = "twice"
    DISORDER = "disorder"
    MISDATED = "misdated"
    UNKNOWN = "unknown"
    GHOST = "ghost"
    FALSE_OK = "false ok"


class Finding(NamedTuple):
    """One broken promise; `key` is (DevAddr, FCnt), FCnt -1 where a transmission is meant."""

    kind: Kind
    key: Key
    at_s: float
    what: str


class Verdict(NamedTuple):
    """`evicted`: acknowledged frames that the quota excuses."""

    findings: list[Finding]
    delivered: int
    evicted: int
    undated: int


def judge(record: Record, capacity: int | None = None) -> Verdict:
    """Judge a finished run. `capacity`: frames that fit into the spool for certain; None: no quota was reached."""
    arrivals: defaultdict[Key, list[Arrival]] = defaultdict(list)
    for arrival in record.arrivals:
        arrivals[arrival.dev_addr, arrival.f_cnt].append(arrival)
    missing = [sent for sent in record.sent if sent.acked_s is not None and sent.key not in arrivals]
    quota = _Quota(record.sent, arrivals, capacity) if capacity is not None and missing else None
    lost = [sent for sent in missing if quota is None or not quota.excuses(sent)]
    findings = [
        Finding(Kind.LOST, sent.key, sent.sent_s, "acknowledged, but never at the application") for sent in lost
    ]
    findings += _twice(arrivals)
    findings += _disorder(record.arrivals)
    findings += _misdated(record, arrivals)
    findings += _ghosts(record.sent, record.emissions)
    findings += _false_oks(record.claims, record.emissions)
    undated = sum(1 for arrival in record.arrivals if arrival.clock == "none")
    return Verdict(findings, len(arrivals), len(missing) - len(lost), undated)


def _twice(arrivals: dict[Key, list[Arrival]]) -> Iterator[Finding]:
    for key, found in arrivals.items():
        if len(found) > 1:
            yield Finding(Kind.TWICE, key, found[1].at_s, f"{len(found)} times at the application")


def _disorder(arrivals: Sequence[Arrival]) -> Iterator[Finding]:
    newest: dict[int, int] = {}
    for arrival in arrivals:
        before = newest.get(arrival.dev_addr, -1)
        if arrival.f_cnt < before:
            yield Finding(Kind.DISORDER, arrival[:2], arrival.at_s, f"after FCnt {before}")
        newest[arrival.dev_addr] = max(before, arrival.f_cnt)


def _misdated(record: Record, arrivals: dict[Key, list[Arrival]]) -> Iterator[Finding]:
    by_key = {sent.key: sent for sent in record.sent}
    for key, found in arrivals.items():
        sent = by_key.get(key)
        if sent is None:
            yield Finding(Kind.UNKNOWN, key, found[0].at_s, "at the application, but never sent")
            continue
        what = _wrong_time(sent, found[0], record.synchronised)
        if what:
            yield Finding(Kind.MISDATED, key, found[0].at_s, what)


def _wrong_time(sent: Sent, arrival: Arrival, synchronised: Sequence[Period]) -> str:
    right = any(period.from_s + CLOCK_NOTICED_S <= _written_s(arrival) <= period.until_s for period in synchronised)
    if arrival.clock == "none":
        return "undated, although the gateway's clock was right" if right else ""
    error_s = arrival.time_s - sent.sent_s
    latest_s = LATE_S if right or arrival.clock else UNDATED_LIVE_S
    if -EARLY_S <= error_s <= latest_s:
        return ""
    return f"dated {error_s:+.3f} s from its reception (clock {arrival.clock or 'live'})"


def _written_s(arrival: Arrival) -> float:
    """When the gateway wrote the frame to its server."""
    return arrival.at_s if arrival.published_s is None else arrival.published_s


def _ghosts(sent: Sequence[Sent], emissions: Sequence[Emission]) -> Iterator[Finding]:
    uplinks: defaultdict[int, list[Sent]] = defaultdict(list)
    for one in sent:
        uplinks[one.dev_addr].append(one)
    for emission in emissions:
        if not any(_answers(emission, uplink) for uplink in uplinks[emission.dev_addr]):
            yield Finding(Kind.GHOST, (emission.dev_addr, -1), emission.at_s, "transmitted in no receive window")


def _answers(emission: Emission, uplink: Sent) -> bool:
    for delay_us in RX_DELAYS_US:
        timed = (uplink.count_us + delay_us) % COUNTER == emission.count_us
        if timed and abs(emission.at_s - uplink.sent_s - delay_us / 1e6) <= WINDOW_ERROR_S:
            return True
    return False


def _false_oks(claims: Sequence[Claim], emissions: Sequence[Emission]) -> Iterator[Finding]:
    sent: defaultdict[bytes, list[float]] = defaultdict(list)
    for emission in emissions:
        sent[emission.phy_payload].append(emission.at_s)
    earliest_s, latest_s = CLAIM_WINDOW_S
    for claim in claims:
        if not any(earliest_s <= at_s - claim.at_s <= latest_s for at_s in sent[claim.phy_payload]):
            dev_addr = int.from_bytes(claim.phy_payload[1:5], "little")
            yield Finding(Kind.FALSE_OK, (dev_addr, -1), claim.at_s, f"downlink {claim.downlink_id} was never sent")


class _Quota:
    """Which missing frames the spool had to give up."""

    def __init__(self, sent: Sequence[Sent], arrivals: dict[Key, list[Arrival]], capacity: int) -> None:
        self._capacity = capacity
        stored = sorted((one.acked_s, one) for one in sent if one.acked_s is not None)
        self._acked_s = [acked_s for acked_s, _ in stored]
        never_s = float("inf")
        self._left_s = [_written_s(arrivals[one.key][0]) if one.key in arrivals else never_s for _, one in stored]
        delivered_s = (0.0 if at_s == never_s else at_s for at_s in self._left_s)
        self._latest_before = list(accumulate(delivered_s, max))
        self._of_device: defaultdict[int, list[tuple[int, float]]] = defaultdict(list)
        for (_, one), at_s in zip(stored, self._left_s, strict=True):
            self._of_device[one.dev_addr].append((one.f_cnt, at_s))

    def excuses(self, missing: Sent) -> bool:
        """See the head of this file."""
        acked_s = missing.acked_s or 0.0
        older = bisect_left(self._acked_s, acked_s - ACK_ORDER_S) - 1
        from_s = self._latest_before[older] if older >= 0 else 0.0
        until_s = min(
            (at_s for f_cnt, at_s in self._of_device[missing.dev_addr] if f_cnt > missing.f_cnt), default=1e18
        )
        first = bisect_left(self._acked_s, acked_s) + 1
        if first + self._capacity > len(self._acked_s):
            return False
        earliest_s = max(from_s, self._acked_s[first + self._capacity - 1])
        latest_s = min(until_s, self._acked_s[-1])
        if latest_s < earliest_s:
            return False
        moments_s = (earliest_s + (latest_s - earliest_s) * step / OVERFLOW_STEPS for step in range(OVERFLOW_STEPS + 1))
        return any(self._waiting(first, moment_s) >= self._capacity for moment_s in moments_s)

    def _waiting(self, first: int, moment_s: float) -> int:
        last = bisect_right(self._acked_s, moment_s)
        return sum(1 for at_s in self._left_s[first:last] if at_s > moment_s)
