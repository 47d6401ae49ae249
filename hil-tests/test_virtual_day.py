"""One virtual day of each profile: quick, repeatable, and every reading as the models played it."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.block import Block
from bench.demo.ledger import READING_PORTS, differences
from bench.street import Plan

DAY_S = 86_400
REPORT_INTERVAL_S = 600
REPORTS_A_DAY = DAY_S // REPORT_INTERVAL_S


def live_a_day(root: Path, profile: str) -> Block:
    block = Block(root, [Plan("node-1", profile, report_interval_s=REPORT_INTERVAL_S)], seed=11)
    block.switch_on()
    block.bench.run_for(DAY_S)
    return block


@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_a_day_is_the_same_day_twice_and_every_reading_is_true(tmp_path: Path, profile: str) -> None:
    transcripts = []
    for run in ("first", "second"):
        with live_a_day(tmp_path / run, profile) as block:
            node = block.street.nodes["node-1"]
            transcripts.append((node.board.transcript_hash(), block.air_hash()))
            readings = [reading for reading in block.readings("node-1") if reading.f_port in READING_PORTS]

            assert len(readings) >= REPORTS_A_DAY - 3, "reports are missing"
            wrong = [
                (reading.f_cnt, *difference)
                for reading in readings
                for difference in differences(reading.decoded, node.station.expected(block.sent_us(reading)))
            ]
            assert wrong == []

    assert transcripts[0] == transcripts[1]
