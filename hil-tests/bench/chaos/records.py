"""What happened in a run, as values. All times are true Unix seconds, whatever the gateway's clocks say."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

Key = tuple[int, int]
"""A frame: (DevAddr, FCnt)."""


@dataclass(slots=True)
class Sent:
    """A frame put on the way to the gateway; `acked_s` is when its PUSH_ACK came, None without one."""

    dev_addr: int
    f_cnt: int
    phy_payload: bytes
    count_us: int
    """The concentrator's 32-bit counter at reception: what an answer is timed by."""
    sent_s: float
    acked_s: float | None = None

    @property
    def key(self) -> Key:
        """Which frame this is."""
        return (self.dev_addr, self.f_cnt)


class Arrival(NamedTuple):
    """An `up` event at the application."""

    dev_addr: int
    f_cnt: int
    at_s: float
    """When it came."""
    time_s: float
    """When the frame was received, as the event tells it."""
    clock: str = ""
    """Who vouches for that time, of late frames (`spatz_clock`); "" of live ones."""
    published_s: float | None = None
    """When the gateway wrote that time; None: as good as `at_s`."""


class Emission(NamedTuple):
    """The radio transmitted."""

    dev_addr: int
    phy_payload: bytes
    at_s: float
    count_us: int


class Claim(NamedTuple):
    """The gateway told the server that a downlink was transmitted (DownlinkTxAck with an OK)."""

    downlink_id: int
    phy_payload: bytes
    at_s: float


class Period(NamedTuple):
    """From, until."""

    from_s: float
    until_s: float


@dataclass(slots=True)
class Record:
    """Everything the judge needs."""

    sent: list[Sent] = field(default_factory=list)
    arrivals: list[Arrival] = field(default_factory=list)
    emissions: list[Emission] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    synchronised: list[Period] = field(default_factory=list)
    """When the gateway's clock was right and said so."""
