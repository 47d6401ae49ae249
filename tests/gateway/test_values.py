"""Small pure parts: header, filters, times, contexts, dating, logs, stored form."""

from __future__ import annotations

import io
import json
import logging
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import header, logs
from gateway.contexts import Contexts, Origin
from gateway.dating import Calendar
from gateway.filters import Filter
from gateway.frames import Fsk, LrFhss, Moment, Uplink
from gateway.gps_time import gps_from_utc_us, utc_from_gps_us
from gateway.header import Kind
from gateway.logs import Tally
from gateway.setting_types import DevAddrPrefix, JoinEuiPrefix
from tests.gateway.kit import EUI, FakeClock, data_frame, downlink_frame, join_request, uplink


def test_headers_name_device_and_counter_of_data_frames() -> None:
    front = header.read(data_frame(0x26011BDA, 0xABCD, confirmed=True))
    assert front == header.Header(Kind.DATA, dev_addr=0x26011BDA, fcnt=0xABCD, confirmed=True, port=1)
    assert front.wants_answer


@pytest.mark.parametrize(
    ("phy_payload", "kind"),
    [
        (join_request(1), Kind.JOIN),
        (b"\xc0\x01" + bytes(8) + bytes(13), Kind.JOIN),
        (downlink_frame(), Kind.DOWN),
        (b"\x20" + bytes(16), Kind.DOWN),
        (b"\xa0" + bytes(16), Kind.DOWN),
        (b"\xe0abcdef", Kind.PROPRIETARY),
        (b"\x43" + bytes(16), Kind.PROPRIETARY),
    ],
)
def test_headers_sort_by_message_type(phy_payload: bytes, kind: Kind) -> None:
    front = header.read(phy_payload)
    assert front is not None
    assert front.kind is kind


def test_join_requests_name_their_join_eui() -> None:
    front = header.read(join_request(1, join_eui=0x0102030405060708))
    assert front is not None
    assert front.join_eui == 0x0102030405060708


@given(st.binary(max_size=40))
def test_no_frame_makes_the_header_reader_stumble(phy_payload: bytes) -> None:
    header.read(phy_payload)
    header.downlink_dev_addr(phy_payload)


def test_a_frame_whose_options_do_not_fit_is_malformed() -> None:
    frame = bytearray(data_frame(1, 1, tail=b""))
    assert header.read(bytes(frame)) is not None
    frame[5] |= 0x0F
    assert header.read(bytes(frame)) is None


def test_filters_judge_data_by_address_and_joins_by_join_eui() -> None:
    mine = Filter((DevAddrPrefix.parse("26011a00/24"),), (JoinEuiPrefix.parse("0102030400000000/32"),))
    verdicts = [
        mine.passes(front)
        for front in map(
            header.read,
            [
                data_frame(0x26011A01, 1),
                data_frame(0x26011B01, 1),
                join_request(1, 0x0102030405060708),
                join_request(1, 0xFF02030405060708),
                b"\xe0abcdef",
            ],
        )
        if front is not None
    ]
    assert verdicts == [True, False, True, False, True]
    assert mine.may_send(downlink_frame(0x26011A77))
    assert not mine.may_send(downlink_frame(0x26011B77))
    proprietary = header.read(b"\xe0abcdef")
    assert proprietary is not None
    assert not Filter(lorawan_only=True).passes(proprietary)


def test_gps_time_is_18_seconds_ahead_since_2017() -> None:
    instant = int(datetime(2026, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert gps_from_utc_us(instant) == instant - 315_964_800_000_000 + 18_000_000


def test_the_leap_second_of_2017_stands_at_its_place() -> None:
    new_year = int(datetime(2017, 1, 1, tzinfo=UTC).timestamp()) * 1_000_000
    assert gps_from_utc_us(new_year) - gps_from_utc_us(new_year - 1_000_000) == 2_000_000


@given(st.integers(315_964_800_000_000, 4_000_000_000_000_000))
def test_utc_survives_the_way_to_gps_time_and_back(utc_us: int) -> None:
    assert utc_from_gps_us(gps_from_utc_us(utc_us)) == utc_us


def test_stored_uplinks_come_back_as_they_were() -> None:
    for modulation in (uplink(b"x").modulation, Fsk(50_000), LrFhss(137_000, "4/6", 8)):
        one = uplink(data_frame(1, 1), modulation=modulation, gps_us=5, metadata={"a": "b"})
        assert Uplink.from_bytes(one.to_bytes()) == one


# Contexts (rule 7)


def origin(received_us: int) -> Origin:
    return Origin(EUI, b"\0\0\x04\xd2", received_us, (1,))


def test_a_context_leads_back_to_its_live_frame() -> None:
    contexts = Contexts()
    contexts.remember(7, origin(1_000_000))
    assert contexts.read(contexts.write(7, b"\0\0\x04\xd2"), 2_000_000) == origin(1_000_000)


def test_a_context_is_worth_nothing_after_ten_seconds() -> None:
    contexts = Contexts()
    contexts.remember(7, origin(0))
    assert contexts.read(contexts.write(7, b"\0\0\x04\xd2"), 10_000_000) is not None
    assert contexts.read(contexts.write(7, b"\0\0\x04\xd2"), 10_000_001) is None


def test_a_context_of_another_run_is_worth_nothing() -> None:
    before, after = Contexts(b"aaaa"), Contexts(b"bbbb")
    after.remember(7, origin(0))
    assert after.read(before.write(7, b"\0\0\x04\xd2"), 0) is None


def test_a_context_with_another_counter_is_worth_nothing() -> None:
    contexts = Contexts()
    contexts.remember(7, origin(0))
    assert contexts.read(contexts.write(7, b"\0\0\x04\xd3"), 0) is None


def test_the_table_of_contexts_is_bounded() -> None:
    contexts = Contexts(b"aaaa")
    for seq in range(20_000):
        contexts.remember(seq, origin(0))
    assert contexts.read(contexts.write(0, b"\0\0\x04\xd2"), 0) is None
    assert contexts.read(contexts.write(19_999, b"\0\0\x04\xd2"), 0) is not None


@given(st.binary(max_size=30))
def test_no_context_makes_the_reader_stumble(context: bytes) -> None:
    assert Contexts(b"aaaa").read(context, 0) is None


# Dating (rule 6)


def test_frames_received_before_the_clock_was_set_are_dated_afterwards(clock: FakeClock) -> None:
    clock.is_verified = False
    calendar = Calendar(clock, boot=3, offsets={})
    calendar.refresh()
    moment = calendar.now()
    true_us = clock.wall_us() + 500 * 1_000_000
    assert calendar.date(uplink(b"x"), moment).source == "none"
    assert calendar.date(uplink(b"x"), moment).utc_us is None

    clock.advance(60)
    clock.step_wall(500)
    clock.is_verified = True
    calendar.refresh()

    dated = calendar.date(uplink(b"x"), moment)
    assert (dated.source, dated.utc_us, dated.age_us) == ("ntp", true_us, 60_000_000)
    assert dated.gps_us == gps_from_utc_us(true_us)


def test_frames_of_an_earlier_boot_are_dated_by_that_boots_clock(clock: FakeClock) -> None:
    calendar = Calendar(clock, boot=4, offsets={3: 1_700_000_000_000_000})
    calendar.refresh()
    dated = calendar.date(uplink(b"x"), Moment(3, 5_000_000, 0))
    assert (dated.source, dated.utc_us) == ("ntp", 1_700_000_005_000_000)
    assert dated.age_us == clock.wall_us() - 1_700_000_005_000_000


def test_frames_of_a_boot_without_verified_clock_have_no_time_and_no_age(clock: FakeClock) -> None:
    calendar = Calendar(clock, boot=4, offsets={})
    calendar.refresh()
    assert calendar.date(uplink(b"x"), Moment(3, 5_000_000, 1_700_000_000_000_000)) == (None, None, "none", None)


def test_the_concentrators_gps_time_is_believed_first(clock: FakeClock) -> None:
    calendar = Calendar(clock, boot=4, offsets={})
    dated = calendar.date(uplink(b"x", gps_us=1_300_000_000_000_000), calendar.now())
    assert (dated.source, dated.gps_us) == ("gps", 1_300_000_000_000_000)


# Logs


def test_log_lines_are_json_with_fields_and_without_secrets() -> None:
    stream = io.StringIO()
    root = logging.getLogger()
    before = (root.handlers[:], root.level)
    try:
        logs.configure("info", ("hunter22",), stream)
        logging.getLogger("x").info("said hunter22", extra={"peer": "a", "password": "hunter22"})
    finally:
        root.handlers[:], root.level = before
    line = json.loads(stream.getvalue())
    assert (line["event"], line["peer"], line["password"]) == ("said ***", "a", "***")


def test_a_flood_of_one_kind_makes_one_line_a_minute(caplog: pytest.LogCaptureFixture) -> None:
    now = [0.0]
    tally = Tally(lambda: now[0])
    log = logging.getLogger("flood")
    for _ in range(1000):
        tally.count(log, "datagram refused", "short")
    now[0] = 61.0
    tally.count(log, "datagram refused", "short")
    assert [(r.__dict__["new"], r.__dict__["total"]) for r in caplog.records] == [(1, 1), (1000, 1001)]


def test_a_flood_of_kinds_does_not_grow_the_tally() -> None:
    tally = Tally()
    log = logging.getLogger("flood")
    log.disabled = True
    for number in range(5000):
        tally.count(log, "event", str(number))
    assert len(tally.counts) <= 257
