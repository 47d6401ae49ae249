"""A node loses its power in the middle of its life."""

from __future__ import annotations

import pytest
from pytest_embedded import Dut

from bench.rig import Rig, wait_until

pytestmark = pytest.mark.live


def test_a_power_cut_costs_neither_the_session_nor_a_counter(dut: Dut, rig: Rig) -> None:
    assert wait_until(lambda: len(rig.readings()) > 0, 60)
    before = rig.readings()[-1]

    rig.power_cycle()
    dut.expect(rb"spatz: session ([0-9a-f]{8})", timeout=30)
    dut.expect(rb"spatz: report port=20 n=\d+ fcnt=(\d+)", timeout=60)

    assert wait_until(lambda: rig.readings()[-1].f_cnt > before.f_cnt, 30)
    after = rig.readings()[-1]
    assert after.dev_addr == before.dev_addr, "the node joined again although its session was on the flash"
    counters = [reading.f_cnt for reading in rig.readings() if reading.dev_addr == after.dev_addr]
    assert len(counters) == len(set(counters))
