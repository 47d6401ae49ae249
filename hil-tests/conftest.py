"""Scenarios run on a virtual rig, or on the one that `--bench-file` describes: the same tests, the same words."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.boards import InterpreterMissing
from bench.rig import RealRig, Rig, VirtualRig


def pytest_addoption(parser: pytest.Parser) -> None:
    """The rig file."""
    parser.addoption("--bench-file", type=Path, help="TOML file of a real rig; without it the rig is virtual.")


@pytest.fixture(scope="session")
def rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """One provisioned node with everything around it."""
    file = request.config.getoption("--bench-file")
    if file is not None:
        with RealRig(file) as real:
            yield real
        return
    try:
        with VirtualRig(tmp_path_factory.mktemp("rig")) as virtual:
            yield virtual
    except InterpreterMissing as error:
        pytest.skip(str(error))


@pytest.fixture
def embedded_services(request: pytest.FixtureRequest) -> str:
    """pytest-embedded: a serial port for tests of the rig, nothing for those that bring their own bench."""
    return "serial" if _of_the_rig(request) else ""


@pytest.fixture
def port(request: pytest.FixtureRequest) -> str | None:
    """pytest-embedded: the port of `dut`."""
    return str(request.getfixturevalue("rig").port) if _of_the_rig(request) else None


def _of_the_rig(request: pytest.FixtureRequest) -> bool:
    """Whether the test itself asks for the rig or its port; the plugin's own fixtures are part of every test."""
    return not {"rig", "dut"}.isdisjoint(inspect.signature(request.function).parameters)
