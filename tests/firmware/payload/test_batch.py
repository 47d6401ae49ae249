"""A batch that is too long is split: newest first, each part complete, no reading lost or told twice."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

import firmware.payload
from firmware.payload import batch
from firmware.payload.encoder import ABSENT, LATE
from firmware.payload.errors import PayloadTooLong
from firmware.payload.report import default
from firmware.payload.tables import climate_batch, fill

RECEIVED = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
TEMPERATURES = st.none() | st.integers(-4000, 8500).map(lambda n: n // 10 * 10)


def split(readings, limit, age=ABSENT, flags=0, step=10):
    values = [step, [t for t, _ in readings], [h for _, h in readings], 3620, age]
    buf = bytearray(limit)
    return [bytes(buf[:n]) for n in batch.parts(climate_batch, values, flags, buf, limit, step)]


def rebuilt(frames):
    """All readings with the time they were taken, oldest first, from frames received at one instant."""
    readings = []
    for frame in frames:
        report = firmware.payload.decode(26, frame, RECEIVED)
        readings += zip(report.time, report["temperature"], report["humidity"], strict=True)
    return sorted(readings, key=lambda reading: reading[0])


@given(
    st.lists(st.tuples(TEMPERATURES, st.none() | st.integers(0, 200).map(lambda n: n * 5)), min_size=1, max_size=60),
    st.integers(24, 60),
    st.sampled_from([ABSENT, 0, 35]),
)
def test_every_reading_arrives_once_with_its_time_whatever_the_limit(readings, limit, age):
    frames = split(readings, limit, age)

    assert all(len(frame) <= limit for frame in frames)
    newest = RECEIVED - timedelta(minutes=0 if age == ABSENT else age)
    expected = [
        (
            newest - timedelta(minutes=10 * (len(readings) - 1 - i)),
            t if t is None else t / 100,
            h if h is None else h / 10,
        )
        for i, (t, h) in enumerate(readings)
    ]
    assert rebuilt(frames) == expected


def test_the_newest_readings_go_first_and_older_parts_say_so():
    frames = split([(2150, 560)] * 30, 36)

    reports = [firmware.payload.decode(26, frame) for frame in frames]

    assert [len(report["temperature"]) for report in reports] == [14, 12, 4]
    assert ["age" in report for report in reports] == [False, True, True]
    assert [report.get("age", 0) for report in reports] == [0, 140, 260]
    assert [report.flags for report in reports] == [0, LATE, LATE]


def test_twenty_one_pairs_fit_into_the_slowest_data_rate():
    frames = split([(2150 + 10 * (i % 2), 560) for i in range(21)], 51)

    assert len(frames) == 1


def test_the_limit_is_asked_anew_for_each_part():
    limits = iter([36, 51, 51])
    values = [10, [2150] * 30, [560] * 30, 3620, ABSENT]
    buf = bytearray(51)

    sizes = list(batch.parts(climate_batch, values, 0, buf, lambda: next(limits), 10))

    assert sizes[0] <= 36 < sizes[1] <= 51
    assert values[climate_batch.AGE] == ABSENT


def test_not_even_one_reading_fits():
    with pytest.raises(PayloadTooLong):
        split([(2150, 560)], 8)


def test_counts_are_split_by_the_quarter_hour():
    counts = [300 + i for i in range(12)]

    fport, frames = default().encode_parts("count", {"counts": counts, "battery": 3.62}, limit=30)

    reports = [firmware.payload.decode(fport, frame, RECEIVED) for frame in frames]
    assert [count for report in reversed(reports) for count in report["counts"]] == counts
    assert reports[1].time[-1] == reports[0].time[0] - timedelta(minutes=15)


def test_a_profile_without_a_column_has_nothing_to_split():
    with pytest.raises(ValueError, match="profile fill has no column"):
        batch.first_column(fill)
