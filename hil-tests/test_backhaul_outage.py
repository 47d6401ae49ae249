"""The gateway loses the network server for a while."""

from __future__ import annotations

import time

import pytest
from pytest_embedded import Dut

from bench.rig import Rig, wait_until

pytestmark = pytest.mark.live

OUTAGE_S = 25.0
REPORTS = 2


def test_what_is_reported_during_an_outage_arrives_afterwards_in_order(dut: Dut, rig: Rig) -> None:
    assert wait_until(lambda: len(rig.readings()) > 0, 60)

    sent: list[int] = []
    with rig.backhaul_gone():
        before = {reading.f_cnt for reading in rig.readings()}  # the port may still hold lines about these
        began = time.monotonic()
        while len(sent) < REPORTS or time.monotonic() - began < OUTAGE_S:
            dut.expect(rb"spatz: report port=20 n=\d+ fcnt=(\d+)", timeout=60)
            f_cnt = int(dut.pexpect_proc.match.group(1))
            sent += [] if f_cnt in before else [f_cnt]
        held = rig.buffered()
        arrived_meanwhile = {reading.f_cnt for reading in rig.readings()} & set(sent)

    assert arrived_meanwhile == set()
    assert held is None or held >= REPORTS
    assert wait_until(lambda: set(sent) <= {reading.f_cnt for reading in rig.readings()}, 60)
    order = [reading.f_cnt for reading in rig.readings() if reading.f_cnt in sent]
    assert order == sorted(order)
    assert rig.mismatches() == []
