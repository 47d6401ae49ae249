"""The fork server: a process that has loaded MicroPython once and forks a board from it in a millisecond.

Run as a script (`python -I -S zygote.py FD DIRECTORY`), single-threaded on purpose: forking a threaded process
is unsafe. FD is a SOCK_SEQPACKET socket to the supervisor, DIRECTORY holds the extension `micropython_run`.

    to us:    JSON {"argv", "env", "cwd"} with three descriptors: console, bus, and one to wait on its end
    from us:  JSON {"pid"}, or {"ended", "status"} when a board's process is over
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import sys
from typing import Any

BUS_FD = 3
MESSAGE_BYTES = 65536
PR_SET_PDEATHSIG = 1  # linux/prctl.h


def die_with(parent: int) -> None:
    """In the forked child: end with the fork server, however it ends. An orphan spins at its closed bus for ever."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it went before it was asked
        os._exit(0)


def become_board(order: dict[str, Any], console: int, bus: int, parent: int) -> None:
    """In the forked child: put the descriptors in their places and run the interpreter. Never returns."""
    status = 70
    try:
        import micropython_run  # loaded before the fork; this only names it

        die_with(parent)
        high = max(console, bus, BUS_FD) + 1
        os.dup2(bus, high)
        for fd in range(3):
            os.dup2(console, fd)
        os.dup2(high, BUS_FD)
        os.closerange(BUS_FD + 1, high + 64)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_SETMASK, set())
        os.environ.clear()
        os.environ.update(order["env"])
        os.chdir(order["cwd"])
        status = micropython_run.run_main(order["argv"])
    finally:
        os._exit(status if isinstance(status, int) else 0)


def report_ends(control: socket.socket, children: set[int]) -> None:
    """Tell the supervisor about every child that is over."""
    while children:
        pid, status = os.waitpid(-1, os.WNOHANG)
        if not pid:
            return
        children.discard(pid)
        with contextlib.suppress(BrokenPipeError):  # the supervisor may have gone first
            control.send(json.dumps({"ended": pid, "status": os.waitstatus_to_exitcode(status)}).encode())


def serve(control: socket.socket) -> None:
    """Fork boards until the supervisor hangs up; then none of them survives."""
    wake_read, wake_write = os.pipe()
    for fd in (wake_read, wake_write):
        os.set_blocking(fd, False)
    signal.set_wakeup_fd(wake_write)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    children: set[int] = set()
    poll = select.poll()
    poll.register(control, select.POLLIN)
    poll.register(wake_read, select.POLLIN)
    while True:
        ready = [fd for fd, _ in poll.poll()]
        with contextlib.suppress(BlockingIOError):
            os.read(wake_read, 512)
        report_ends(control, children)
        if control.fileno() not in ready:
            continue  # recv_fds would block: CPython 3.11 drops its flags, MSG_DONTWAIT too
        message, descriptors, _, _ = socket.recv_fds(control, MESSAGE_BYTES, 4)
        if not message:
            break
        console, bus = descriptors
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            become_board(json.loads(message), console, bus, parent)
        children.add(pid)
        os.close(console)
        os.close(bus)
        pidfd = os.pidfd_open(pid)
        socket.send_fds(control, [json.dumps({"pid": pid}).encode()], [pidfd])
        os.close(pidfd)
    for pid in children:
        os.kill(pid, signal.SIGKILL)


def main() -> None:
    """Load the extension, then serve."""
    control = socket.socket(fileno=int(sys.argv[1]))
    sys.path.insert(0, sys.argv[2])
    import micropython_run  # noqa: F401 (loaded once, inherited by every fork)

    serve(control)


if __name__ == "__main__":
    main()
