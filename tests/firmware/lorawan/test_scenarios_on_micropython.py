"""The MAC scenarios of this folder hold on genuine MicroPython too, not only on CPython."""

from pathlib import Path

import pytest

from tests.on_micropython import run_on_micropython

HERE = Path(__file__).parent
MODULES = [
    "test_airtime",
    "test_class_c",
    "test_mac_commands",
    "test_mac_data",
    "test_mac_join",
    "test_packages",
    "test_power_cuts",
    "test_regions",
    "test_regions_dwell",
    "test_regions_fixed",
    "test_regions_sensing",
    "test_store",
]


@pytest.mark.parametrize("module", MODULES)
def test_scenarios_hold_on_genuine_micropython(module):
    count = (HERE / f"{module}.py").read_text(encoding="utf-8").count("\ndef test_")

    assert run_on_micropython(HERE / "scenarios_here.py", module) == f"{module} {count}\n"
