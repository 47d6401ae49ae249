"""Fill level against the exact formulas, over the whole range."""

from __future__ import annotations

import math

import pytest

from firmware.drivers import fill_level


@pytest.mark.parametrize("share", range(0, 10_001, 37))
def test_lying_cylinder_follows_the_circle_segment(share):
    h = share / 10_000
    exact = (math.acos(1 - 2 * h) - (1 - 2 * h) * math.sqrt(4 * h - 4 * h * h)) / math.pi * 10_000

    assert fill_level.cylinder_share(share) == pytest.approx(exact, abs=2.5)


@pytest.mark.parametrize("share", range(0, 10_001, 250))
def test_frustum_follows_its_formula(share):
    floor_mm, rim_mm = 600, 900
    side = floor_mm + (rim_mm - floor_mm) * share / 10_000
    exact = (side**3 - floor_mm**3) / (rim_mm**3 - floor_mm**3) * 10_000

    assert fill_level.frustum_share(share, floor_mm, rim_mm) == pytest.approx(exact, abs=0.51)


def test_frustum_with_straight_sides_is_a_prism():
    assert fill_level.frustum_share(4321, 700, 700) == 4321


def test_fill_never_leaves_0_to_100_percent():
    for distance_mm in range(0, 3000, 7):
        assert 0 <= fill_level.height_share(distance_mm, 1500, 300) <= 10_000
