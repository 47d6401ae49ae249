"""The bench: virtual boards and everything around them under one clock.

Conservative discrete events: one program runs at a time, and the next thing done is always the one with the
smallest bench time, be it a board's request or an event of the schedule; events come first at a tie, then boards in
the order of their adding. Time goes no further than was granted.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TypeVar

from bench.boards.board import Board
from bench.boards.errors import FirmwareSpins
from bench.boards.harness import Harness
from bench.boards.interpreter import Launcher, find_launcher
from bench.boards.live import Live
from bench.boards.software import compile_overlay
from bench.boards.unit import unit_of
from bench.schedule import Schedule

T = TypeVar("T")
MICROSECONDS = 1_000_000
HEAP_BYTES = 2 * 1024 * 1024  # default of the interpreter
SPIN_LIMIT_S = 10.0  # wall clock; the slowest honest computation of a node (AES in Python) takes well below 1 s
LIVE_SPIN_LIMIT_S = 0.3  # in a paced run a computing board must not stop the others for long
INTERRUPT_PATIENCE_S = 1.0
START_PATIENCE_S = 1.0  # the prelude takes milliseconds
EXIT_SOFTWARE = 70  # sysexits.h: internal software error


class Bench:
    """Owns the schedule, the interpreters and the boards. A context manager; `close()` ends everything."""

    def __init__(
        self,
        root: Path,
        seed: int = 0,
        speed: float | None = None,
        *,
        start_us: int = 0,
        micropython: str | None = None,
        spin_limit_s: float = SPIN_LIMIT_S,
    ) -> None:
        """`root`: where flash files live. `speed`: virtual per real seconds of `live()`, 1 unless given.

        `micropython` asks for a certain program instead of the fastest way to the interpreter.
        `spin_limit_s`: wall-clock seconds that a program may compute without a request.
        Raises `InterpreterMissing`.
        """
        self.launcher: Launcher = find_launcher(micropython)
        self.root = root
        self.seed = seed
        self.schedule = Schedule(start_us)
        self.boards: dict[str, Board] = {}
        self.overlay = root / "overlay"
        compile_overlay(self.overlay)
        self._speed = 1.0 if speed is None else speed
        self._spin_limit_s = spin_limit_s
        self._granted_us = start_us
        self._live: Live | None = None

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Take all boards off the bench and end the interpreters."""
        for board in self.boards.values():
            board.close()
        self.boards.clear()
        self.launcher.close()

    def add_board(
        self,
        name: str,
        board: str = "virtual",
        harness: Harness | None = None,
        blank: bool = False,
        *,
        heap_bytes: int = HEAP_BYTES,
        ticks_start_ms: int = 0,
    ) -> Board:
        """Put a unit on the bench, without power. `board` is a folder of `firmware.boards`.

        A blank unit has nothing in its flash, as from the factory; the others hold MicroPython. `heap_bytes` is the
        interpreter's heap (64-bit objects: twice those of a board), `ticks_start_ms` what its ticks count from after
        a reset.
        """

        def add() -> Board:
            unit = unit_of(name, board, self.seed, ticks_start_ms)
            made = Board(self, unit, self.root / name, harness or Harness(), heap_bytes)
            if not blank:
                made.install_image()
            self.boards[name] = made
            return made

        return self.call(add)

    # Time

    @property
    def now_us(self) -> int:
        """Bench time."""
        return self.schedule.now_us

    def run_for(self, seconds: float) -> None:
        """Let `seconds` of bench time pass: as fast as it goes, or in step with the wall clock while live."""
        self.run_until(lambda: False, seconds)

    def run_until(self, predicate: Callable[[], bool], timeout_s: float) -> bool:
        """Let time pass until `predicate` holds or `timeout_s` of bench time are over; whether it holds.

        The predicate is asked after everything that happens, so it should be cheap.
        """
        until_us = self.schedule.now_us + round(timeout_s * MICROSECONDS)
        if self._live is not None:
            return self._live.wait_for(predicate, until_us)
        return self.advance(until_us, predicate)

    def advance(self, until_us: int, predicate: Callable[[], bool] = lambda: False) -> bool:
        """The event loop: everything up to and including `until_us`. For `Live` and `run_until`."""
        self._granted_us = until_us
        schedule = self.schedule
        while True:
            self._settle()
            if not any(board.processor.posting for board in self.boards.values()) and predicate():
                break
            board, board_us = self._next_board()
            event_us = schedule.next_us()
            if event_us is not None and event_us <= until_us and (board_us is None or event_us <= board_us):
                schedule.run_until(event_us)
            elif board is not None and board_us is not None and board_us <= until_us:
                schedule.run_until(board_us)
                board.processor.step()
            else:
                schedule.run_until(until_us)
                return predicate()
        for other in self.boards.values():
            other.listen()
        return True

    def _next_board(self) -> tuple[Board | None, int | None]:
        first, first_us = None, None
        for board in self.boards.values():
            due_us = board.processor.due_us
            if due_us is not None and (first_us is None or due_us < first_us):
                first, first_us = board, due_us
        return first, first_us

    def lease_us(self, asking: Board) -> int:
        """Until when nothing can happen to `asking` that it does not do itself."""
        lease_us = self._granted_us
        event_us = self.schedule.next_us()
        if event_us is not None and event_us <= lease_us:
            lease_us = event_us - 1
        for board in self.boards.values():
            if board is not asking:
                due_us = board.processor.due_us
                if due_us is not None and due_us <= lease_us:
                    lease_us = due_us - 1
        return lease_us

    def _settle(self) -> None:
        """Wait until every running program has asked for something or is at its prompt."""
        for board in tuple(self.boards.values()):
            since_s = time.monotonic()
            while board.processor.holds_time:
                if board.processor.receive():
                    since_s = time.monotonic()
                    continue
                board.listen()
                if self._live is not None:
                    self._live.serve(0)
                self._watch(board, time.monotonic() - since_s)

    def _watch(self, board: Board, spun_s: float) -> None:
        """The watchdog over firmware that computes without end, and over a prelude that failed at its prompt."""
        process = board.processor.process
        if process is not None and not board.processor.listened and spun_s > START_PATIENCE_S and process.asleep():
            board.ended(EXIT_SOFTWARE, listened=False)
        if self._live is not None:
            if spun_s > LIVE_SPIN_LIMIT_S:
                board.processor.interactive = True  # let the others go on; its next request puts it in step again
            return
        if spun_s > self._spin_limit_s and process is not None:
            process.interrupt()
            deadline_s = time.monotonic() + INTERRUPT_PATIENCE_S
            while board.processor.holds_time and time.monotonic() < deadline_s:
                board.processor.receive()
            raise FirmwareSpins(
                f"{board.name} ran {spun_s:.1f} s without asking for the time or a pin; it was here:\n{board.tail()}"
            )

    # Paced runs

    @contextmanager
    def live(self) -> Iterator[Bench]:
        """Run in a thread, in step with the wall clock, while tools talk to the boards' ports.

        What goes wrong in the thread is raised at the end of the block.
        """
        live = Live(self, self._speed)
        self._live = live
        try:
            with live:
                yield self
        finally:
            self._live = None

    def call(self, action: Callable[[], T]) -> T:
        """Do `action` in the thread of the bench, at the present instant, and give back its result."""
        live = self._live
        return action() if live is None else live.call(action)
