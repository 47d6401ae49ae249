"""The judge of chaos runs finds every kind of broken promise, and nothing in a clean record."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bench.chaos.judge import Kind, judge
from bench.chaos.records import Arrival, Claim, Emission, Period, Record, Sent

DEVICES = 20
START_S = 1_000.0
RX1_US = 1_000_000


def sent(dev_addr: int, f_cnt: int, at_s: float, acked: bool = True) -> Sent:
    phy_payload = b"\x40" + dev_addr.to_bytes(4, "little") + bytes((0, f_cnt & 0xFF, f_cnt >> 8))
    return Sent(dev_addr, f_cnt, phy_payload, int(at_s * 1e6) & 0xFFFFFFFF, at_s, at_s + 0.01 if acked else None)


def clean(frames: int = 400) -> Record:
    """Every device speaks in turn, ten frames a second; each frame arrives at once."""
    record = Record(synchronised=[Period(0, 1e9)])
    for number in range(frames):
        one = sent(number % DEVICES, number // DEVICES, START_S + number / 10)
        record.sent.append(one)
        record.arrivals.append(Arrival(one.dev_addr, one.f_cnt, one.sent_s + 0.2, one.sent_s + 0.01))
    return record


def answer(record: Record, index: int, delay_us: int = RX1_US) -> Emission:
    """A transmission in the receive window of a frame."""
    one = record.sent[index]
    downlink = b"\x60" + one.phy_payload[1:]
    return Emission(one.dev_addr, downlink, one.sent_s + delay_us / 1e6, (one.count_us + delay_us) & 0xFFFFFFFF)


def found(record: Record, capacity: int | None = None) -> list[tuple[Kind, tuple[int, int]]]:
    return [(finding.kind, finding.key) for finding in judge(record, capacity).findings]


def test_a_clean_record_has_no_findings() -> None:
    record = clean()
    record.emissions = [answer(record, 10), answer(record, 11, 2_000_000)]
    record.claims = [Claim(1, record.emissions[0].phy_payload, record.emissions[0].at_s - 0.6)]
    verdict = judge(record, 100)
    assert verdict.findings == []
    assert (verdict.delivered, verdict.evicted, verdict.undated) == (400, 0, 0)


@pytest.mark.parametrize("capacity", [None, 50])
def test_a_lost_frame_is_found(capacity: int | None) -> None:
    record = clean()
    lost = record.arrivals.pop(137)
    assert found(record, capacity) == [(Kind.LOST, lost[:2])]


def test_a_frame_that_was_not_acknowledged_may_be_missing() -> None:
    record = clean()
    record.sent[137].acked_s = None
    del record.arrivals[137]
    assert found(record) == []


def test_a_doubled_frame_is_found() -> None:
    record = clean()
    record.arrivals.insert(141, record.arrivals[137]._replace(at_s=START_S + 14.5))
    assert found(record) == [(Kind.TWICE, record.arrivals[137][:2])]


def test_a_frame_behind_a_younger_one_of_its_device_is_found() -> None:
    record = clean()
    record.arrivals[137], record.arrivals[157] = record.arrivals[157], record.arrivals[137]
    assert found(record) == [(Kind.DISORDER, record.arrivals[157][:2])]


@pytest.mark.parametrize("error_s", [-0.5, 3.0, 3600.0])
@pytest.mark.parametrize("clock", ["", "ntp"])
def test_a_frame_with_a_wrong_time_is_found(error_s: float, clock: str) -> None:
    record = clean()
    wrong = record.arrivals[137]
    record.arrivals[137] = wrong._replace(time_s=wrong.time_s + error_s, clock=clock)
    assert found(record) == [(Kind.MISDATED, wrong[:2])]


def test_an_undated_frame_is_found_unless_the_clock_was_wrong() -> None:
    record = clean()
    record.arrivals[137] = record.arrivals[137]._replace(time_s=0.0, clock="none")
    assert found(record) == [(Kind.MISDATED, record.arrivals[137][:2])]
    record.synchronised = [Period(0, START_S), Period(START_S + 30, 1e9)]
    assert found(record) == []
    assert judge(record).undated == 1


def test_an_undated_frame_that_was_written_before_the_clock_was_right_may_arrive_after() -> None:
    record = clean()
    record.synchronised = [Period(START_S + 2, 1e9)]
    late = record.arrivals[137]._replace(clock="none", at_s=START_S + 20, published_s=START_S + 12)
    record.arrivals[137] = late
    assert found(record) == []
    record.arrivals[137] = late._replace(published_s=START_S + 14)
    assert found(record) == [(Kind.MISDATED, late[:2])]


def test_a_frame_nobody_sent_is_found() -> None:
    record = clean()
    record.arrivals.append(Arrival(99, 1, START_S, START_S))
    assert found(record) == [(Kind.UNKNOWN, (99, 1))]


@pytest.mark.parametrize("late_s", [0.1, 20.0, 4294.967296])
def test_a_ghost_transmission_is_found(late_s: float) -> None:
    record = clean()
    record.emissions = [answer(record, 10), answer(record, 11)._replace(at_s=record.sent[11].sent_s + 1 + late_s)]
    assert found(record) == [(Kind.GHOST, (11, -1))]


def test_an_answer_to_another_device_is_a_ghost() -> None:
    record = clean()
    record.emissions = [answer(record, 10)._replace(dev_addr=12)]
    assert found(record) == [(Kind.GHOST, (12, -1))]


def test_a_false_ok_is_found() -> None:
    record = clean()
    record.emissions = [answer(record, 10)]
    record.claims = [
        Claim(1, record.emissions[0].phy_payload, record.emissions[0].at_s),
        Claim(2, b"\x60\x05\0\0\0\0\1\0", START_S),
    ]
    assert found(record) == [(Kind.FALSE_OK, (5, -1))]


def outage(record: Record, first: int, last: int, capacity: int) -> Record:
    """Frames first..last wait until last + 1 is sent; of them only the youngest `capacity` are kept."""
    until_s = record.sent[last].sent_s + 0.05
    kept = []
    for index, arrival in enumerate(record.arrivals):
        if index > last or index < first:
            kept.append(arrival)
        elif index > last - capacity:
            kept.append(arrival._replace(at_s=until_s + (index - first) / 100, clock="ntp"))
    return replace(record, arrivals=sorted(kept, key=lambda arrival: arrival.at_s))


def test_frames_over_quota_are_excused() -> None:
    record = outage(clean(), 100, 300, 120)
    record.arrivals = [arrival for arrival in record.arrivals if arrival.at_s < START_S + 30 or arrival.clock]
    record.sent = record.sent[:301]
    verdict = judge(record, 100)
    assert verdict.findings == []
    assert verdict.evicted == 81


def test_a_frame_lost_before_the_quota_was_reached_is_not_excused_by_it() -> None:
    record = outage(clean(), 100, 300, 120)
    record.sent = record.sent[:301]
    lost = record.arrivals.pop(50)
    assert (Kind.LOST, lost[:2]) in found(record, 100)


def test_a_frame_lost_among_those_that_were_kept_is_not_excused() -> None:
    record = outage(clean(), 100, 300, 120)
    record.sent = record.sent[:301]
    lost = next(arrival for arrival in record.arrivals if arrival.clock and arrival.f_cnt == record.sent[290].f_cnt)
    record.arrivals.remove(lost)
    assert (Kind.LOST, lost[:2]) in found(record, 100)


def test_too_few_frames_behind_a_missing_one_excuse_nothing() -> None:
    record = outage(clean(), 100, 300, 120)
    record.sent = record.sent[:301]
    assert len([kind for kind, _ in found(record, 190) if kind is Kind.LOST]) > 60
