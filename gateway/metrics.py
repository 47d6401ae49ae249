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
        events = CounterMetricFamily(f"{_PREFIX}events", "Things refused, dropped or failed", labels=["event", "kind"])
        for (event, kind), number in self._daemon.tally.counts.items():
            events.add_metric([event, kind], number)
        yield events

    def _destinations(self) -> Iterator[Metric]:
        label = ["destination"]
        up = GaugeMetricFamily(f"{_PREFIX}destination_up", "1 if frames get through", labels=label)
        buffered = GaugeMetricFamily(f"{_PREFIX}destination_buffered_frames", "Frames waiting", labels=label)
        delivered = CounterMetricFamily(f"{_PREFIX}frames_delivered", "Frames acknowledged", labels=label)
        late = CounterMetricFamily(f"{_PREFIX}frames_delivered_late", "Of these, late ones", labels=label)
        superseded = CounterMetricFamily(f"{_PREFIX}frames_superseded", "Overtaken by a live frame", labels=label)
        for relay in self._daemon.relays:
            up.add_metric([relay.name], int(relay.flowing))
            buffered.add_metric([relay.name], relay.buffered)
            delivered.add_metric([relay.name], relay.delivered)
            late.add_metric([relay.name], relay.delivered_late)
            superseded.add_metric([relay.name], relay.superseded)
        yield from (up, buffered, delivered, late, superseded)


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
