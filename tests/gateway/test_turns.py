"""The rules of order and pace, with time moved by hand."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.frames import Moment
from gateway.store import NO_DEV_ADDR, Before, Row
from gateway.turns import WINDOW, Parcel, Rules, Turns, Verdict
from tests.gateway.kit import data_frame, uplink

S = 1_000_000


def parcel(seq: int, dev_addr: int, previous: int = 0, **changes: Any) -> Parcel:
    phy_payload = changes.pop("phy", data_frame(dev_addr, seq))
    return Parcel(seq, dev_addr, Moment(1, 0, 0), uplink(phy_payload), before=Before(previous), **changes)


def fleeting(seq: int, expires_us: int) -> Parcel:
    return Parcel(seq, NO_DEV_ADDR, Moment(1, 0, 0), uplink(b"\0join"), stored=False, expires_us=expires_us)


def row(seq: int, dev_addr: int) -> Row:
    return Row(seq, dev_addr, Moment(1, 0, 0), uplink(data_frame(dev_addr, seq)))


@pytest.fixture
def turns() -> Turns:
    turns = Turns(Rules(), backlog=False)
    turns.link_up(0)
    return turns


def send_live(turns: Turns, now_us: int = 0) -> list[int]:
    sent = []
    while (one := turns.next_live(now_us)) is not None:
        turns.sent(one, now_us)
        sent.append(one.seq)
    return sent


def test_a_live_frame_goes_at_once(turns: Turns) -> None:
    turns.offer(parcel(1, 7))
    assert send_live(turns) == [1]
    assert not turns.backlog


def test_without_a_link_frames_wait_in_the_spool_and_joins_a_moment() -> None:
    turns = Turns(Rules(), backlog=False)
    turns.offer(parcel(1, 7))
    turns.offer(fleeting(2, 4 * S))
    assert turns.backlog
    turns.link_up(3 * S)
    assert send_live(turns, 3 * S) == [2]


def test_rule_02_a_join_request_is_dropped_after_its_lifetime(turns: Turns) -> None:
    turns.link_down()
    turns.offer(fleeting(2, 4 * S))
    turns.link_up(4 * S)
    assert send_live(turns, 4 * S) == []
    assert turns.expired == 1


def test_rule_03_the_next_frame_of_a_device_waits_for_the_answer_to_the_last(turns: Turns) -> None:
    turns.offer(parcel(1, 7))
    turns.offer(parcel(2, 7, previous=1))
    turns.offer(parcel(3, 8))
    assert send_live(turns) == [1, 3]
    assert turns.backlog, "the second frame of device 7 is found in the spool later"


def test_rule_03_a_live_frame_waits_behind_the_backlog_of_its_device(turns: Turns) -> None:
    turns.offer(parcel(9, 7, previous=5))
    assert send_live(turns) == []
    assert turns.backlog


def test_rule_03_a_delivered_predecessor_is_no_backlog(turns: Turns) -> None:
    one = parcel(1, 7)
    turns.offer(one)
    send_live(turns)
    assert turns.settled(one, Verdict.TAKEN, 0)
    turns.offer(parcel(2, 7, previous=1))
    assert send_live(turns, 2 * S) == [2]


def test_rule_03_copies_heard_by_two_concentrators_go_together(turns: Turns) -> None:
    same = data_frame(7, 1)
    turns.offer(parcel(1, 7, phy=same))
    turns.offer(parcel(2, 7, previous=1, phy=same))
    assert send_live(turns, 0) == [1, 2]


def test_rule_03_a_repetition_seconds_later_is_no_twin(turns: Turns) -> None:
    same = data_frame(7, 1)
    turns.offer(parcel(1, 7, phy=same))
    assert send_live(turns, 0) == [1]
    turns.offer(parcel(2, 7, previous=1, phy=same))
    assert send_live(turns, S) == []


def test_rule_04_two_frames_of_a_device_are_a_second_apart(turns: Turns) -> None:
    turns.backlog = True
    first = turns.take([row(1, 7)], False, 5, 0)[0]
    turns.sent(first, 0)
    assert turns.settled(first, Verdict.TAKEN, 100_000)
    assert 7 in turns.busy(1_099_999)
    assert 7 not in turns.busy(1_100_000)


def test_rule_04_live_frames_of_a_device_are_never_closer_than_half_a_second(turns: Turns) -> None:
    one = parcel(1, 7)
    turns.offer(one)
    send_live(turns)
    turns.settled(one, Verdict.TAKEN, 0)
    turns.offer(parcel(2, 7, previous=0))
    assert send_live(turns, 499_999) == []
    turns.offer(parcel(3, 8))
    assert send_live(turns, 500_000) == [3]


def test_rule_04_the_backlog_keeps_its_rate() -> None:
    turns = Turns(Rules(replay_per_second=20), backlog=True)
    turns.link_up(0)
    sent = 0
    for now_us in range(0, 10 * S, 10_000):
        rows = [row(sent + n + 1, sent + n + 1) for n in range(turns.replay_room(now_us))]
        for one in turns.take(rows, False, 10_000, now_us):
            turns.sent(one, now_us)
            turns.settled(one, Verdict.TAKEN, now_us)
            sent += 1
    assert 195 <= sent <= 203


def test_rule_04_live_frames_find_room_beside_the_backlog() -> None:
    turns = Turns(Rules(replay_per_second=1000), backlog=True)
    turns.link_up(0)
    for one in turns.take([row(n, n) for n in range(1, turns.replay_room(S) + 1)], False, 100, S):
        turns.sent(one, S)
    assert turns.replay_room(S) == 0
    turns.offer(parcel(1000, 1000))
    assert send_live(turns, S) == [1000]


def test_no_more_than_a_window_is_in_flight_and_no_more_than_a_queue_waits(turns: Turns) -> None:
    for seq in range(1, 1001):
        turns.offer(parcel(seq, seq))
    assert len(send_live(turns)) == WINDOW
    assert turns.backlog, "what did not fit is found in the spool"


def test_a_frame_the_round_was_faster_with_is_not_sent_twice(turns: Turns) -> None:
    turns.backlog = True
    taken = turns.take([row(1, 7)], False, 1, 0)[0]
    turns.sent(taken, 0)
    turns.offer(parcel(1, 7))
    assert send_live(turns) == []
    turns.settled(taken, Verdict.TAKEN, 0)
    turns.offer(parcel(1, 7))
    assert send_live(turns, S) == []


def test_a_lost_link_puts_everything_back(turns: Turns) -> None:
    one = parcel(1, 7)
    turns.offer(one)
    send_live(turns)
    turns.link_down()
    assert not turns.settled(one, Verdict.LOST, 0)
    assert turns.backlog
    assert turns.in_flight == 0


# Nobody listens (rule 1)


def probe(turns: Turns, now_us: int, verdict: Verdict) -> bool:
    taken = turns.take([row(1, 7)], False, 1, now_us)[0]
    turns.sent(taken, now_us)
    return turns.settled(taken, verdict, now_us)


def test_rule_01_nobody_listening_means_one_probe_at_a_time_with_growing_pauses() -> None:
    turns = Turns(Rules(hold="on"), backlog=True)
    turns.link_up(0)
    assert not probe(turns, 0, Verdict.UNHEARD)
    moments = []
    for now_us in range(0, 200 * S, 100_000):
        if turns.replay_room(now_us):
            assert turns.replay_room(now_us) == 1
            assert not probe(turns, now_us, Verdict.UNHEARD)
            moments.append(now_us / S)
    assert moments == [1, 3, 7, 15, 31, 61, 91, 121, 151, 181]


def test_rule_01_the_first_taken_frame_ends_the_hold() -> None:
    turns = Turns(Rules(hold="on"), backlog=True)
    turns.link_up(0)
    probe(turns, 0, Verdict.UNHEARD)
    assert turns.holding
    assert probe(turns, S, Verdict.TAKEN)
    assert not turns.holding


def test_rule_01_live_frames_wait_in_the_spool_during_a_hold(turns: Turns) -> None:
    probe(turns, 0, Verdict.UNHEARD)
    turns.backlog = False
    turns.offer(parcel(5, 8))
    assert send_live(turns, 2 * S) == []
    assert turns.backlog


def test_rule_01_a_broker_that_never_said_otherwise_is_disbelieved_after_ten_minutes() -> None:
    turns = Turns(Rules(hold="auto"), backlog=True)
    turns.link_up(0)
    assert not probe(turns, 0, Verdict.UNHEARD)
    assert not probe(turns, 599 * S, Verdict.UNHEARD)
    assert probe(turns, 601 * S, Verdict.UNHEARD)
    assert probe(turns, 602 * S, Verdict.UNHEARD)


def test_rule_01_a_broker_that_said_otherwise_is_believed_for_good() -> None:
    turns = Turns(Rules(hold="auto"), backlog=True)
    turns.link_up(0)
    assert probe(turns, 0, Verdict.TAKEN)
    assert not probe(turns, S, Verdict.UNHEARD)
    assert not probe(turns, 100_000 * S, Verdict.UNHEARD)


def test_rule_01_hold_can_be_switched_off() -> None:
    turns = Turns(Rules(hold="off"), backlog=True)
    turns.link_up(0)
    assert probe(turns, 0, Verdict.UNHEARD)


# Any history


class History(RuleBasedStateMachine):
    """A spool in a few lines, and any order of events: nothing lost, nothing out of order, nothing too close."""

    def __init__(self) -> None:
        super().__init__()
        self.now_us = 0
        self.seq = 0
        self.spool: dict[int, tuple[int, int]] = {}  # seq -> (DevAddr, seq waiting before it)
        self.turns = Turns(Rules(replay_per_second=1000), backlog=False)
        self.flying: dict[int, Parcel] = {}
        self.delivered: dict[int, list[int]] = {}
        self.settled_us: dict[int, int] = {}

    def _send(self, one: Parcel) -> None:
        older = [seq for seq, (dev, _) in self.spool.items() if dev == one.dev_addr and seq < one.seq]
        assert not older, "an older frame of the device waits"
        assert all(p.dev_addr != one.dev_addr for p in self.flying.values()), "two of a device in flight"
        assert self.now_us - self.settled_us.get(one.dev_addr, -S) >= 500_000, "too close"
        assert one.seq not in self.flying
        self.turns.sent(one, self.now_us)
        self.flying[one.seq] = one
        assert len(self.flying) <= WINDOW

    def _pump(self) -> None:
        while (one := self.turns.next_live(self.now_us)) is not None:
            self._send(one)

    @rule(dev_addr=st.integers(1, 4), number=st.integers(1, 3))
    def receive(self, dev_addr: int, number: int) -> None:
        for _ in range(number):
            self.seq += 1
            before = max((seq for seq, (dev, _) in self.spool.items() if dev == dev_addr), default=0)
            self.spool[self.seq] = (dev_addr, before)
            self.turns.offer(parcel(self.seq, dev_addr, previous=before))
            self._pump()

    @rule(verdict=st.sampled_from(list(Verdict)), pick=st.integers(0, 20))
    def answer(self, verdict: Verdict, pick: int) -> None:
        if not self.flying:
            return
        one = self.flying.pop(sorted(self.flying)[pick % len(self.flying)])
        if self.turns.settled(one, verdict, self.now_us):
            del self.spool[one.seq]
            self.delivered.setdefault(one.dev_addr, []).append(one.seq)
            self.settled_us[one.dev_addr] = self.now_us
        self._pump()

    @rule(up=st.booleans())
    def link(self, up: bool) -> None:
        if up == self.turns.up:
            return
        if up:
            self.turns.link_up(self.now_us)
        else:
            self.turns.link_down()
            for one in list(self.flying.values()):
                del self.flying[one.seq]
                self.turns.settled(one, Verdict.LOST, self.now_us)
        self._pump()

    @rule(step_us=st.sampled_from([0, 10_000, 600_000, 2 * S, 40 * S]))
    def time_passes(self, step_us: int) -> None:
        self.now_us += step_us
        self._pump()
        self._replay()

    def _replay(self) -> None:
        room = self.turns.replay_room(self.now_us)
        if not room:
            return
        busy = self.turns.busy(self.now_us)
        in_flight = self.turns.stored_in_flight
        found: dict[int, int] = {}
        for seq, (dev, _) in sorted(self.spool.items()):
            if dev not in busy:
                found.setdefault(dev, seq)
        rows = [row(seq, dev) for dev, seq in sorted(found.items())][:room]
        for one in self.turns.take(rows, len(rows) == len(found), len(self.spool) - in_flight, self.now_us):
            self._send(one)

    @invariant()
    def delivered_in_order(self) -> None:
        for seqs in self.delivered.values():
            assert seqs == sorted(set(seqs))

    def teardown(self) -> None:
        """With a good link everything arrives in the end."""
        self.link(True)
        for _ in range(200):
            while self.flying:
                self.answer(Verdict.TAKEN, 0)
            if not self.spool:
                break
            due = self.turns.next_due(self.now_us)
            assert due is not None, "frames wait, and nothing would ever happen"
            self.now_us = max(self.now_us + 1, due)
            self._pump()
            self._replay()
        assert not self.spool


TestHistory = History.TestCase
TestHistory.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
