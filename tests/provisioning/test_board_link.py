"""The prompt link ends in bounded time whatever hangs on the other end, and prints nothing by itself."""

import os
import threading
import time
import tty

import pytest

from provisioning import board_link
from provisioning.board_link import BoardLink, plan_changes
from provisioning.errors import BoardSilent, PortError


@pytest.fixture
def pty_pair(monkeypatch):
    monkeypatch.setattr(board_link, "PROMPT_DEADLINE_S", 0.6)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def play(ours, answer):
    """Something at the other end that keeps talking."""
    stop = threading.Event()
    os.set_blocking(ours, False)

    def talk():
        while not stop.wait(0.01):
            try:
                os.write(ours, answer)
                os.read(ours, 4096)
            except BlockingIOError:
                continue

    thread = threading.Thread(target=talk)
    thread.start()
    return stop, thread


@pytest.mark.parametrize("answer", [b"", b"rst:0x10 (RTCWDT_RTC_RESET)\r\n", bytes(range(256))])
def test_whatever_is_not_a_prompt_is_given_up(pty_pair, capfd, answer):
    ours, port = pty_pair
    stop, thread = play(ours, answer)
    started = time.monotonic()

    with pytest.raises(BoardSilent):
        BoardLink(port).__enter__()

    stop.set()
    thread.join()
    assert time.monotonic() - started < 30
    assert capfd.readouterr() == ("", "")


def test_a_missing_port_is_a_port_error(tmp_path):
    with pytest.raises(PortError):
        BoardLink(str(tmp_path / "none")).__enter__()


def test_only_what_differs_is_written_and_only_what_nobody_wants_removed():
    wanted = {"/b": "1", "/a": "2", "/c": "3"}
    present = {"/a": "2", "/c": "old", "/x": "9"}

    assert plan_changes(wanted, present) == (["/b", "/c"], ["/x"])


@pytest.mark.live
def test_files_of_any_size_arrive_and_replace_the_old_ones(board):
    with BoardLink(board.port) as link:
        for size in (0, 1, 1023, 1024, 1025, 5000):
            link.write("/deep/er/file.bin", os.urandom(size))
            assert len(board.read_file("/deep/er/file.bin")) == size

    assert board.list_files() == ["/deep/er/file.bin"]


@pytest.mark.live
def test_an_endless_main_is_interrupted(bench):
    unit = bench.add_board("busy")
    unit.write_files({"/main.py": b"import time\nwhile True:\n    time.sleep_ms(10)\n"})
    unit.power_on()
    time.sleep(0.3)

    with BoardLink(unit.port) as link:
        assert link.run("print(6*7)") == "42\n"


@pytest.mark.live
def test_an_exception_on_the_board_is_told_without_the_code_that_was_sent(board):
    from provisioning.errors import BoardError

    with BoardLink(board.port) as link, pytest.raises(BoardError) as caught:
        link.run("secret = 'canary-5a17c93e'\nraise ValueError('no')")

    assert caught.value.fields["reason"] == "ValueError: no"
    assert "canary" not in repr(caught.value)
