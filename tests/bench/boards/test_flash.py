"""The flash file: the same file system for the host and for the board."""

from __future__ import annotations

from typing import Any

import pytest

from bench.boards import Bench
from bench.boards.errors import FlashInUse
from tests.bench.boards.peers import printed


def test_files_written_offline_are_read_by_the_board_and_back(bench: Bench, run_program: Any) -> None:
    board = run_program(
        """
        import os
        os.mkdir("/made")
        with open("/made/answer.txt", "w") as file:
            file.write("42")
        print(sorted(os.listdir("/")))
        """
    )

    assert printed(board) == ["['made', 'main.py']"]
    assert board.read_file("/made/answer.txt") == b"42"
    assert "/made/answer.txt" in board.list_files()
    with pytest.raises(FileNotFoundError):
        board.read_file("/nothing")


def test_a_running_board_keeps_its_flash_for_itself(bench: Bench) -> None:
    board = bench.add_board("unit")
    board.power_on()
    bench.run_for(1)

    with pytest.raises(FlashInUse):
        board.write_files({"/x": b""})


def test_modules_in_lib_are_imported(bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files(
        {"/lib/pack/__init__.py": b"", "/lib/pack/m.py": b"X = 5\n", "/main.py": b"import pack.m as m\nprint(m.X)\n"}
    )
    board.power_on()
    bench.run_for(1)

    assert board.console.startswith("5")
