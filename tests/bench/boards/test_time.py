"""Virtual time: who waits for whom, what a lease hides, the wrap of the ticks, and runs that repeat."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from bench.boards import Bench, Board, FirmwareSpins, Harness
from bench.chips.ports import Line
from tests.bench.boards.peers import printed

WRAP_MS = 1 << 30  # period of the ticks, ports/esp32 and ports/rp2
DAY_S = 86400


def test_time_goes_no_further_than_granted(bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files({"/main.py": b"import time\nwhile True:\n    time.sleep(3600)\n    print('hour')\n"})
    board.power_on()

    bench.run_for(2 * 3600 + 60)

    assert board.console.count("hour") == 2
    assert bench.now_us == (2 * 3600 + 60) * 1_000_000


def test_events_and_two_boards_happen_in_the_order_of_their_times(bench: Bench) -> None:
    order: list[str] = []
    boards = []
    for name, pause in (("a", 31), ("b", 20)):
        lamp = Line(0)
        lamp.watch(lambda level, name=name: order.append(name))  # type: ignore[misc]
        board = bench.add_board(name, harness=Harness(outputs={27: lamp}))
        program = f"import time, machine\nwhile True:\n    time.sleep({pause})\n    machine.Pin(27, 3).toggle()\n"
        board.write_files({"/main.py": program.encode()})
        board.power_on()
        boards.append(board)
    bench.schedule.at(45_000_000, lambda: order.append("event"))

    bench.run_for(95)

    assert order == ["b", "a", "b", "event", "b", "a", "b", "a"]


@pytest.mark.parametrize("board", ["virtual", "rak11310"])
def test_ticks_wrap_after_2_to_the_30(board: str, bench: Bench) -> None:
    made = bench.add_board("unit", board=board, ticks_start_ms=WRAP_MS - 1000)
    made.write_files(
        {
            "/main.py": b"import time\n"
            b"before = time.ticks_ms()\n"
            b"time.sleep(5)\n"
            b"after = time.ticks_ms()\n"
            b"print(after < before, time.ticks_diff(after, before), time.ticks_add(before, 6000) < before)\n"
            b"try:\n    time.ticks_add(0, 1 << 29)\nexcept OverflowError as error:\n    print(error)\n"
            b"print('done')\n"
        }
    )
    made.power_on()
    bench.run_until(lambda: "done" in made.console, 60)

    assert printed(made) == ["True 5000 True", "ticks interval overflow"]


def test_fourteen_days_of_asyncio_cross_the_wrap(bench: Bench) -> None:
    board = bench.add_board("unit")
    board.write_files(
        {
            "/main.py": b"import asyncio\n"
            b"hours = 0\n"
            b"async def main():\n"
            b"    global hours\n"
            b"    for _ in range(14 * 24):\n"
            b"        await asyncio.sleep(3600)\n"
            b"        hours += 1\n"
            b"    try:\n"
            b"        await asyncio.sleep(7 * 86400)\n"
            b"    except OverflowError as error:\n"
            b"        print(error)\n"
            b"asyncio.run(main())\n"
            b"print(hours)\n"
            b"print('done')\n"
        }
    )
    board.power_on()

    assert bench.run_until(lambda: "done" in board.console, 15 * DAY_S), board.console
    assert printed(board) == ["ticks interval overflow", "336"]
    assert abs(bench.now_us - 14 * DAY_S * 1_000_000) < 60_000_000


def test_two_busy_tasks_do_not_starve_a_sleeper(run_program: Any) -> None:
    board = run_program(
        """
        import asyncio, time
        async def player(mine, other):
            while True:
                await mine.wait()
                mine.clear()
                other.set()
        async def main():
            a, b = asyncio.Event(), asyncio.Event()
            asyncio.create_task(player(a, b))
            asyncio.create_task(player(b, a))
            a.set()
            start = time.ticks_ms()
            for _ in range(5):
                await asyncio.sleep_ms(50)
            print(250 <= time.ticks_diff(time.ticks_ms(), start) <= 260)
        asyncio.run(main())
        """
    )

    assert printed(board) == ["True"]


def test_asyncio_cancels_gathers_and_times_out(run_program: Any) -> None:
    board = run_program(
        """
        import asyncio
        async def answer(n):
            await asyncio.sleep(n)
            return n
        async def main():
            print(await asyncio.gather(answer(2), answer(1)))
            try:
                await asyncio.wait_for(answer(10), 3)
            except asyncio.TimeoutError:
                print("late")
            task = asyncio.create_task(answer(100))
            await asyncio.sleep(0)
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                print("cancelled")
        asyncio.run(main())
        """
    )

    assert printed(board) == ["[2, 1]", "late", "cancelled"]


def test_an_interrupt_sets_a_flag_that_a_task_waits_for(bench: Bench, run_program: Any) -> None:
    wire = Line(0)
    bench.schedule.at(5_000_000, lambda: wire.set(1))
    board = run_program(
        """
        import asyncio, time
        from machine import Pin
        flag = asyncio.ThreadSafeFlag()
        Pin(12, Pin.IN).irq(lambda pin: flag.set(), Pin.IRQ_RISING)
        async def main():
            await flag.wait()
            print(time.ticks_ms())
        asyncio.run(main())
        """,
        Harness(inputs={12: wire}),
    )

    assert printed(board) == ["5000"]


def test_a_loop_that_only_looks_at_the_clock_sees_interrupts(bench: Bench, run_program: Any) -> None:
    wire = Line(0)
    bench.schedule.at(3_000_000, lambda: wire.set(1))
    board = run_program(
        """
        import time
        from machine import Pin
        seen = []
        Pin(12, Pin.IN).irq(lambda pin: seen.append(time.ticks_ms()), Pin.IRQ_RISING)
        while not seen and time.ticks_ms() < 60000:
            pass
        print(seen)
        """,
        Harness(inputs={12: wire}),
    )

    assert printed(board) == ["[3000]"]


CHATTER = b"""
import os, random, time
from machine import Pin, I2C
lamp = Pin(27, Pin.OUT)
while True:
    time.sleep_ms(random.randrange(1000, 90000))
    lamp.toggle()
    print(time.ticks_ms(), os.urandom(4).hex())
"""


def chatter(root: Path, seed: int, steps: int) -> list[str]:
    """Two boards for six hours, granted in `steps` pieces; their transcripts."""
    with Bench(root, seed=seed) as bench:
        boards = [bench.add_board(name, harness=Harness(outputs={27: Line(0)})) for name in ("a", "b")]
        for board in boards:
            board.write_files({"/main.py": CHATTER})
            board.power_on()
        for _ in range(steps):
            bench.run_for(6 * 3600 / steps)
        return [board.transcript_hash() for board in boards]


def test_the_same_seed_gives_the_same_transcripts(bench: Bench, tmp_path: Path) -> None:
    first = chatter(tmp_path / "1", 1, 1)

    assert chatter(tmp_path / "2", 1, 1) == first
    assert chatter(tmp_path / "3", 1, 100) == first, "how time was granted must not matter"
    assert set(chatter(tmp_path / "4", 2, 1)).isdisjoint(first)
    assert first[0] != first[1]


def test_firmware_that_spins_without_a_call_is_found_with_its_traceback(bench: Bench, tmp_path: Path) -> None:
    with Bench(tmp_path / "impatient", spin_limit_s=0.5) as impatient:
        board = impatient.add_board("spinner")
        board.write_files({"/main.py": b"flag = False\nwhile not flag:\n    pass\n"})
        board.power_on()

        with pytest.raises(FirmwareSpins, match=r"(?s)spinner ran .* line [23]"):
            impatient.run_for(10)


def test_a_spinning_board_does_not_stop_the_others_in_a_live_run(bench: Bench) -> None:
    spinner = bench.add_board("spinner")
    spinner.write_files({"/main.py": b"while True:\n    pass\n"})
    other = bench.add_board("other")
    other.write_files({"/main.py": b"import time\nwhile True:\n    time.sleep(0.1)\n    print('tick')\n"})
    for board in (spinner, other):
        board.power_on()

    with bench.live():
        bench.run_for(1.2)

    assert other.console.count("tick") >= 5


def test_a_live_run_follows_the_wall_clock_and_takes_calls(bench: Bench, tmp_path: Path) -> None:
    board = bench.add_board("unit")
    board.power_on()

    with bench.live():
        start_s, start_us = time.monotonic(), bench.now_us
        bench.run_for(0.5)
        passed_s = time.monotonic() - start_s
        assert bench.call(lambda: bench.now_us) >= start_us + 500_000
        with pytest.raises(ZeroDivisionError):
            bench.call(lambda: 1 // 0)

    assert passed_s >= 0.5 * 0.98, "virtual time must not run ahead"


def test_what_goes_wrong_in_a_model_is_raised_at_the_end_of_a_live_run(bench: Bench) -> None:
    def fail() -> None:
        raise AssertionError("the model was misused")

    bench.schedule.after(10_000, fail)

    with pytest.raises(AssertionError, match="misused"), bench.live():
        time.sleep(0.2)


def test_random_numbers_follow_the_seed_and_differ_by_board_and_boot(bench: Bench) -> None:
    lines = []
    for name in ("a", "b"):
        board: Board = bench.add_board(name)
        board.write_files({"/main.py": b"import os\nprint(os.urandom(8).hex())\n"})
        board.power_on()
        bench.run_for(1)
        board.reset()
        bench.run_for(1)
        lines += [line for line in board.console.replace(">>> ", "\n").split() if len(line) == 16]

    assert len(set(lines)) == 4
