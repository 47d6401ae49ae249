"""Every board has the same facts, and a node lives on it past the service window, watchdog and light sleep included."""

from __future__ import annotations

import importlib

import pytest

from bench.block import Block
from bench.boards import InterpreterMissing
from bench.street import Plan

BOARDS = ("virtual", "rak11310", "rak11200")
WATCHDOG_RESET = "reset=3"


def facts_of(board):
    return importlib.import_module(f"firmware.boards.{board}.facts")


def names_of(module):
    return {name for name in vars(module) if name.isupper()}


@pytest.mark.parametrize("board", BOARDS)
def test_facts_have_the_same_names_on_all_boards(board):
    assert names_of(facts_of(board)) == names_of(facts_of("virtual"))
    assert board == facts_of(board).NAME
    assert set(facts_of("virtual").RADIO) <= set(facts_of(board).RADIO)


@pytest.mark.parametrize("board", BOARDS)
@pytest.mark.parametrize("profile", ["fill", "air", "light"])
def test_node_goes_on_reporting_after_the_service_window(tmp_path, board, profile):
    plan = Plan("node", profile, board=board, report_interval_s=120, settings={"spread_percent": 0, "start_delay_s": 0})
    try:
        block = Block(tmp_path, [plan], seed=3)
    except InterpreterMissing as missing:
        pytest.skip(str(missing))
    with block:
        block.switch_on()
        block.bench.run_for(1800)
        console = block.street.nodes["node"].board.console
        reports = [reading for reading in block.readings("node") if 20 <= reading.f_port < 30]

    assert len(reports) >= 14
    assert console.count("spatz: start") == 1
    assert WATCHDOG_RESET not in console
    assert "defect" not in console


@pytest.mark.parametrize("board", BOARDS)
def test_program_that_hangs_is_reset_by_the_watchdog(tmp_path, board):
    """A node stuck in a loop that still takes time: nothing feeds the watchdog any more."""
    plan = Plan("node", "light", board=board, report_interval_s=120, settings={"spread_percent": 0, "start_delay_s": 0})
    try:
        block = Block(tmp_path, [plan], seed=3)
    except InterpreterMissing as missing:
        pytest.skip(str(missing))
    with block:
        block.street.nodes["node"].board.write_files(
            {
                "/main.py": b"import time\n"
                b"from firmware.node import cycle, main\n"
                b"real = cycle.Cycle.talk\n"
                b"def talk(self):\n"
                b"    real(self)\n"
                b"    if self._clock.now_ms() > 900_000:\n"
                b"        while True:\n"
                b"            time.sleep(1)\n"
                b"cycle.Cycle.talk = talk\n"
                b"main.run()\n"
            }
        )
        block.switch_on()
        block.bench.run_for(1200)
        console = block.street.nodes["node"].board.console

    assert console.count("spatz: start") == 2
    assert WATCHDOG_RESET in console
