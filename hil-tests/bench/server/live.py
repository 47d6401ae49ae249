"""The core run by the wall clock: one lock, one timer thread, and listeners for what comes out.

Whoever wants something of the core (MQTT loop, gRPC threads, a test) takes a turn:

    with live.turn() as turn:
        turn.emit(turn.core.handle_uplink(frame, turn.now_us))

Turns exclude each other. What a turn emitted goes to the listeners when it ends, in order, before the next turn
begins; listeners must not take a turn themselves.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator

from bench.server.core import NetworkServer
from bench.server.outputs import Output

log = logging.getLogger(__name__)

Listener = Callable[[Output, int], None]
"""Called with an output and the time of its turn in microseconds since the Unix epoch."""


def wall_clock_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1000


class Turn:
    """A moment alone with the core."""

    def __init__(self, core: NetworkServer, now_us: int) -> None:
        self.core = core
        self.now_us = now_us
        self.outputs: list[Output] = []

    def emit(self, outputs: Iterable[Output]) -> None:
        """Hand outputs of the core to the listeners when the turn ends."""
        self.outputs.extend(outputs)


class LiveServer:
    """A context manager; inside it the core's timers run."""

    def __init__(self, core: NetworkServer, clock_us: Callable[[], int] = wall_clock_us) -> None:
        self._core = core
        self._clock_us = clock_us
        self._last_us = 0
        self._condition = threading.Condition(threading.Lock())
        self._listeners: list[Listener] = []
        self._running = False
        self._thread: threading.Thread | None = None

    def listen(self, listener: Listener) -> None:
        """Send all outputs to `listener` from now on."""
        self._listeners.append(listener)

    @contextlib.contextmanager
    def turn(self) -> Iterator[Turn]:
        """A turn at the present time. Outputs are handed on even when the turn ends with an error."""
        with self._condition:
            turn = Turn(self._core, self._now_us())
            try:
                yield turn
            finally:
                self._hand_on(turn)
                self._condition.notify_all()

    def __enter__(self) -> LiveServer:
        self._running = True
        self._thread = threading.Thread(target=self._run_timers, name="server-timers", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._condition:
            self._running = False
            self._condition.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _run_timers(self) -> None:
        with self._condition:
            while self._running:
                due_us = self._core.next_us()
                now_us = self._now_us()
                if due_us is None or due_us > now_us:
                    self._condition.wait(None if due_us is None else (due_us - now_us) / 1_000_000)
                    continue
                turn = Turn(self._core, now_us)
                try:
                    turn.emit(self._core.poll(now_us))
                except Exception:
                    # A fault of ours in one flow must not stop the clock of all others.
                    log.exception("a flow of the server failed")
                self._hand_on(turn)

    def _hand_on(self, turn: Turn) -> None:
        for output in turn.outputs:
            for listener in self._listeners:
                listener(output, turn.now_us)

    def _now_us(self) -> int:
        """The clock, held where it would step back."""
        self._last_us = max(self._last_us, self._clock_us())
        return self._last_us
