"""Receive windows against the figures of LoRaMac-node's formula."""

import pytest

from firmware.radio.windows import longest_frame_us, symbol_us, window_us


@pytest.mark.parametrize(
    ("error_ms", "wakeup_ms", "sf", "length_ms", "offset_ms"),
    [
        (10, 4, 9, 36.9, -6),
        (10, 4, 8, 28.7, -10),
        (10, 4, 7, 24.6, -12),
        (20, 8, 10, 73.7, -12),
        (20, 8, 9, 57.3, -20),
        (20, 8, 7, 45.1, -26),
        (40, 8, 11, 147.5, -16),
        (40, 8, 7, 85.0, -46),
    ],
)
def test_windows_that_open_early_are_those_of_the_formula(error_ms, wakeup_ms, sf, length_ms, offset_ms):
    offset_us, length_us = window_us(sf, 125_000, 1000 * error_ms, 1000 * wakeup_ms)

    assert round(length_us / 1000, 1) == length_ms
    assert -1 < offset_us / 1000 - offset_ms <= 0  # the formula rounds up to a millisecond


@pytest.mark.parametrize(("sf", "formula_ms", "late_ms"), [(12, 196.6, 29), (11, 98.3, 13)])
def test_windows_that_would_open_late_open_on_time_and_end_as_late(sf, formula_ms, late_ms):
    offset_us, length_us = window_us(sf, 125_000, 10_000, 4_000)

    assert offset_us == -4_000
    assert length_us / 1000 - 4 == pytest.approx(formula_ms + late_ms, abs=1)


def test_symbols_and_longest_frames():
    assert [symbol_us(sf, 125_000) for sf in (7, 12)] == [1_024, 32_768]
    assert symbol_us(7, 250_000) == 512
    assert longest_frame_us(7, 125_000) > 399_616  # 255 bytes by the data sheet's formula
    assert longest_frame_us(12, 125_000) > 9_019_392
