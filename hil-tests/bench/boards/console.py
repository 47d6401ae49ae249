"""The rules between a unit's serial port and the interpreter's stdin and stdout.

The interpreter sits behind a socket pair, not a second PTY: no echo, no line discipline, no CR LF mapping; bytes
pass unchanged both ways, so binary transfers survive. What the port of a real board does in its driver is done here:

* Ctrl-C interrupts running code and is an ordinary key at a prompt; the interpreter's own SIGINT handler tells which.
* After a soft reset the new interpreter comes up at the prompt the old one had (raw or friendly).
* Keys typed while a board boots wait until it listens.
"""

from __future__ import annotations

import contextlib

from bench.boards.interpreter import Process

CTRL_A, CTRL_B, CTRL_C = b"\x01", b"\x02", b"\x03"
RAW_BANNER = b"raw REPL; CTRL-B to exit\r\n>"
FRIENDLY_PROMPT = b">>> "
READ_BYTES = 65536
TYPED_AHEAD_BYTES = 65536  # beyond it keys are lost, as in the FIFO of a busy board
KEPT_BYTES = 1 << 20  # of the console's past, for people and tests


class Console:
    """Between one unit's port and its present interpreter."""

    def __init__(self) -> None:
        self.output = bytearray()
        """What the board printed since it was added (the last megabyte)."""
        self.raw = False
        """Whether the interpreter is at, or came from, the raw prompt."""
        self.input_arrived = False
        self._process: Process | None = None
        self._held = bytearray()
        self._listening = False
        self._leaving_raw = False
        self._tail = b""

    def attach(self, process: Process) -> None:
        """A new interpreter: hold keys back until `release`."""
        self._process = process
        self._listening = False
        self._tail = b""

    def detach(self) -> None:
        """The interpreter is gone."""
        self._process = None

    def release(self) -> None:
        """The interpreter runs code or stands at its prompt: keys may come."""
        self._listening = True
        held = bytes(self._held)
        self._held.clear()
        self.type(held)

    def forget_keys(self) -> None:
        """A hard reset empties the receiver."""
        self._held.clear()
        self.raw = False

    def queue_raw(self) -> None:
        """Let the next interpreter enter the raw prompt first of all."""
        self._held[:0] = CTRL_A

    def type(self, data: bytes) -> None:
        """Bytes from the outside."""
        if not data:
            return
        if not self._listening or self._process is None:
            self._held += data[: TYPED_AHEAD_BYTES - len(self._held)]
            return
        self.input_arrived = True
        for i, part in enumerate(data.split(CTRL_C)):
            if i:
                self._interrupt()
            if part:
                if CTRL_B in part:
                    self._leaving_raw = True
                self._send(part)

    def _interrupt(self) -> None:
        if self._process is not None and self._process.catches_interrupt():
            with contextlib.suppress(ProcessLookupError):
                self._process.interrupt()
        else:
            self._send(CTRL_C)

    def _send(self, data: bytes) -> None:
        if self._process is not None:
            with contextlib.suppress(BlockingIOError, BrokenPipeError, ConnectionResetError):
                self._process.console.send(data)

    def listen(self) -> bytes:
        """What the interpreter printed since the last call."""
        if self._process is None:
            return b""
        parts = []
        with contextlib.suppress(BlockingIOError, ConnectionResetError):
            while part := self._process.console.recv(READ_BYTES):
                parts.append(part)
        data = b"".join(parts)
        if data:
            self.keep(data)
            self._watch_prompt(data)
        return data

    def keep(self, data: bytes) -> None:
        """Remember output."""
        self.output += data
        if len(self.output) > 2 * KEPT_BYTES:
            del self.output[:-KEPT_BYTES]

    def _watch_prompt(self, data: bytes) -> None:
        text = self._tail + data
        if RAW_BANNER in text:
            self.raw, self._leaving_raw = True, False
            text = text[text.rindex(RAW_BANNER) + len(RAW_BANNER) :]
        if self.raw and self._leaving_raw and FRIENDLY_PROMPT in text:
            self.raw = False
        self._tail = text[-len(RAW_BANNER) :]
