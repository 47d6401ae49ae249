"""The daemon's numbers for Prometheus, read at the moment of the question; nothing is counted twice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

if TYPE_CHECKING:
    from gateway.daemon import Daemon

CONTENT_TYPE = CONTENT_TYPE_LATEST
_PREFIX = "spatz_gateway_"


class _DaemonCollector(Collector):
    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon

    def collect(self) -> Iterator[Metric]:
        daemon = self._daemon
        yield _counter("uplinks_received", "Uplinks heard, worth relaying or not", daemon.intake.received)
        yield _gauge("buffered_frames", "Frames some destination has not acknowledged", daemon.buffered)
        yield _gauge("concentrators", "Concentrators heard since start", len(daemon.gateways))
        yield _gauge("concentrators_silent", "Of these, without a sign of life now", len(daemon.silent))
        yield _gauge("spool_bytes", "Bytes of the spool in use", daemon.spool.bytes_used)
        yield _gauge("spool_max_bytes", "Quota of the spool", daemon.settings.spool.max_bytes)
        yield _counter("frames_evicted", "Frames given up because the quota was reached", daemon.spool.evicted)
        yield _counter("frames_expired", "Frames given up because of their age", daemon.expired)
        yield _counter("downlinks_sent", "Downlinks a concentrator accepted", daemon.desk.sent)
        yield _counter("downlinks_refused", "Downlinks no concentrator accepted", daemon.desk.refused)
        yield _gauge("clock_verified", "1 if the wall clock is synchronised", int(daemon.clock.verified()))
        yield _gauge("uptime_seconds", "Time since start", (daemon.clock.mono_us() - daemon.started_us) / 1e6)
        if daemon.intake.last_uplink_us is not None:
            last_s = daemon.intake.last_uplink_us / 1e6
            yield _gauge("last_uplink_timestamp_seconds", "When the last uplink was heard", last_s)
        yield from self._destinations()
        yield from self._duty_cycle()
        events = CounterMetricFamily(f"{_PREFIX}events", "Things refused, dropped or failed", labels=["event", "kind"])
        for (event, kind), number in self._daemon.tally.counts.items():
            events.add_metric([event, kind], number)
        yield events

    def _destinations(self) -> Iterator[Metric]:
        label = ["destination"]
        up = GaugeMetricFamily(f"{_PREFIX}destination_up", "1 if frames get through", labels=label)
        since = GaugeMetricFamily(
            f"{_PREFIX}destination_since_seconds", "How long it has been connected, or not", labels=label
        )
        now_us = self._daemon.clock.mono_us()
        buffered = GaugeMetricFamily(f"{_PREFIX}destination_buffered_frames", "Frames waiting", labels=label)
        delivered = CounterMetricFamily(f"{_PREFIX}frames_delivered", "Frames acknowledged", labels=label)
        late = CounterMetricFamily(f"{_PREFIX}frames_delivered_late", "Of these, late ones", labels=label)
        superseded = CounterMetricFamily(f"{_PREFIX}frames_superseded", "Overtaken by a live frame", labels=label)
        for relay in self._daemon.relays:
            up.add_metric([relay.name], int(relay.flowing))
            since.add_metric([relay.name], (now_us - relay.changed_us) / 1e6)
            buffered.add_metric([relay.name], relay.buffered)
            delivered.add_metric([relay.name], relay.delivered)
            late.add_metric([relay.name], relay.delivered_late)
            superseded.add_metric([relay.name], relay.superseded)
        yield from (up, since, buffered, delivered, late, superseded)
        yield from self._bytes()

    def _bytes(self) -> Iterator[Metric]:
        wire = CounterMetricFamily(
            f"{_PREFIX}destination_wire_bytes", "Bytes over the wire, headers included", labels=["destination"]
        )
        label = ["destination", "period"]
        limit = GaugeMetricFamily(f"{_PREFIX}budget_limit_bytes", "Byte budget of this day or month", labels=label)
        used = GaugeMetricFamily(f"{_PREFIX}budget_used_bytes", "What was used of it", labels=label)
        for relay in self._daemon.relays:
            wire.add_metric([relay.name], relay.link.wire.total_bytes)
            for period in relay.budget.periods():
                if period.limit_bytes:
                    limit.add_metric([relay.name, period.name], period.limit_bytes)
                    used.add_metric([relay.name, period.name], period.used_bytes)
        yield from (wire, limit, used)

    def _duty_cycle(self) -> Iterator[Metric]:
        label = ["gateway", "band"]
        used = GaugeMetricFamily(f"{_PREFIX}duty_cycle_used_seconds", "Airtime of the last hour", labels=label)
        limit = GaugeMetricFamily(f"{_PREFIX}duty_cycle_limit_seconds", "Airtime allowed in an hour", labels=label)
        for account in self._daemon.desk.duty.accounts(self._daemon.clock.mono_us()):
            used.add_metric([account.gateway_id, account.band], account.used_ms / 1000)
            limit.add_metric([account.gateway_id, account.band], account.limit_ms / 1000)
        yield from (used, limit)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, text, value=value)


class Metrics:
    """The text of /metrics."""

    def __init__(self, daemon: Daemon) -> None:
        self._registry = CollectorRegistry()
        self._registry.register(_DaemonCollector(daemon))

    def text(self) -> bytes:
        """All metrics in the exposition format."""
        return generate_latest(self._registry)
