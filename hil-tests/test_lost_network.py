"""A node loses its network for 30 days, its power fails at random, and the network comes back.

The real node software on a virtual board, in virtual time. Whatever happened: its newest data arrives within one report
interval, nothing is used twice, the law is kept, and nothing locks it out. Every run has the 30 days of a node that is
still known and five of one that is not; `make soak` has the month of every fate, with more seeds and profiles, and
class C.
"""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path

import pytest

from bench.block import Block, counters, dev_nonces
from bench.server.frames import FType, frame_type
from bench.street import Plan
from firmware.lorawan.regions import eu868

HOUR_S = 3_600
DAY_S = 24 * HOUR_S
AWAY_S = 30 * DAY_S
LONG_S = 5 * DAY_S
"""Past the 96 h for which a node believes in its session, and in the slow days of the join back-off."""
SPREAD = 1.1  # `spread_percent` is 10
JOIN_TURN_S = 4.2 * HOUR_S
"""The join budget of later days is 8.7 s: 17 tries a day, one in 82 minutes on average, 4.1 h after one at SF12."""
REPORT_PORTS = range(20, 30)
NAME = "node-1"


class Away:
    """One node and what happens to it. `seed` decides when its power fails, and for how long."""

    def __init__(
        self,
        root: Path,
        seed: int,
        profile: str = "fill",
        *,
        interval_s: int = 6 * HOUR_S,
        confirmed: bool = False,
        device_class: str = "A",
    ) -> None:
        self.interval_s = SPREAD * interval_s
        """The longest time between two reports."""
        # A watchdog wakes the node twice a minute, which only makes a month long.
        settings = {"confirmed": confirmed, "start_delay_s": 0, "watchdog": False}
        plan = Plan(NAME, profile, report_interval_s=interval_s, settings=settings, device_class=device_class)
        self.block = Block(root, [plan], seed=seed)
        self.board = self.block.street.nodes[NAME].board
        self.chance = random.Random(seed)
        self.block.switch_on()

    def __enter__(self) -> Away:
        return self

    def __exit__(self, *_: object) -> None:
        self.block.bench.close()

    @property
    def connected(self) -> bool:
        return self.block.link.connected

    @connected.setter
    def connected(self, value: bool) -> None:
        self.block.link.connected = value

    def live(self, seconds: float, cuts: int) -> None:
        """Let time pass, with so many power failures, some of them a series of short ones."""
        bench = self.block.bench
        end_us = bench.now_us + round(1e6 * seconds)
        moments = sorted(self.chance.uniform(0, seconds - 2 * HOUR_S) for _ in range(cuts))
        begin_us = bench.now_us
        for moment in moments:
            bench.run_for(max(0.0, moment - (bench.now_us - begin_us) / 1e6))
            for _ in range(self.chance.choice((1, 1, 1, 8))):
                self.board.power_off()
                bench.run_for(self.chance.uniform(1, 300))
                self.board.power_on()
                bench.run_for(self.chance.uniform(1, 400))
        bench.run_for((end_us - bench.now_us) / 1e6)

    def fresh_after(self, since_us: int, timeout_s: float) -> float:
        """Seconds until a report taken after `since_us` arrives."""
        assert self.block.bench.run_until(lambda: bool(self.fresh(since_us)), timeout_s), self.board.console[-2000:]
        return (self.fresh(since_us)[0] - since_us) / 1e6

    def fresh(self, since_us: int) -> list[int]:
        """When reports arrived that were not late."""
        return [
            reading.at_us
            for reading in self.block.readings(NAME)
            if reading.at_us > since_us
            and reading.f_port in REPORT_PORTS
            and "late" not in (reading.decoded.get("flags") or ())
        ]

    def since_join_s(self, at_us: int) -> float:
        """How long before `at_us` the node joined, after its last request."""
        joins = [
            record.frame.end_us
            for record in self.block.air.records
            if record.frame.sender == NAME and frame_type(record.frame.payload) is FType.JOIN_REQUEST
        ]
        return (at_us - max(end_us for end_us in joins if end_us < at_us)) / 1e6

    def judge(self) -> None:
        """What must never happen, over all the node ever sent."""
        sent = [record.frame for record in self.block.air.records if record.frame.sender == NAME]
        nonces = dev_nonces([frame.payload for frame in sent])
        assert len(nonces) == len(set(nonces))
        used = {(address, counter): frame for address, counter, frame in counters([frame.payload for frame in sent])}
        frames = {frame for _, _, frame in counters([frame.payload for frame in sent])}
        assert len(used) == len(frames), "two frames under one counter"
        for low, high, budget_ms, *_ in eu868.BANDS:
            spent = [(f.end_us, f.end_us - f.start_us) for f in sent if low <= f.freq_hz < high]
            self._within_every_hour(spent, 1000 * budget_ms)
        joins = [frame for frame in sent if frame_type(frame.payload) is FType.JOIN_REQUEST]
        by_day = Counter(frame.end_us // (DAY_S * 1_000_000) for frame in joins)
        airtime_us = Counter[int]()
        for frame in joins:
            airtime_us[frame.end_us // (DAY_S * 1_000_000)] += frame.end_us - frame.start_us
        # A window of the node's own time may reach into two days of ours.
        assert all(airtime <= 2 * 8_700_000 + (72_000_000 if day < 6 else 0) for day, airtime in airtime_us.items()), (
            by_day
        )
        assert "defect" not in self.board.console
        assert "link dead" not in self.board.console

    @staticmethod
    def _within_every_hour(spent: list[tuple[int, int]], budget_us: int) -> None:
        total = first = 0
        for end_us, airtime_us in spent:
            total += airtime_us
            while spent[first][0] <= end_us - HOUR_S * 1_000_000:
                total -= spent[first][1]
                first += 1
            assert total <= budget_us or not budget_us


def lose_and_find(node: Away, *, forgotten: bool, away_s: float = AWAY_S, cuts: int = 12) -> None:
    """The network is away, and may come back without knowing the node's session."""
    node.live(4 * node.interval_s, 1)
    assert len(node.fresh(0)) >= 3
    node.connected = False
    node.live(away_s, cuts)
    if forgotten:
        node.block.recreate(NAME)
    node.connected = True
    back_us = node.block.bench.now_us

    took_s = node.fresh_after(back_us, 3 * DAY_S)

    # A session that is gone needs a join, and those are limited by law. A server that begins anew with its JoinNonce is
    # not believed at once, so it takes two tries; they are made when the node is awake for a report.
    assert took_s <= node.interval_s + 60 + (JOIN_TURN_S + 2 * node.interval_s if forgotten else 0)
    if forgotten:
        assert node.since_join_s(back_us + round(1e6 * took_s)) <= node.interval_s
    node.block.bench.run_for(6 * node.interval_s)
    assert len(node.fresh(back_us)) >= 5
    node.judge()


def find_for_the_first_time(node: Away) -> None:
    """There is no network in the first 30 days."""
    node.connected = False
    node.live(AWAY_S, 12)
    node.connected = True
    back_us = node.block.bench.now_us

    took_s = node.fresh_after(back_us, 3 * DAY_S)

    assert took_s <= JOIN_TURN_S + node.interval_s + 60
    assert node.since_join_s(back_us + round(1e6 * took_s)) <= node.interval_s
    node.judge()


def test_a_node_that_lost_its_network_for_30_days_delivers_its_newest_data_within_an_interval(tmp_path: Path) -> None:
    with Away(tmp_path, seed=1) as node:
        lose_and_find(node, forgotten=False, cuts=6)


def test_a_node_whose_session_was_forgotten_meanwhile_joins_and_delivers(tmp_path: Path) -> None:
    with Away(tmp_path, seed=2) as node:
        lose_and_find(node, forgotten=True, away_s=LONG_S, cuts=2)


@pytest.mark.soak
def test_a_node_that_is_deleted_and_made_anew_at_the_server_comes_back_by_itself(tmp_path: Path) -> None:
    with Away(tmp_path, seed=4) as node:
        node.live(4 * node.interval_s, 1)
        node.block.recreate(NAME)
        gone_us = node.block.bench.now_us

        took_s = node.fresh_after(gone_us, 10 * DAY_S)

        # It believes in its session for 96 h (profiles, rules common to all).
        assert took_s <= 4 * DAY_S + 4 * node.interval_s


@pytest.mark.soak
@pytest.mark.timeout(1800)  # a month with a report in each hour
@pytest.mark.parametrize("seed", range(100, 106))
@pytest.mark.parametrize(("profile", "confirmed"), [("fill", True), ("light", False), ("air", False)])
@pytest.mark.parametrize("fate", ["kept", "forgotten", "never"])
def test_no_seed_locks_a_node_out(tmp_path: Path, seed: int, profile: str, confirmed: bool, fate: str) -> None:
    with Away(tmp_path, seed, profile, interval_s=HOUR_S, confirmed=confirmed) as node:
        if fate == "never":
            find_for_the_first_time(node)
        else:
            lose_and_find(node, forgotten=fate == "forgotten")


@pytest.mark.soak
@pytest.mark.timeout(3600)  # it never sleeps for long
@pytest.mark.parametrize("fate", ["kept", "forgotten"])
def test_a_node_of_class_c_is_not_locked_out_either(tmp_path: Path, fate: str) -> None:
    with Away(tmp_path, 200, "light", device_class="C") as node:
        lose_and_find(node, forgotten=fate == "forgotten")
