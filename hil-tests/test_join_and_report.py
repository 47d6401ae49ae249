"""A node joins and reports, seen on its console and in the application."""

from __future__ import annotations

import pytest
from pytest_embedded import Dut

from bench.rig import Rig, wait_until

pytestmark = pytest.mark.live

FILL_PORT = 20


def test_a_provisioned_node_reports_and_the_application_reads_the_same(dut: Dut, rig: Rig) -> None:
    dut.expect(rb"spatz: report port=20 n=(\d+) fcnt=(\d+)", timeout=60)
    f_cnt = int(dut.pexpect_proc.match.group(2))

    arrived = wait_until(lambda: any(reading.f_cnt == f_cnt for reading in rig.readings()), 20)

    assert arrived, "the frame that the console named never reached the application"
    reading = next(reading for reading in rig.readings() if reading.f_cnt == f_cnt)
    assert reading.f_port == FILL_PORT
    assert 0 <= reading.values["fill"] <= 100
    assert rig.mismatches() == []
