"""Fixtures of the virtual boards: a bench in a temporary directory, and a shorthand to run a program."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bench.boards import Bench, Board, Harness, InterpreterMissing

TOOL_DEADLINE_S = 30  # a tool that hangs on a PTY would hang for ever

RunProgram = Callable[..., Board]
Tool = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    try:
        made = Bench(tmp_path / "bench", seed=7)
    except InterpreterMissing as missing:
        pytest.skip(str(missing))
    with made:
        yield made


@pytest.fixture
def run_program(bench: Bench) -> RunProgram:
    """Put a main.py on a new board, switch it on and let time pass until it printed "done"."""

    def run(program: str, harness: Harness | None = None, board: str = "virtual", seconds: float = 3600) -> Board:
        made = bench.add_board(f"board-{len(bench.boards)}", board=board, harness=harness)
        made.write_files({"/main.py": textwrap.dedent(program).encode() + b"\nprint('done')\n"})
        made.power_on()
        assert bench.run_until(lambda: "done" in made.console, seconds), made.console
        return made

    return run


@pytest.fixture
def mpremote() -> Tool:
    """The genuine mpremote, every call under a deadline."""

    def call(port: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mpremote", "connect", port, *words]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=TOOL_DEADLINE_S, check=False)

    return call


@pytest.fixture
def esptool() -> Tool:
    """The genuine esptool, every call under a deadline."""

    def call(port: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "esptool", "--port", port, *words]
        return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=TOOL_DEADLINE_S, check=False)

    return call
