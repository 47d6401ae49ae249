"""A power cut in the middle of any flash write leaves the old or the new content, as littlefs promises."""

from __future__ import annotations

import pytest

from bench.boards import Bench, State

OLD, NEW = b"old " * 300, b"new " * 400

REWRITE = b"""
import os
with open("/value", "wb") as file:
    file.write(b"new " * 400)
print("written")
"""

RENAME = b"""
import os
with open("/value.tmp", "wb") as file:
    file.write(b"new " * 400)
os.rename("/value.tmp", "/value")
print("written")
"""

CUTS = 40


@pytest.mark.parametrize("program", [REWRITE, RENAME], ids=["in place", "renamed"])
def test_forty_cuts_each_leave_a_complete_file(program: bytes, bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files({"/value": OLD})
    seen = set()
    for k in range(1, CUTS + 1):
        board.write_files({"/value": OLD, "/main.py": program})
        board.cut_power_at_write(k, stays_off=True)
        start = len(board.console)
        board.power_on()
        bench.run_for(2)
        completed = "written" in board.console[start:]
        assert (board.state is State.OFF) is not completed
        board.power_off()
        board.cut_power_at_write(0)

        content = board.read_file("/value")

        assert content == NEW if completed else content in (OLD, NEW), k
        seen.add((completed, content == NEW))

    assert (False, False) in seen, "no cut ever left the old content: the cuts do not cut"
    assert (True, True) in seen, "no run ever completed: the cuts never end"


def test_a_cut_leaves_half_a_write_behind(bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files({"/main.py": b"open('/x', 'wb').write(b'z' * 4000)\nprint('unreached')\n"})
    board.cut_power_at_write(3, stays_off=True)
    board.power_on()
    bench.run_for(5)

    assert board.state is State.OFF
    assert board.flash_writes == 3
    assert "unreached" not in board.console


def test_after_a_cut_the_power_comes_back_and_the_board_boots(bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files({"/main.py": b"open('/x', 'wb').write(b'z' * 4000)\nprint('reached')\n"})
    board.cut_power_at_write(3)
    board.power_on()
    bench.run_for(5)

    assert board.boots == 2
    assert board.console.count("reached") == 1


def test_a_full_flash_is_reported_as_on_a_board(run_program: object) -> None:
    board = run_program(  # type: ignore[operator]
        """
        import os
        try:
            with open("/big", "wb") as file:
                for _ in range(3000):
                    file.write(bytes(1024))
        except OSError as error:
            print(error.errno)
        """
    )

    assert "28" in board.console.split()
