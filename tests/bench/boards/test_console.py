"""Ctrl-C, Ctrl-D and the prompts, typed by hand."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import serial

from bench.boards import Bench, Board, Harness
from tests.bench.boards.peers import Registers

WAIT_S = 10


def expect(port: serial.Serial, text: bytes) -> bytes:
    """Read until `text` came; fails with what came instead."""
    heard = b""
    deadline_s = time.monotonic() + WAIT_S
    while text not in heard:
        assert time.monotonic() < deadline_s, heard
        heard += port.read(max(1, port.in_waiting))
    return heard


def opened(board: Board) -> serial.Serial:
    return serial.Serial(board.port, timeout=0.2)


def test_ctrl_c_ends_an_endless_main_without_a_single_bus_call(bench: Bench, run_program: Callable[..., Any]) -> None:
    board = bench.add_board("spinner")
    board.write_files({"/main.py": b"print('spinning')\nwhile True:\n    pass\n"})
    board.power_on()

    with bench.live(), opened(board) as port:
        bench.run_for(1)
        port.write(b"\x03")
        heard = expect(port, b">>> ")

    assert b"KeyboardInterrupt" in heard
    assert b'File "main.py", line' in heard
    assert b"bench" not in heard


def test_ctrl_c_ends_a_sleep_and_the_board_goes_on_in_step(bench: Bench) -> None:
    board = bench.add_board("sleeper")
    board.write_files({"/main.py": b"import time\ntime.sleep(10000)\n"})
    board.power_on()

    with bench.live(), opened(board) as port:
        bench.run_for(1)
        port.write(b"\x03")
        expect(port, b">>> ")
        port.write(b"time.ticks_ms() < 20000, time.sleep_ms(10)\r")
        expect(port, b"(True, None)")


def test_ctrl_c_at_the_prompt_is_just_a_key(bench: Bench) -> None:
    board = bench.add_board("desk")
    board.power_on()

    with bench.live(), opened(board) as port:
        expect(port, b">>> ")
        port.write(b"\x03")
        expect(port, b">>> ")
        port.write(b"1+2\r")
        expect(port, b"3\n>>> ")

    assert board.boots == 1


def test_ctrl_d_at_the_prompt_starts_main_again(bench: Bench) -> None:
    board = bench.add_board("desk")
    board.write_files({"/boot.py": b"print('boot')\n", "/main.py": b"print('main')\n"})
    board.power_on()

    with bench.live(), opened(board) as port:
        expect(port, b">>> ")
        port.write(b"\x04")
        heard = expect(port, b">>> ")

    assert heard.replace(b"\r", b"").startswith(b"\nMPY: soft reboot\nboot\nmain\n")


def test_ctrl_d_at_the_raw_prompt_comes_back_raw_and_leaves_main_out(bench: Bench) -> None:
    board = bench.add_board("desk")
    board.write_files({"/boot.py": b"print('boot')\n", "/main.py": b"print('main')\n"})
    board.power_on()

    with bench.live(), opened(board) as port:
        expect(port, b">>> ")
        port.write(b"\x01")
        expect(port, b"raw REPL; CTRL-B to exit\r\n>")
        port.write(b"\x04")
        heard = expect(port, b"raw REPL; CTRL-B to exit\r\n>")
        port.write(b"\x02")
        expect(port, b">>> ")

    assert b"MPY: soft reboot\r\nboot" in heard
    assert b"main" not in heard


def test_paste_mode_takes_a_program(bench: Bench) -> None:
    board = bench.add_board("desk")
    board.power_on()

    with bench.live(), opened(board) as port:
        expect(port, b">>> ")
        port.write(b"\x05for i in range(3):\r    print(i * 7)\r\x04")
        expect(port, b"14\n")


def test_an_error_in_boot_is_printed_and_the_prompt_comes(bench: Bench) -> None:
    board = bench.add_board("broken")
    board.write_files({"/boot.py": b"import nothing\n", "/main.py": b"print('main runs')\n"})
    board.power_on()
    bench.run_for(2)

    assert "ImportError" in board.console
    assert 'File "boot.py", line 1' in board.console
    assert "main runs" in board.console


def test_keys_reach_a_waiting_asyncio_program_at_once(bench: Bench) -> None:
    board = bench.add_board("menu")
    board.write_files(
        {
            "/main.py": b"import asyncio, sys\n"
            b"async def main():\n"
            b"    reader = asyncio.StreamReader(sys.stdin)\n"
            b"    print('heard', await reader.readexactly(1))\n"
            b"asyncio.run(main())\n"
        }
    )
    board.power_on()

    with bench.live(), opened(board) as port:
        bench.run_for(1)
        port.write(b"x")
        expect(port, b"heard")


def test_many_interruptions_never_mix_up_two_answers(bench: Bench) -> None:
    board = bench.add_board("patient", harness=Harness(i2c={0: [Registers()]}))
    board.write_files(
        {
            "/main.py": b"import time\n"
            b"from machine import I2C\n"
            b"i2c = I2C(0)\n"
            b"caught = 0\n"
            b"while caught < 15:\n"
            b"    try:\n"
            b"        for n in range(256):\n"
            b"            if i2c.readfrom_mem(0x50, n, 3) != bytes((n, n + 1 & 255, n + 2 & 255)):\n"
            b"                print('mixed up')\n"
            b"        time.sleep_ms(1)\n"
            b"    except KeyboardInterrupt:\n"
            b"        caught += 1\n"
            b"        print('caught', caught)\n"
        }
    )
    board.power_on()

    with bench.live(), opened(board) as port:
        bench.run_for(0.5)
        for n in range(1, 16):
            bench.run_for(0.02)
            port.write(b"\x03")
            expect(port, b"caught %d" % n)

    assert "mixed up" not in board.console
