"""What the flows (join, uplink, downlink, acknowledgement) share: memory, settings, chance, and what is to come.

A flow is a function of this context, its input and the time; it changes the memory, appends outputs and may ask
for a continuation at a later time. Nothing here knows a clock.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field

from chirpstack_api import gw

from bench.server.chance import Chance
from bench.server.errors import Dropped, FrameError
from bench.server.eventtime import event_time_us
from bench.server.outputs import LogEvent, Output
from bench.server.records import QueueItem
from bench.server.settings import Settings
from bench.server.storage import Storage

Task = Callable[[int], None]
"""Called with the time it was asked for."""


@dataclass(frozen=True, slots=True)
class UplinkSet:
    """One uplink after de-duplication: the frame once, and everybody who heard it."""

    deduplication_id: str
    phy_payload: bytes = field(repr=False)
    tx_info: gw.UplinkTxInfo
    receptions: tuple[gw.UplinkRxInfo, ...]
    dr: int


@dataclass(frozen=True, slots=True)
class SentDownlink:
    """A downlink handed to a gateway, waiting for its acknowledgement."""

    dev_eui: str
    frame: gw.DownlinkFrame
    queue_item: QueueItem | None
    f_cnt_down: int
    forget_us: int


class Context:
    """Shared by the flows of one server."""

    def __init__(self, settings: Settings, storage: Storage, chance: Chance) -> None:
        self.settings = settings
        self.storage = storage
        self.chance = chance
        self.sent: dict[int, SentDownlink] = {}
        self._outputs: list[Output] = []
        self._tasks: list[tuple[int, int, Task]] = []
        self._sequence = 0

    def emit(self, output: Output) -> None:
        """Hand something out."""
        self._outputs.append(output)

    def log(self, level: str, text: str, **fields: str | int) -> None:
        """A line for the server's own log."""
        self.emit(LogEvent(level, text, fields))

    def drain(self) -> list[Output]:
        """Everything handed out since the last call."""
        outputs, self._outputs = self._outputs, []
        return outputs

    def at(self, when_us: int, task: Task) -> None:
        """Continue at `when_us`; continuations of the same time run in the order they were asked for."""
        heapq.heappush(self._tasks, (when_us, self._sequence, task))
        self._sequence += 1

    def next_us(self) -> int | None:
        """Time of the next continuation."""
        return self._tasks[0][0] if self._tasks else None

    def run_due(self, now_us: int) -> None:
        """Run what is due, each with its own time, so that a coarse caller changes nothing."""
        while self._tasks and self._tasks[0][0] <= now_us:
            when_us, _, task = heapq.heappop(self._tasks)
            self._run(task, when_us)

    def guard(self, flow: Callable[[], None]) -> None:
        """Run a flow; a frame that leads nowhere leaves a line in the log and nothing else."""
        try:
            flow()
        except (Dropped, FrameError) as error:
            self.log("info", str(error))

    def _run(self, task: Task, when_us: int) -> None:
        self.guard(lambda: task(when_us))

    def event_time_us(self, uplink: UplinkSet, now_us: int) -> int:
        """Time of an uplink by ChirpStack's rule."""
        return event_time_us(uplink.receptions, now_us, self.settings.rx_timestamp_max_drift_us)

    def remember(self, sent: SentDownlink, now_us: int) -> None:
        """Keep a sent downlink for its acknowledgement; forget those whose time is over."""
        while self.sent:
            oldest = next(iter(self.sent.values()))
            if oldest.forget_us > now_us:
                break
            del self.sent[oldest.frame.downlink_id]
        self.sent[sent.frame.downlink_id] = sent
