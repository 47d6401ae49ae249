"""The genuine mpremote takes a virtual board for a real one: the command list of the fact sheet, section 3."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.boards import Bench, Board

ALL_BYTES = bytes(range(256)) * 8


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Board]:
    """One board for the whole list, as a person would use it."""
    from bench.boards import InterpreterMissing

    try:
        bench = Bench(tmp_path_factory.mktemp("bench"), seed=3)
    except InterpreterMissing as missing:
        pytest.skip(str(missing))
    with bench:
        made = bench.add_board("desk")
        made.power_on()
        with bench.live():
            yield made


def test_it_evaluates_executes_and_runs(board: Board, mpremote: Any, tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("print('from a file')\n")

    assert mpremote(board.port, "eval", "6*7").stdout == "42\n"
    assert mpremote(board.port, "exec", "print('hello')").stdout == "hello\n"
    assert mpremote(board.port, "exec", "--no-follow", "print(1)").returncode == 0
    assert mpremote(board.port, "run", str(tmp_path / "script.py")).stdout == "from a file\n"
    assert mpremote(board.port, "run", "--no-follow", str(tmp_path / "script.py")).returncode == 0


def test_an_exception_on_the_board_gives_exit_code_1_and_the_traceback(board: Board, mpremote: Any) -> None:
    done = mpremote(board.port, "exec", "1/0")

    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stdout


def test_a_soft_reset_forgets_variables_and_resume_keeps_them(board: Board, mpremote: Any) -> None:
    assert mpremote(board.port, "exec", "kept = 5").returncode == 0
    assert mpremote(board.port, "resume", "eval", "kept").stdout == "5\n"
    assert mpremote(board.port, "soft-reset").returncode == 0
    assert mpremote(board.port, "resume", "eval", "'kept' in globals()").stdout == "False\n"


def test_a_reset_restarts_the_processor(board: Board, mpremote: Any) -> None:
    boots = board.boots

    assert mpremote(board.port, "reset").returncode == 0
    assert board.bench.run_until(lambda: board.boots == boots + 2, 5), "one soft reset by the tool, one hard"
    assert mpremote(board.port, "resume", "exec", "import machine; print(machine.reset_cause())").stdout == "2\n"


def test_files_travel_both_ways_unchanged(board: Board, mpremote: Any, tmp_path: Path) -> None:
    (tmp_path / "all.bin").write_bytes(ALL_BYTES)
    digest = hashlib.sha256(ALL_BYTES).hexdigest()

    assert mpremote(board.port, "fs", "cp", str(tmp_path / "all.bin"), ":all.bin").returncode == 0
    assert digest in mpremote(board.port, "fs", "sha256sum", ":all.bin").stdout
    assert mpremote(board.port, "fs", "cp", ":all.bin", str(tmp_path / "back.bin")).returncode == 0
    assert (tmp_path / "back.bin").read_bytes() == ALL_BYTES
    assert "Up to date" in mpremote(board.port, "fs", "cp", str(tmp_path / "all.bin"), ":all.bin").stdout
    assert board.read_file("/all.bin") == ALL_BYTES


def test_directories_are_made_listed_copied_and_removed(board: Board, mpremote: Any, tmp_path: Path) -> None:
    (tmp_path / "tree" / "leaf").mkdir(parents=True)
    (tmp_path / "tree" / "leaf" / "a.txt").write_text("a")

    assert mpremote(board.port, "fs", "mkdir", ":made").returncode == 0
    assert mpremote(board.port, "fs", "touch", ":made/empty").returncode == 0
    assert "made/" in mpremote(board.port, "fs", "ls").stdout
    assert "empty" in mpremote(board.port, "fs", "tree").stdout
    assert mpremote(board.port, "cp", "-r", str(tmp_path / "tree"), ":").returncode == 0
    assert mpremote(board.port, "fs", "cat", ":tree/leaf/a.txt").stdout == "a"
    assert mpremote(board.port, "rm", "-r", ":tree").returncode == 0
    assert mpremote(board.port, "fs", "rm", ":made/empty").returncode == 0
    assert "tree" not in mpremote(board.port, "fs", "ls").stdout
    assert "VfsLfs2" in mpremote(board.port, "df").stdout


def test_a_mounted_directory_is_imported_read_and_written_byte_for_byte(
    board: Board, mpremote: Any, tmp_path: Path
) -> None:
    (tmp_path / "module.py").write_text("X = 5\n")
    (tmp_path / "in.bin").write_bytes(ALL_BYTES)
    program = (
        "import module; data = open('/remote/in.bin', 'rb').read(); "
        "f = open('/remote/out.bin', 'wb'); f.write(data); f.close(); print(module.X, len(data))"
    )

    done = mpremote(board.port, "mount", str(tmp_path), "exec", program)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 2048" in done.stdout
    assert (tmp_path / "out.bin").read_bytes() == ALL_BYTES


def test_mip_installs_a_package_from_a_local_file(board: Board, mpremote: Any, tmp_path: Path) -> None:
    (tmp_path / "part.py").write_text("Y = 6\n")
    (tmp_path / "package.json").write_text(json.dumps({"version": "1", "urls": [["pack/part.py", "part.py"]]}))

    done = mpremote(board.port, "mip", "install", str(tmp_path / "package.json"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert mpremote(board.port, "exec", "from pack.part import Y; print(Y)").stdout == "6\n"


def test_the_clock_is_shown_and_set(board: Board, mpremote: Any) -> None:
    assert mpremote(board.port, "rtc").stdout.startswith("(2000, 1, ")
    assert mpremote(board.port, "rtc", "--set").returncode == 0
    assert mpremote(board.port, "rtc").stdout.startswith("(20")
    assert not mpremote(board.port, "rtc").stdout.startswith("(2000")


def test_what_is_printed_while_nobody_listens_is_lost_and_not_handed_to_the_next_tool(
    board: Board, mpremote: Any
) -> None:
    assert mpremote(board.port, "exec", "--no-follow", "for i in range(20000): print('noise')").returncode == 0
    board.bench.run_for(0.5)

    assert mpremote(board.port, "resume", "eval", "1").stdout == "1\n"
