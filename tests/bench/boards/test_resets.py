"""The reset matrix (fact sheet, section 7): what survives which reset."""

from __future__ import annotations

import re
from typing import Any

import pytest

from bench.boards import Bench, Board, Harness
from bench.chips.ports import Line

PROGRAM = b"""
import machine, os, sys
rtc = machine.RTC()
before = rtc.memory()
try:
    step = int(open("/step").read())
except OSError:
    step = 0
print("boot", step, machine.reset_cause(), before, "x" in globals())
x = 1
with open("/step", "w") as file:
    file.write(str(step + 1))
if step == 0:
    rtc.memory(b"kept")
    %s
print("done")
"""


def boots_of(board: Board) -> list[str]:
    return [line.strip() for line in re.findall("boot [^\r\n]*", board.console)]


@pytest.mark.parametrize(
    ("action", "second_boot"),
    [
        ("machine.reset()", "boot 1 2 b'' False"),
        ("machine.soft_reset()", "boot 1 5 b'kept' False"),
        ("sys.exit()", "boot 1 5 b'kept' False"),
        ("machine.deepsleep(60000)", "boot 1 4 b'kept' False"),
        ("machine.WDT(timeout=1000)\n    import time; time.sleep(5)", "boot 1 3 b'' False"),
        ("try:\n        machine.reset()\n    except BaseException:\n        print('caught')", "boot 1 2 b'' False"),
    ],
)
def test_after_each_kind_of_reset(action: str, second_boot: str, bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files({"/main.py": PROGRAM % action.encode()})
    board.power_on()

    assert bench.run_until(lambda: "done" in board.console, 120), board.console
    assert boots_of(board) == ["boot 0 1 b'' False", second_boot]
    assert "caught" not in board.console


def test_power_off_clears_the_rtc_memory_and_keeps_the_files(bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files({"/main.py": PROGRAM % b"pass"})
    board.power_on()
    bench.run_for(5)

    board.power_off()
    bench.run_for(5)
    board.power_on()
    bench.run_for(5)

    assert boots_of(board) == ["boot 0 1 b'' False", "boot 1 1 b'' False"]


def test_the_rp2_port_knows_two_causes_only(bench: Bench) -> None:
    program = (
        b"import machine, os\n"
        b"print('boot', machine.reset_cause(), hasattr(machine.RTC, 'memory'))\n"
        b"if 'once' not in os.listdir():\n"
        b"    open('once', 'w').close()\n"
        b"    machine.reset()\n"
    )
    board = bench.add_board("unit", board="rak11310")
    board.write_files({"/main.py": program})
    board.power_on()
    bench.run_for(5)

    assert boots_of(board) == ["boot 1 False", "boot 3 False"]


def test_deep_sleep_ends_at_its_time_or_at_a_wake_pin(bench: Bench) -> None:
    program = (
        b"import machine, esp32\n"
        b"print('boot', machine.reset_cause(), machine.wake_reason())\n"
        b"esp32.wake_on_ext0(machine.Pin(12), 1)\n"
        b"machine.deepsleep(60000)\n"
    )
    wire = Line(0)
    board = bench.add_board("unit", harness=Harness(inputs={12: wire}))
    board.write_files({"/main.py": program})
    board.power_on()
    bench.run_for(65)
    wire.set(1)
    wire.set(0)
    bench.run_for(10)

    assert boots_of(board) == ["boot 1 0", "boot 4 4", "boot 4 2"]


def test_a_virtual_day_of_deep_sleep_wakes_144_times_with_everything_kept(bench: Bench) -> None:
    program = (
        b"import machine\n"
        b"rtc = machine.RTC()\n"
        b"n = int(rtc.memory() or b'0') + 1\n"
        b"rtc.memory(str(n))\n"
        b"with open('log.csv', 'a') as file:\n"
        b"    file.write('%d,%d\\n' % (n, machine.reset_cause()))\n"
        b"machine.deepsleep(600000)\n"
    )
    board = bench.add_board("unit")
    board.write_files({"/main.py": program})
    board.power_on()
    bench.run_for(86400)

    rows = board.read_file("/log.csv").decode().split()
    assert rows[0] == "1,1"
    assert rows[1:] == [f"{n},4" for n in range(2, len(rows) + 1)]
    assert len(rows) == 144


def test_a_fed_watchdog_stays_quiet(run_program: Any) -> None:
    board = run_program(
        """
        import machine, time
        wdt = machine.WDT(timeout=2000)
        for _ in range(20):
            time.sleep(1)
            wdt.feed()
        """
    )

    assert board.boots == 1


def test_the_ticks_start_anew_after_a_hard_reset_and_go_on_after_a_soft_one(bench: Bench) -> None:
    program = (
        b"import machine, time, os\n"
        b"print('boot', time.ticks_ms() // 1000)\n"
        b"time.sleep(10)\n"
        b"if 'a' not in os.listdir():\n"
        b"    open('a', 'w').close()\n"
        b"    machine.soft_reset()\n"
        b"if 'b' not in os.listdir():\n"
        b"    open('b', 'w').close()\n"
        b"    machine.reset()\n"
    )
    board = bench.add_board("unit")
    board.write_files({"/main.py": program})
    board.power_on()
    bench.run_for(60)

    assert boots_of(board) == ["boot 0", "boot 10", "boot 0"]
