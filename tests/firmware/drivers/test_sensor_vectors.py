"""The known answers for our sensors hold on CPython and on genuine MicroPython."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.firmware.drivers import sensor_cases as cases
from tests.on_micropython import run_on_micropython

HERE = Path(__file__).parent
VECTORS = HERE.parents[1] / "data" / "sensor-vectors.json"

OURS = [v for v in json.loads(VECTORS.read_text())["vectors"] if v["sensor"] in cases.CASES]


@pytest.mark.parametrize("vector", OURS, ids=lambda vector: vector["id"])
def test_driver_gives_the_known_answer(vector):
    assert cases.check(vector) is None


def test_vectors_cover_every_case():
    assert {vector["sensor"] for vector in OURS} == set(cases.CASES)


def test_known_answers_hold_on_micropython():
    printed = run_on_micropython(HERE / "sensor_cases.py", str(VECTORS))

    assert printed.splitlines()[-1] == f"{len(OURS)} held, 0 failed", printed
