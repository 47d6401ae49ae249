"""The gateway among everything that fails: what was acknowledged arrives once, in order, with its time."""

from __future__ import annotations

import asyncio
import os
import random
import sys
from pathlib import Path

import msgspec
import pytest

from bench.broker import mosquitto_program
from bench.chaos import plan, report
from bench.chaos.capacity import capacity
from bench.chaos.judge import judge
from bench.chaos.run import Run

pytestmark = [
    pytest.mark.live,
    pytest.mark.skipif(mosquitto_program() is None, reason="mosquitto is not installed"),
]


def _survive(scale: plan.Scale, seed: int, directory: Path) -> None:
    def tell(text: str) -> None:
        sys.stderr.write(f"{text}\n")

    tell(f"chaos seed {seed}: SPATZ_CHAOS_SEED={seed} repeats this plan; logs in {directory}")
    run = Run(plan.make(seed, scale), directory, tell)
    asyncio.run(run.carry_out())
    (directory / "record.json").write_bytes(msgspec.json.encode(run.record))
    verdict = judge(run.record, capacity(scale.spool_bytes, scale.devices) if scale.overflow else None)
    tell(report.summary(run, verdict))
    assert not verdict.findings, report.story(run, verdict, directory)
    assert verdict.delivered > 0.3 * len(run.record.sent), "the plan let hardly anything through: it proves nothing"
    assert run.record.claims, "no downlink was transmitted: nothing is known about ghosts"


@pytest.mark.timeout(120)
def test_nothing_acknowledged_is_lost_doubled_misordered_or_misdated_in_half_a_minute_of_chaos(tmp_path: Path) -> None:
    _survive(plan.SHORT, _seed(1), tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_nothing_acknowledged_is_lost_doubled_misordered_or_misdated_in_half_an_hour_of_chaos(tmp_path: Path) -> None:
    minutes = float(os.environ.get("SPATZ_CHAOS_MINUTES", "30"))
    _survive(plan.FULL.shortened(minutes / 30), _seed(random.SystemRandom().randrange(1 << 32)), tmp_path)


def _seed(default: int) -> int:
    return int(os.environ.get("SPATZ_CHAOS_SEED", default))
