"""What was heard and ordered lately, for people who look at the status page.

Nothing is decided by it and nothing is stored: it may forget. Everything in it is bounded, so a flood of forged devices
pushes out old entries and does nothing else. Texts in it come from the air and from peers: they are escaped where they
are shown, not here.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum

from gateway.frames import Downlink, DownlinkItem, DownlinkResult, GatewayReport, LoRa, Modulation, Moment, Uplink
from gateway.header import Header, Kind

_MOST_FRAMES = 40
_MOST_DOWNLINKS = 15
_MOST_NODES = 500
_MOST_CONCENTRATORS = 64
# A line of this many points is about as wide as a hand on a phone's screen.
_HISTORY = 24
_MOST_METADATA = 4
_LONGEST_TEXT = 64

# Demodulation needs this much signal over noise: Semtech SX1276 datasheet, table 13 (-7.5 dB at SF7, 2.5 dB a step).
_FLOOR_SF7_DB = -7.5
_FLOOR_STEP_DB = 2.5


class Fate(Enum):
    """What has become of a frame at one destination."""

    WAITING = "waiting"
    LIVE = "live"
    LATE = "late"
    SUPERSEDED = "superseded"


@dataclass(slots=True)
class Heard:
    """One uplink. `fates`: destination -> what has become of it; empty if no destination wants it."""

    seq: int
    wall_us: int
    mono_us: int
    kind: Kind
    dev_addr: int | None
    join_eui: int | None
    fcnt: int | None
    port: int | None
    confirmed: bool
    modulation: Modulation
    frequency_hz: int
    rssi_dbm: int
    snr_db: float
    gateway_id: str
    size: int
    fates: dict[str, Fate]


@dataclass(slots=True)
class Ordered:
    """One downlink and its result; `item` is the one transmitted, else the first."""

    number: int
    wall_us: int
    destination: int
    item: DownlinkItem | None
    result: DownlinkResult


@dataclass(slots=True)
class Node:
    """The signal of one device; `margin_db` is how far the last frame was above what its data rate needs."""

    dev_addr: int
    frames: int = 0
    snr_db: float = 0.0
    margin_db: float | None = None
    fcnt: int = 0
    wall_us: int = 0
    rssi_dbm: deque[int] = field(default_factory=lambda: deque(maxlen=_HISTORY))


@dataclass(slots=True)
class Concentrator:
    """What one concentrator sent since the daemon started; `report` holds its last counters."""

    uplinks: int = 0
    wall_us: int = 0
    report: GatewayReport | None = None
    metadata: dict[str, str] = field(default_factory=dict)


class Watch:
    """The memory of the status page."""

    def __init__(self) -> None:
        self._frames: OrderedDict[int, Heard] = OrderedDict()
        self._downlinks: deque[Ordered] = deque(maxlen=_MOST_DOWNLINKS)
        self._nodes: OrderedDict[int, Node] = OrderedDict()
        self._concentrators: OrderedDict[str, Concentrator] = OrderedDict()
        self._ordered = 0

    # What happens

    def heard(self, uplink: Uplink, front: Header, moment: Moment, seq: int, destinations: Iterable[str]) -> None:
        """A frame worth relaying came; `destinations` will get it."""
        if front.dev_addr is not None:
            self._note_node(front.dev_addr, uplink, front, moment)
        self._frames[seq] = Heard(
            seq,
            moment.wall_us,
            moment.mono_us,
            front.kind,
            front.dev_addr,
            front.join_eui,
            front.fcnt,
            front.port,
            front.confirmed,
            uplink.modulation,
            uplink.frequency_hz,
            uplink.rssi_dbm,
            uplink.snr_db,
            uplink.gateway_id,
            len(uplink.phy_payload),
            dict.fromkeys(destinations, Fate.WAITING),
        )
        if len(self._frames) > _MOST_FRAMES:
            self._frames.popitem(last=False)
        concentrator = self._concentrator(uplink.gateway_id, moment.wall_us)
        concentrator.uplinks += 1
        if uplink.metadata:
            concentrator.metadata = _cut(uplink.metadata)

    def delivered(self, seq: int, destination: str, late: bool) -> None:
        """A destination has acknowledged a frame."""
        frame = self._frames.get(seq)
        if frame is not None and destination in frame.fates:
            frame.fates[destination] = Fate.LATE if late else Fate.LIVE

    def superseded(self, dev_addr: int, before_seq: int, destination: str) -> None:
        """A destination wants no frames of a device from before `before_seq` any more."""
        for frame in self._frames.values():
            if frame.seq >= before_seq:
                break
            if frame.dev_addr == dev_addr and frame.fates.get(destination) is Fate.WAITING:
                frame.fates[destination] = Fate.SUPERSEDED

    def ordered(self, destination: int, downlink: Downlink, result: DownlinkResult, wall_us: int) -> None:
        """A downlink was carried out or refused."""
        self._ordered += 1
        sent = [item for item, status in zip(downlink.items, result.statuses, strict=False) if status.name == "OK"]
        item = next(iter(sent or downlink.items), None)
        self._downlinks.append(Ordered(self._ordered, wall_us, destination, item, result))

    def reported(self, report: GatewayReport, wall_us: int) -> None:
        """A concentrator told its counters."""
        concentrator = self._concentrator(report.gateway_id, wall_us)
        concentrator.report = report
        if report.metadata:
            concentrator.metadata = _cut(report.metadata)

    def _note_node(self, dev_addr: int, uplink: Uplink, front: Header, moment: Moment) -> None:
        node = self._nodes.pop(dev_addr, None) or Node(dev_addr)
        node.frames += 1
        node.snr_db = uplink.snr_db
        node.margin_db = margin_db(uplink.modulation, uplink.snr_db)
        node.rssi_dbm.append(uplink.rssi_dbm)
        node.fcnt, node.wall_us = front.fcnt or 0, moment.wall_us
        self._nodes[dev_addr] = node
        if len(self._nodes) > _MOST_NODES:
            self._nodes.popitem(last=False)

    def _concentrator(self, gateway_id: str, wall_us: int) -> Concentrator:
        concentrator = self._concentrators.get(gateway_id)
        if concentrator is None:
            concentrator = self._concentrators[gateway_id] = Concentrator()
            if len(self._concentrators) > _MOST_CONCENTRATORS:
                self._concentrators.popitem(last=False)
        concentrator.wall_us = wall_us
        return concentrator

    # What is shown, latest first

    def frames(self) -> Iterator[Heard]:
        """The last uplinks."""
        return reversed(self._frames.values())

    def downlinks(self) -> Iterator[Ordered]:
        """The last downlinks."""
        return reversed(self._downlinks)

    def nodes(self) -> Iterator[Node]:
        """The devices heard last."""
        return reversed(self._nodes.values())

    @property
    def known_nodes(self) -> int:
        """How many devices are remembered."""
        return len(self._nodes)

    def concentrator(self, gateway_id: str) -> Concentrator | None:
        """What is known of a concentrator."""
        return self._concentrators.get(gateway_id)


def margin_db(modulation: Modulation, snr_db: float) -> float | None:
    """How far a LoRa frame was above the demodulation floor of its spreading factor; None for other modulations."""
    if not isinstance(modulation, LoRa):
        return None
    return snr_db - _FLOOR_SF7_DB + _FLOOR_STEP_DB * (modulation.spreading_factor - 7)


def _cut(metadata: dict[str, str]) -> dict[str, str]:
    kept = list(metadata.items())[:_MOST_METADATA]
    return {key[:_LONGEST_TEXT]: value[:_LONGEST_TEXT] for key, value in kept}
