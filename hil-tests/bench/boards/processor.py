"""The running processor of a board: one interpreter process, its requests in the order of their times, its interrupts.

A request goes  bus -> queue -> (its time has come) -> answer, or a wait that ends later -> answer.  Posted requests
have no answer; while one of those is queued the program goes on. What concerns the unit and not the processor
(resets, memory that survives them) is handed to the board.
"""

from __future__ import annotations

import hashlib
import signal
import socket
import struct
from collections import deque
from collections.abc import Callable
from typing import Protocol

from bench.boards.bus import MAX_INTERRUPTS, MESSAGE_BYTES, Answer, Interrupt, Request, build, parse
from bench.boards.console import Console
from bench.boards.harness import Harness
from bench.boards.interpreter import Process
from bench.boards.periphery import Periphery
from bench.boards.waits import Sleep, Wait
from bench.overlay import bench_ops as ops
from bench.schedule import Schedule

RECEIVE_TIMEOUT = struct.pack("ll", 0, 2000)  # struct timeval: after 2 ms without a request look at the console
UNHASHED = frozenset((ops.BOOT, ops.SYNC, ops.SLEEP, ops.START, ops.STATE, ops.RTC_MEMORY_GET))
"""Requests that touch nothing outside the board; how many there are depends on how time was granted."""


class System(Protocol):
    """What a processor needs of the board around it."""

    def system(self, request: Request) -> Answer | None:
        """A request about the unit itself; None for posted ones and for those that end the process."""

    def ended(self, status: int, listened: bool) -> None:
        """The interpreter ended by itself. `listened`: it had come as far as running programs."""

    def wake_pin_active(self) -> bool:
        """Whether a pin that ends a light sleep has its level."""

    def lease_us(self) -> int:
        """Until when nothing can happen to this board that it does not do itself."""


class Processor:
    """One board's interpreter between its starts and ends."""

    def __init__(self, schedule: Schedule, harness: Harness, console: Console, system: System) -> None:
        self.periphery = Periphery(schedule, harness, self._interrupt, self.wake)
        self.process: Process | None = None
        self.interactive = False
        """Whether a person has the board: it does not hold time, and its clock follows the bench's."""
        self._schedule = schedule
        self._console = console
        self._system = system
        self._queue: deque[tuple[int, Request]] = deque()
        self._wait: tuple[Request, Wait] | None = None
        self._woken = False
        self._interrupts: list[Interrupt] = []
        self._speaking = False
        self.listened = False
        """Whether the prelude came to its end: programs run, keys are taken."""
        self._boots_us = 0
        self._hash = hashlib.sha256()

    # Start and end

    def start(self, start: Callable[[], Process], boots_us: int, reason: str) -> None:
        """Start an interpreter that will run its first line at `boots_us`."""
        self._hash.update(struct.pack("<q", self._schedule.now_us) + reason.encode())
        self._boots_us = boots_us
        self.process = start()
        self.process.bus.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, RECEIVE_TIMEOUT)
        self._console.attach(self.process)
        self._speaking = True
        self.listened = False
        self.interactive = False

    def halt(self, listen: Callable[[], None]) -> None:
        """End the interpreter at once. What it asked for and did not get is forgotten; its output is not."""
        if self.process is not None:
            self.process.kill()
            listen()
            self.process.close()
            self.process = None
        self._console.detach()
        self.periphery.reset()
        self._queue.clear()
        self._wait = None
        self._woken = False
        self._interrupts.clear()
        self._speaking = False
        self.interactive = False

    def transcript(self) -> bytes:
        """SHA-256 over all that it did to the world so far."""
        return self._hash.digest()

    # Whose turn it is

    @property
    def holds_time(self) -> bool:
        """Whether the program runs just now, so that time must wait for its next request."""
        return self._speaking and not self.interactive

    @property
    def posting(self) -> bool:
        """Whether it did things that have not reached the world yet."""
        return bool(self._queue) and self._queue[0][1].posted

    @property
    def due_us(self) -> int | None:
        """When something of it is to be done next."""
        if self._wait is not None:
            return self._schedule.now_us if self._woken else self._wait[1].until_us
        return self._queue[0][0] if self._queue else None

    # Requests

    def receive(self, wait: bool = True) -> bool:
        """Take one message of the interpreter; False when none is there (after 2 ms with `wait`)."""
        process = self.process
        if process is None:
            return False
        try:
            message = process.bus.recv(MESSAGE_BYTES, 0 if wait else socket.MSG_DONTWAIT)
        except BlockingIOError:
            return False
        except ConnectionResetError:
            message = b""
        if message:
            self._take(parse(message))
        else:
            self._system.ended(process.status(), self.listened)
        return True

    def _take(self, request: Request) -> None:
        if not self._speaking:  # Ctrl-C ended its last call at the board's end
            if self._wait is not None:
                self._wait = None
            elif self._queue and not self._queue[-1][1].posted:
                self._queue.pop()
            self._speaking = True
        earliest_us = self._queue[-1][0] if self._queue else self._schedule.now_us
        if request.op == ops.BOOT:
            earliest_us = max(earliest_us, self._boots_us)
        due_us = max(request.now_us, earliest_us) + self.periphery.delay_us(request)
        self._queue.append((due_us, request))
        if not request.posted:
            self._speaking = False
        elif request.op == ops.REPL:
            self.interactive = True
        elif request.op == ops.START:
            self.listened = True

    def step(self) -> None:
        """Do what is due now."""
        if self._wait is not None:
            request, wait = self._wait
            self._woken = False
            answer = wait.poll(self._schedule.now_us)
            if answer is not None:
                self._wait = None
                self._answer(request, answer)
            return
        _, request = self._queue.popleft()
        result = self._serve(request)
        if result is None or request.posted:
            self._record(request, Answer())
        elif isinstance(result, Answer):
            self._answer(request, result)
        else:
            self._wait = (request, result)
            self._woken = True  # it may have come before we looked

    def _serve(self, request: Request) -> Answer | Wait | None:
        if self.periphery.serves(request.op):
            return self.periphery.serve(request)
        if request.op == ops.SYNC:
            return Answer()
        if request.op == ops.SLEEP:
            return self._sleep(request)
        return self._system.system(request)

    def _sleep(self, request: Request) -> Wait:
        (until_us,) = struct.unpack("<q", request.data)
        wake = request.a
        self._console.input_arrived = False

        def disturbed() -> bool:
            return (
                bool(self._interrupts)
                or (bool(wake & ops.WAKE_LIGHT) and self._system.wake_pin_active())
                or (bool(wake & ops.WAKE_CONSOLE) and self._console.input_arrived)
                or (bool(wake & ops.WAKE_UART) and self.periphery.uart_waiting())
            )

        return Sleep(until_us, disturbed)

    def _answer(self, request: Request, answer: Answer) -> None:
        process = self.process
        if process is None:
            return
        self._record(request, answer)
        interrupts, self._interrupts = self._interrupts[:MAX_INTERRUPTS], self._interrupts[MAX_INTERRUPTS:]
        now_us = self._schedule.now_us + answer.took_us
        self._speaking = True
        try:
            for message in build(request.sequence, answer, now_us, self._system.lease_us(), interrupts):
                process.bus.send(message)
        except (BrokenPipeError, ConnectionResetError):
            return  # it has just ended by itself; `receive` will find out

    def _record(self, request: Request, answer: Answer) -> None:
        if request.op not in UNHASHED:
            head = struct.pack("<qBBIB", self._schedule.now_us, request.op, request.a, request.b, answer.status)
            self._hash.update(head + request.data + answer.data + struct.pack("<q", answer.value))

    def _interrupt(self, kind: int, number: int, value: int) -> None:
        self._interrupts.append((kind, number, value))
        self.wake()

    def wake(self) -> None:
        """Something happened that its wait may be for."""
        self._woken = True


def ended_by_signal(status: int) -> bool:
    """Whether an exit status means a crash. SIGINT does not: Ctrl-C met the interpreter between two programs."""
    return status < 0 and status != -signal.SIGINT
