"""The serial port of a unit as the host sees it: a PTY that behaves like a USB-to-serial adapter.

What is sent while nobody has the port open is lost, as on a wire. Writes never block: an unread console
drops bytes instead of stopping the bench.
"""

from __future__ import annotations

import contextlib
import os
import select
import termios
import tty

READ_BYTES = 16384


class Port:
    """One PTY; `path` is the resolved /dev/pts/N to hand to tools."""

    def __init__(self) -> None:
        self.master, slave = os.openpty()
        try:
            tty.setraw(slave)
            self.path = os.ttyname(slave)
        finally:
            os.close(slave)  # closing it lets POLLHUP say whether a tool has the port open
        os.set_blocking(self.master, False)
        self._poll = select.poll()
        self._poll.register(self.master, select.POLLIN)
        self.opened = False

    def look(self) -> bool:
        """Find out whether a tool has the port open; True when that changed."""
        events = self._poll.poll(0)
        opened = not (events and events[0][1] & select.POLLHUP)
        changed, self.opened = opened != self.opened, opened
        if changed and not opened:
            self._flush()
        return changed

    def _flush(self) -> None:
        """Throw away what the tool that has gone did not read, so that the next one starts clean."""
        with contextlib.suppress(OSError):
            slave = os.open(self.path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK)
            try:
                termios.tcflush(slave, termios.TCIFLUSH)
            finally:
                os.close(slave)

    def read(self) -> bytes:
        """What the tool sent; empty when nothing came or it hung up."""
        try:
            return os.read(self.master, READ_BYTES)
        except OSError:  # EAGAIN: nothing there; EIO: nobody there
            return b""

    def write(self, data: bytes) -> None:
        """Send to the tool, if there is one and as much as fits."""
        if self.opened:
            with contextlib.suppress(BlockingIOError):
                sent = os.write(self.master, data)
                while sent < len(data):
                    sent += os.write(self.master, data[sent:])

    def close(self) -> None:
        """Unplug."""
        os.close(self.master)
