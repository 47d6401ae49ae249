"""A picture of the daemon at one moment: what the status page shows, as plain values.

Wall times are Unix microseconds as the machine believes them, None where there is none.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from gateway.budget import Period
from gateway.duty import Account
from gateway.errors import SpoolError
from gateway.frames import GatewayReport
from gateway.header import Kind
from gateway.state import State
from gateway.store import Store
from gateway.watch import Fate, Heard, Node, Ordered

if TYPE_CHECKING:
    from gateway.daemon import Daemon
    from gateway.relay import Relay

# The oldest frame of a destination is looked for among so many of the oldest, so that the look stays cheap.
_OLDEST_LOOKED_AT = 200
_MOST_NODES = 30


class Destination(NamedTuple):
    """One destination. `why` in the words of whoever failed, "" if there is nothing to say. `changed_us`: when it was
    connected or lost; `since_us`: the same, or when holding began.
    """

    name: str
    server: str
    state: State
    why: str
    since_us: int
    changed_us: int
    waiting: int
    oldest_us: int | None
    in_flight: int
    delivered: int
    late: int
    superseded: int
    acknowledged_us: int | None
    budget: tuple[Period, ...]
    wire_bytes: int


class Concentrator(NamedTuple):
    """One concentrator and the source it speaks over; `reachable` if it showed signs of life of late."""

    gateway_id: str
    source: str
    reachable: bool
    uplinks: int
    seen_us: int | None
    report: GatewayReport | None
    metadata: dict[str, str]


class Picture(NamedTuple):
    """Everything the page shows."""

    now_us: int
    uptime_s: int
    clock_verified: bool
    received: int
    last_uplink_us: int | None
    buffered: int
    oldest_us: int | None
    spool_bytes: int
    spool_max_bytes: int
    max_age_us: int
    durability: str
    disk_full: bool
    evicted: int
    expired: int
    sent: int
    refused_downlinks: int
    destinations: tuple[Destination, ...]
    concentrators: tuple[Concentrator, ...]
    sources: tuple[str, ...]
    frames: tuple[Heard, ...]
    downlinks: tuple[Ordered, ...]
    nodes: tuple[Node, ...]
    known_nodes: int
    numbers: dict[int, str]
    join_lifetime_us: int
    airtime: tuple[Account, ...]
    refusals: tuple[tuple[str, str, int], ...]


async def look(daemon: Daemon) -> Picture:
    """Take the picture."""
    clock, watch = daemon.clock, daemon.intake.watch
    now_us, mono_us = clock.wall_us(), clock.mono_us()
    oldest = await _oldest(daemon)
    destinations = tuple(
        _destination(daemon, relay, oldest.get(relay.number), now_us - mono_us) for relay in daemon.relays
    )
    refusals = sorted(daemon.tally.counts.items(), key=lambda one: -one[1])
    spool = daemon.settings.spool
    return Picture(
        now_us=now_us,
        uptime_s=(mono_us - daemon.started_us) // 1_000_000,
        clock_verified=clock.verified(),
        received=daemon.intake.received,
        last_uplink_us=daemon.intake.last_uplink_us,
        buffered=daemon.buffered,
        oldest_us=min((one.oldest_us for one in destinations if one.oldest_us is not None), default=None),
        spool_bytes=daemon.spool.bytes_used,
        spool_max_bytes=spool.max_bytes,
        max_age_us=spool.max_age,
        durability=spool.durability,
        disk_full=daemon.spool.emergency,
        evicted=daemon.spool.evicted,
        expired=daemon.expired,
        sent=daemon.desk.sent,
        refused_downlinks=daemon.desk.refused,
        destinations=destinations,
        concentrators=tuple(_concentrator(daemon, gateway_id) for gateway_id in sorted(daemon.gateways)),
        sources=tuple(daemon.addresses),
        frames=tuple(watch.frames()),
        downlinks=tuple(watch.downlinks()),
        nodes=tuple(node for node, _ in zip(watch.nodes(), range(_MOST_NODES), strict=False)),
        known_nodes=watch.known_nodes,
        numbers={relay.number: relay.name for relay in daemon.relays},
        join_lifetime_us=max((relay.join_lifetime_us for relay in daemon.relays), default=0),
        airtime=tuple(daemon.desk.duty.accounts(mono_us)),
        refusals=tuple((event, kind, count) for (event, kind), count in refusals),
    )


async def _oldest(daemon: Daemon) -> dict[int, int]:
    """Destination -> reception of its oldest waiting frame, as wall time of now."""
    found: dict[int, int] = {}
    now_us = daemon.clock.wall_us()
    for relay in daemon.relays:
        if not relay.buffered:
            continue
        try:
            moment = await daemon.spool.call(
                partial(Store.oldest_for, destination=relay.number, limit=_OLDEST_LOOKED_AT)
            )
        except SpoolError:
            continue
        age_us = None if moment is None else daemon.calendar.age_us(moment)
        if age_us is not None:
            found[relay.number] = now_us - age_us
    return found


def _destination(daemon: Daemon, relay: Relay, oldest_us: int | None, wall_ahead_us: int) -> Destination:
    since_us = relay.turns.holding_since_us or relay.changed_us
    why = relay.why
    if relay.state is State.DOWN and not daemon.gateways and not why:
        why = "waits for the first concentrator"
    server = next((str(one.server) for one in daemon.settings.destination if one.name == relay.name), "")
    acknowledged_us = relay.last_delivered_us
    return Destination(
        name=relay.name,
        server=server,
        state=relay.state,
        why=why,
        since_us=since_us + wall_ahead_us,
        changed_us=relay.changed_us + wall_ahead_us,
        waiting=relay.buffered,
        oldest_us=oldest_us,
        in_flight=relay.turns.in_flight,
        delivered=relay.delivered,
        late=relay.delivered_late,
        superseded=relay.superseded,
        acknowledged_us=None if acknowledged_us is None else acknowledged_us + wall_ahead_us,
        budget=tuple(relay.budget.periods()),
        wire_bytes=relay.link.wire.total_bytes,
    )


def _concentrator(daemon: Daemon, gateway_id: str) -> Concentrator:
    source = daemon.gateways[gateway_id]
    known = daemon.intake.watch.concentrator(gateway_id)
    return Concentrator(
        gateway_id=gateway_id,
        source=source.name,
        reachable=gateway_id in source.reachable(),
        uplinks=0 if known is None else known.uplinks,
        seen_us=None if known is None else known.wall_us,
        report=None if known is None else known.report,
        metadata={} if known is None else known.metadata,
    )


def expired(frame: Heard, picture: Picture) -> bool:
    """Whether a frame that is never stored has become useless before it could be sent."""
    waits = Fate.WAITING in frame.fates.values()
    return frame.kind is not Kind.DATA and waits and picture.now_us - frame.wall_us > picture.join_lifetime_us
