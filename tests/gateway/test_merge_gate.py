"""The merge gate's core: copies and time in, bundles and words out; no broker, no clock."""

from __future__ import annotations

import contextlib
import itertools
import random
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from gateway.errors import BadFrame, SpoolError
from gateway.gps_time import gps_from_utc_us
from gateway.merge.copies import Copy, made_late, read_copy
from gateway.merge.gate import Bundle, Gate, Rules
from gateway.merge.order import first_counter
from gateway.merge.store import MergeStore
from gateway.merge.way import To, Way
from gateway.merge.words import Through, partition, served
from gateway.turns import Verdict
from tests.gateway.kit import address_and_counter, data_frame, join_request

A, B, C = "aaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbb", "cccccccccccccccc"
S = 1_000_000


def message(gateway_id: str, phy_payload: bytes, late: bool = True, rssi: int = -60, **changes: Any) -> Any:
    frame = gw.UplinkFrame(phy_payload=phy_payload)
    frame.tx_info.frequency = changes.get("frequency_hz", 868_100_000)
    frame.tx_info.modulation.lora.spreading_factor = 7
    frame.rx_info.gateway_id, frame.rx_info.rssi = gateway_id, rssi
    frame.rx_info.uplink_id = changes.get("uplink_id", 1)
    if late:
        frame.rx_info.metadata["spatz_late"] = "1"
    return frame


def copy(gateway_id: str, dev_addr: int, fcnt: int, **changes: Any) -> Copy:
    payload = message(gateway_id, data_frame(dev_addr, fcnt), **changes).SerializeToString()
    return read_copy(gateway_id, partition(dev_addr), payload)


class Stage:
    """A gate, its time, and a server that takes everything."""

    def __init__(self, path: Path | str = ":memory:", **rules: Any) -> None:
        self.rules = Rules(**{"quiet_us": 10 * S, "longest_wait_us": 100 * S, **rules})
        self.path = path
        self.now_us = 1_000 * S
        self.verdict = Verdict.TAKEN
        self.out: list[tuple[int, Bundle]] = []
        self.words: list[tuple[str, Through]] = []
        self.begin()

    def begin(self) -> None:
        self.store = MergeStore(self.path)
        self.gate = Gate(self.rules, self.store, self.now_us)

    def hand_in(self, *copies: Copy) -> None:
        for one in copies:
            self.gate.receive(one, self.now_us)
        self.step()

    def step(self) -> None:
        self.store.commit()
        for bundle in self.gate.take(self.now_us):
            self.out.append((self.now_us, bundle))
            self.gate.answered(bundle, self.verdict, self.now_us)
        self.words += self.gate.through(self.now_us)

    def run(self, seconds: float) -> None:
        """Go from due time to due time."""
        end_us = self.now_us + round(seconds * S)
        while (due_us := self.gate.next_due(self.now_us)) is not None and due_us <= end_us:
            assert due_us >= self.now_us
            self.now_us = max(due_us, self.now_us + 1)
            self.step()
        self.now_us = end_us

    def frames(self) -> list[tuple[int, int]]:
        return [(bundle.dev_addr, bundle.fcnt) for _, bundle in self.out]

    def gateways(self) -> list[list[str]]:
        return [[gateway_id for gateway_id, _ in bundle.messages] for _, bundle in self.out]


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    stage.run(20)
    return stage


def test_copies_of_one_frame_leave_together_once(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 5), copy(B, 1, 5), copy(A, 1, 5))
    stage.run(60)

    assert stage.gateways() == [[A, B]]
    assert stage.gate.counts.merged == 1
    assert stage.gate.waiting == 0


def test_frames_of_a_device_leave_in_the_order_of_their_counters_whoever_came_first(stage: Stage) -> None:
    stage.gate.announced(A, 2, stage.now_us)
    stage.gate.announced(B, 3, stage.now_us)
    stage.hand_in(copy(A, 1, 5), copy(A, 1, 8))
    stage.gate.announced(A, 0, stage.now_us)
    stage.run(50)
    assert stage.out == [], "B has not handed in everything"
    stage.hand_in(copy(B, 1, 4), copy(B, 1, 5), copy(B, 1, 7))
    stage.gate.announced(B, 0, stage.now_us)
    stage.run(60)

    assert stage.frames() == [(1, 4), (1, 5), (1, 7), (1, 8)]
    assert stage.gateways() == [[B], [A, B], [B], [A]]


def test_a_counter_that_has_gone_round_does_not_turn_the_order(stage: Stage) -> None:
    stage.hand_in(*(copy(A, 1, fcnt) for fcnt in (1, 65_535, 0, 65_533)))
    stage.run(60)

    assert stage.frames() == [(1, 65_533), (1, 65_535), (1, 0), (1, 1)]


@given(st.integers(0, 65_535), st.sets(st.integers(0, 30_000), min_size=1, max_size=40))
def test_the_first_counter_is_found_wherever_the_circle_is_cut(start: int, offsets: set[int]) -> None:
    oldest = min(offsets)
    counters = sorted((start + offset) % 65_536 for offset in offsets)
    assert first_counter(counters) == (start + oldest) % 65_536


def test_rule_04_a_device_gets_a_second_and_all_together_the_cap() -> None:
    stage = Stage(replay_per_second=5.0)
    stage.hand_in(*(copy(A, device, fcnt) for device in range(10) for fcnt in range(4)))
    stage.run(100)

    assert len(stage.out) == 40
    for device in range(10):
        times = [at for at, bundle in stage.out if bundle.dev_addr == device]
        assert all(later - earlier >= S for earlier, later in itertools.pairwise(times))
    span_us = stage.out[-1][0] - stage.out[0][0]
    assert 39 / 5 <= span_us / S + 0.3 <= 39 / 5 + 1.5


def test_a_live_frame_passes_at_once_and_is_not_touched(stage: Stage) -> None:
    live = copy(A, 1, 5, late=False)
    stage.hand_in(live)

    assert [bundle.messages for _, bundle in stage.out] == [((A, live.payload),)]


def test_copies_of_a_live_frame_follow_it_as_they_come(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 5, late=False))
    stage.now_us += 100_000
    stage.hand_in(copy(B, 1, 5, late=False))
    stage.now_us += 100_000
    stage.hand_in(copy(C, 1, 5, late=False))
    stage.run(30)

    assert stage.gateways() == [[A], [B]], "C's comes after the server has closed its window"
    assert stage.gate.counts.duplicates == 1


def test_rule_05_a_live_frame_waits_behind_what_its_device_has_here(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 5))
    stage.now_us += 3 * S
    stage.hand_in(copy(A, 1, 7, late=False), copy(A, 2, 1, late=False), copy(B, 1, 6))
    assert stage.frames() == [(2, 1)], "another device is not held up"
    stage.run(60)

    assert stage.frames() == [(2, 1), (1, 5), (1, 6), (1, 7)]


def test_rule_05_while_a_gateway_hands_in_its_backlog_live_frames_wait_for_it(stage: Stage) -> None:
    stage.gate.announced(B, 9, stage.now_us)
    stage.hand_in(copy(A, 1, 7, late=False))
    stage.run(30)
    stage.hand_in(copy(B, 1, 6))
    stage.gate.announced(B, 0, stage.now_us)
    stage.run(60)

    assert stage.frames() == [(1, 6), (1, 7)]


def test_rule_10_after_the_last_backlog_there_is_time_for_gateways_that_come_late(stage: Stage) -> None:
    stage.gate.announced(A, 3, stage.now_us)
    stage.gate.announced(A, 0, stage.now_us)
    stage.hand_in(copy(A, 1, 7, late=False))
    stage.run(9)
    assert stage.out == []
    stage.gate.announced(B, 1, stage.now_us)
    stage.hand_in(copy(B, 1, 6))
    stage.gate.announced(B, 0, stage.now_us)
    stage.run(60)

    assert stage.frames() == [(1, 6), (1, 7)]


def test_rule_06_a_live_frame_that_had_to_wait_leaves_with_gps_time_and_mark(stage: Stage) -> None:
    frame = message(A, data_frame(1, 7), late=False)
    frame.rx_info.gw_time.FromMicroseconds(1_760_000_000_123_000)
    stage.gate.announced(B, 1, stage.now_us)
    stage.hand_in(read_copy(A, "1", frame.SerializeToString()))
    stage.gate.announced(B, 0, stage.now_us)
    stage.run(60)

    rx = gw.UplinkFrame.FromString(stage.out[0][1].messages[0][1]).rx_info
    assert rx.time_since_gps_epoch.ToMicroseconds() == gps_from_utc_us(1_760_000_000_123_000)
    assert (rx.metadata["spatz_late"], rx.metadata["spatz_clock"]) == ("1", "ntp")


def test_json_stays_json_when_a_frame_is_marked() -> None:
    text = json_format.MessageToJson(message(A, data_frame(1, 7), late=False)).encode()
    marked = json_format.Parse(made_late(text), gw.UplinkFrame())
    assert marked.rx_info.metadata["spatz_clock"] == "none"
    assert address_and_counter(marked.phy_payload) == (1, 7)


def test_a_gateway_that_never_ends_is_waited_for_only_so_long(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 1))
    stage.gate.announced(B, 1_000, stage.now_us)
    stage.run(99)
    assert stage.out == []
    stage.run(2)
    assert stage.frames() == [(1, 1)]
    assert stage.gate.counts.impatient == 1


@pytest.mark.parametrize("ends", [True, False])
def test_a_gateway_that_announces_again_and_again_cannot_stop_the_others(ends: bool, stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 1))
    for _ in range(40):
        stage.gate.announced(B, 1_000, stage.now_us)
        if ends:
            stage.gate.announced(B, 0, stage.now_us)
        stage.run(5)
    assert stage.frames() == [(1, 1)]
    assert stage.gate.counts.impatient == 1
    assert (stage.out[0][0] - 1_020 * S) // S == 100


def test_late_frames_that_trickle_in_cannot_hold_a_device_for_ever(stage: Stage) -> None:
    for fcnt in range(40):
        stage.hand_in(copy(A, 1, fcnt))
        stage.run(5)
    assert stage.frames()[:3] == [(1, 0), (1, 1), (1, 2)]
    assert (stage.out[0][0] - 1_020 * S) // S == 100


def test_a_gateway_that_comes_a_day_later_with_the_same_frames_is_not_echoed(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 1), copy(A, 1, 2))
    stage.run(86_400)
    stage.hand_in(copy(B, 1, 1), copy(B, 1, 2), copy(B, 1, 3))
    stage.run(60)

    assert stage.frames() == [(1, 1), (1, 2), (1, 3)]
    assert stage.gate.counts.duplicates == 2


def test_a_frame_that_is_older_than_what_has_left_is_not_judged_here(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 5))
    stage.run(60)
    stage.hand_in(copy(B, 1, 4))
    stage.run(60)

    assert stage.frames() == [(1, 5), (1, 4)], "the server may know better: it may not check counters"


def test_of_a_repeated_frame_the_transmission_most_gateways_heard_leaves(stage: Stage) -> None:
    first, second = 868_100_000, 868_300_000
    stage.hand_in(copy(A, 1, 1, frequency_hz=first))
    stage.hand_in(copy(A, 1, 1, frequency_hz=second), copy(B, 1, 1, frequency_hz=second))
    stage.run(60)

    assert stage.gateways() == [[A, B]]
    sent = [gw.UplinkFrame.FromString(payload) for _, payload in stage.out[0][1].messages]
    assert {one.tx_info.frequency for one in sent} == {second}


def test_the_better_copy_of_a_gateway_that_heard_twice_is_kept(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 1, rssi=-110), copy(A, 1, 1, rssi=-80), copy(A, 1, 1, rssi=-100))
    stage.run(60)

    assert [gw.UplinkFrame.FromString(payload).rx_info.rssi for _, payload in stage.out[0][1].messages] == [-80]


def test_forged_frames_with_the_counter_of_a_true_one_do_not_replace_it(stage: Stage) -> None:
    forged = read_copy(B, "1", message(B, data_frame(1, 1, tail=b"\x01forged")).SerializeToString())
    stage.hand_in(forged, copy(A, 1, 1))
    stage.run(60)

    payloads = {gw.UplinkFrame.FromString(bundle.messages[0][1]).phy_payload for _, bundle in stage.out}
    assert data_frame(1, 1) in payloads
    assert len(stage.out) == 2


def test_while_nobody_listens_one_frame_at_a_time_is_tried(stage: Stage) -> None:
    stage.verdict = Verdict.UNHEARD
    stage.hand_in(*(copy(A, device, 1) for device in range(5)))
    stage.run(100)
    assert stage.gate.holding
    first = sum(1 for at, _ in stage.out if at == stage.out[0][0])
    assert len(stage.out) - first <= 8, "1 s, 2 s, 4 s ... 30 s"
    stage.verdict, stage.out = Verdict.TAKEN, []
    stage.run(40)

    assert sorted(stage.frames()) == [(device, 1) for device in range(5)]
    assert not stage.gate.holding


def test_a_lost_connection_loses_and_reorders_nothing(stage: Stage) -> None:
    stage.verdict = Verdict.LOST
    stage.hand_in(copy(A, 1, 1), copy(A, 1, 2))
    stage.now_us += 12 * S
    stage.step()
    assert stage.gate.waiting == 2
    stage.verdict, stage.out = Verdict.TAKEN, []
    stage.run(30)
    assert stage.frames() == [(1, 1), (1, 2)]


def test_after_a_kill_at_any_step_every_frame_leaves_in_order(tmp_path: Path) -> None:
    chance = random.Random(5)
    stage = Stage(tmp_path / "merge.db")
    arrived: set[tuple[int, int]] = set()
    for fcnt in range(30):
        copies = [copy(gateway_id, device, fcnt) for device in (1, 2) for gateway_id in chance.sample([A, B, C], 2)]
        for one in copies:
            stage.gate.receive(one, stage.now_us)
        stage.store.commit()  # only now they are acknowledged
        arrived.update((one.dev_addr, one.fcnt) for one in copies)
        if chance.random() < 0.4:
            # Killed with answers on their way: nothing uncommitted survives.
            for bundle in stage.gate.take(stage.now_us):
                stage.out.append((stage.now_us, bundle))
                if chance.random() < 0.5:
                    stage.gate.answered(bundle, Verdict.TAKEN, stage.now_us)
            stage.store._db.rollback()
            stage.store._db.close()
            stage.begin()
        stage.run(chance.uniform(0, 8))
    stage.run(1000)

    assert set(stage.frames()) == arrived
    for device in (1, 2):
        left = [fcnt for dev_addr, fcnt in stage.frames() if dev_addr == device]
        # Twice is allowed, the server sees it by the counter; out of order is not.
        assert left == sorted(left)


def test_after_a_kill_the_gate_knows_who_was_handing_in(tmp_path: Path) -> None:
    stage = Stage(tmp_path / "merge.db")
    stage.gate.announced(B, 9, stage.now_us)
    stage.hand_in(copy(A, 1, 7))
    stage.store._db.rollback()
    stage.store._db.close()
    stage.begin()
    stage.run(60)
    assert stage.out == []
    stage.hand_in(copy(B, 1, 6))
    stage.gate.announced(B, 0, stage.now_us)
    stage.run(60)

    assert stage.frames() == [(1, 6), (1, 7)]


def test_after_a_new_connection_there_is_time_for_gateways_to_announce_themselves(stage: Stage) -> None:
    stage.hand_in(copy(A, 1, 7))
    stage.run(9)
    stage.gate.connected(stage.now_us)
    stage.run(9)
    assert stage.out == []
    stage.gate.announced(B, 1, stage.now_us)
    stage.hand_in(copy(B, 1, 6))
    stage.gate.announced(B, 0, stage.now_us)
    stage.run(60)

    assert stage.frames() == [(1, 6), (1, 7)]


def test_two_instances_cannot_share_a_file(tmp_path: Path) -> None:
    store = MergeStore(tmp_path / "merge.db")
    with pytest.raises(SpoolError, match="another merge gate"):
        MergeStore(tmp_path / "merge.db")
    store.close()


def test_at_the_quota_the_gateway_that_fills_it_pays() -> None:
    stage = Stage(max_copies=2_000)
    stage.hand_in(*(copy(A, device, 1) for device in range(100)))
    stage.hand_in(*(copy(B, 1_000 + number // 60_000, number % 60_000) for number in range(5_000)))

    assert stage.gate.waiting <= 2_000
    assert stage.store.owners()[A] == 100
    assert stage.gate.counts.evicted >= 3_000
    stage.run(3_000)
    assert {(device, 1) for device in range(100)} <= set(stage.frames())
    assert stage.gate.waiting == 0


def test_gateways_are_told_when_everything_of_a_partition_is_through(stage: Stage) -> None:
    stage.hand_in(copy(A, 0x11, 1, uplink_id=7), copy(B, 0x21, 1, uplink_id=8), copy(A, 0x12, 1, uplink_id=9))
    stage.run(5)
    assert stage.words == []
    stage.run(30)

    assert sorted(stage.words) == [(A, Through("1", 7)), (A, Through("2", 9)), (B, Through("1", 8))]
    stage.run(1000)
    assert len(stage.words) == 3


@pytest.mark.parametrize(
    ("word", "topic_gateway", "digit", "frame"),
    [
        ("late-message", A, "1", b"\xff\xff"),
        ("late-message", A, "1", b'{"phyPayload": 7}'),
        ("late-message", A, "1", b"{" * 3000),
        ("late-size", A, "1", bytes(5000)),
        ("late-gateway-id", A, "1", message(B, data_frame(1, 1))),
        ("late-partition", A, "2", message(A, data_frame(1, 1))),
        ("late-no-data-uplink", A, "0", message(A, join_request(1))),
        ("late-no-data-uplink", A, "1", message(A, b"")),
        ("late-tx-info", A, "1", gw.UplinkFrame(phy_payload=data_frame(1, 1), rx_info={"gateway_id": A})),
        ("late-topic", "../x", "1", message(A, data_frame(1, 1))),
    ],
)
def test_messages_that_are_no_late_frames_are_refused(word: str, topic_gateway: str, digit: str, frame: Any) -> None:
    payload = frame if isinstance(frame, bytes) else frame.SerializeToString()
    with pytest.raises(BadFrame) as error:
        read_copy(topic_gateway, digit, payload)
    assert error.value.kind == word


@given(st.binary(max_size=300))
def test_any_bytes_are_a_copy_or_refused(payload: bytes) -> None:
    with contextlib.suppress(BadFrame):
        read_copy(A, "1", payload)
    Through.from_bytes(payload)
    served(payload)


# The gateway's side


def test_a_new_connection_sends_by_the_gate_until_that_says_through() -> None:
    way = Way()
    assert way.choose(A, 0x11, 1, late=False) is To.NOWHERE, "no instance, no guess"
    assert way.instance("one", b"01")
    assert not way.instance("one", b"01")
    assert way.choose(A, 0x11, 1, late=False) is To.GATE
    way.through(A, Through("1", 1))
    assert way.choose(A, 0x21, 2, late=False) is To.SERVER
    assert way.choose(A, 0x22, 3, late=False) is To.NOWHERE, "partition 2 has no instance"
    way.reset()
    assert way.choose(A, 0x11, 4, late=False) is To.NOWHERE


def test_only_the_word_about_the_last_frame_opens_the_direct_way() -> None:
    way = Way()
    way.instance("one", b"1")
    way.choose(A, 0x11, 1, late=True)
    way.choose(A, 0x11, 2, late=False)
    way.through(A, Through("1", 1))
    assert way.choose(A, 0x11, 3, late=False) is To.GATE
    way.through(B, Through("1", 3))
    assert way.choose(A, 0x11, 4, late=False) is To.GATE
    way.through(A, Through("1", 4))
    assert way.choose(A, 0x11, 5, late=False) is To.SERVER
    assert way.choose(A, 0x11, 6, late=True) is To.GATE
    assert way.choose(A, 0x21, 7, late=False) is To.GATE, "something late of this partition is on its way again"


def test_live_frames_do_not_need_the_gate_once_the_way_is_open() -> None:
    way = Way()
    way.instance("one", b"1")
    way.choose(A, 0x11, 1, late=False)
    way.through(A, Through("1", 1))
    way.instance("one", b"")
    assert way.choose(A, 0x11, 2, late=False) is To.SERVER
    assert way.choose(A, 0x11, 3, late=True) is To.NOWHERE
