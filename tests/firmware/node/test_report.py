"""What is sent late says so, and fits."""

from __future__ import annotations

import pytest

from firmware import payload
from firmware.node.report import Encoder, blank, late
from firmware.payload.encoder import ABSENT, CLOCK_UNSET, LATE, SENSOR_FAULT
from firmware.payload.tables import air, fill

FILL = [1020, 40, 2150, 3620]


def encoded(table, values, flags=0):
    out = blank(table)
    out[: len(values)] = values
    return bytes(Encoder().encode(table, out, flags))


def test_late_report_decodes_to_the_same_readings_with_age_and_flag():
    report = payload.decode(20, late(fill, encoded(fill, FILL), 95, 51))

    assert (report["distance"], report["fill"], report["age"]) == (1020, 40, 95)
    assert report["temperature"] == pytest.approx(21.5)
    assert report.flags == LATE


def test_flags_of_the_reading_stay():
    fresh = payload.decode(20, encoded(fill, [None, None, 2150, 3620], SENSOR_FAULT))
    old = payload.decode(20, late(fill, encoded(fill, [None, None, 2150, 3620], SENSOR_FAULT), 5, 51))

    assert (fresh.flags, old.flags) == (SENSOR_FAULT, SENSOR_FAULT | LATE)


def test_age_that_nobody_knows_is_empty_and_says_clock_unset():
    unknown = payload.decode(20, late(fill, encoded(fill, FILL), None, 51))

    assert unknown["age"] is None
    assert unknown.flags == LATE | CLOCK_UNSET


def test_extensions_go_before_the_age_does():
    values = [21, None, 1240, 640, 3700, 47, [2321, 2304, 2430, 2388], 17]
    stored = encoded(air, values)

    whole = payload.decode(21, late(air, stored, 5, 51))
    short = payload.decode(21, late(air, stored, 5, 20))

    assert whole["raw"] == pytest.approx([232.1, 230.4, 243.0, 238.8])
    assert short["age"] == 5
    assert short["no2"] == 21
    assert short["raw"] is None


def test_blank_report_sends_no_extension():
    assert blank(fill) == [None] * 4 + [ABSENT] * 3
