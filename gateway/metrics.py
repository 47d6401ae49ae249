"""The daemon's numbers for Prometheus, read at the moment of the question; nothing is counted twice.

Every metric is explained in docs/reference/metrics.md; a test compares the two.
"""

from __future__ import annotations

from collections.abc import Iterator

from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from gateway.page.look import Picture
from gateway.state import State

CONTENT_TYPE = CONTENT_TYPE_LATEST
_PREFIX = "spatz_gateway_"


class _PictureCollector(Collector):
    """Turns one picture of the daemon into metrics."""

    def __init__(self, picture: Picture) -> None:
        self._picture = picture

    def collect(self) -> Iterator[Metric]:
        picture = self._picture
        yield _counter("uplinks_received", "Uplinks heard, worth relaying or not", picture.received)
        yield _gauge("buffered_frames", "Frames some destination has not acknowledged", picture.buffered)
        oldest_s = 0.0 if picture.oldest_us is None else (picture.now_us - picture.oldest_us) / 1e6
        yield _gauge("oldest_frame_age_seconds", "Age of the oldest waiting frame, 0 if none waits", oldest_s)
        yield _gauge("spool_bytes", "Bytes of the spool in use", picture.spool_bytes)
        yield _gauge("spool_max_bytes", "Quota of the spool", picture.spool_max_bytes)
        yield _gauge("disk_full", "1 while the spool lives on its reserve", int(picture.disk_full))
        yield _counter("frames_evicted", "Frames given up because the quota was reached", picture.evicted)
        yield _counter("frames_expired", "Frames given up because of their age", picture.expired)
        yield _counter("downlinks_sent", "Downlinks a concentrator accepted", picture.sent)
        yield _counter("downlinks_refused", "Downlinks no concentrator accepted", picture.refused_downlinks)
        yield _gauge("clock_verified", "1 if the wall clock is synchronised", int(picture.clock_verified))
        yield _gauge("uptime_seconds", "Time since start", picture.uptime_s)
        if picture.last_uplink_us is not None:
            yield _gauge(
                "last_uplink_timestamp_seconds", "When the last uplink was heard", picture.last_uplink_us / 1e6
            )
        yield from self._concentrators()
        yield from self._destinations()
        events = _Family(CounterMetricFamily, "events", "Things refused, dropped or failed", "event", "kind")
        for event, kind, number in picture.refusals:
            events.add(number, event, kind)
        yield events.metric

    def _concentrators(self) -> Iterator[Metric]:
        yield _gauge("concentrators", "Concentrators heard since start", len(self._picture.concentrators))
        silent = sum(not one.reachable for one in self._picture.concentrators)
        yield _gauge("concentrators_silent", "Of these, without a sign of life now", silent)
        up = _Family(GaugeMetricFamily, "concentrator_up", "1 if it shows signs of life", "gateway")
        for one in self._picture.concentrators:
            up.add(int(one.reachable), one.gateway_id)
        used = _Family(GaugeMetricFamily, "duty_cycle_used_seconds", "Airtime of the last hour", "gateway", "band")
        limit = _Family(GaugeMetricFamily, "duty_cycle_limit_seconds", "Airtime allowed in an hour", "gateway", "band")
        for account in self._picture.airtime:
            used.add(account.used_ms / 1000, account.gateway_id, account.band)
            limit.add(account.limit_ms / 1000, account.gateway_id, account.band)
        yield from (up.metric, used.metric, limit.metric)

    def _destinations(self) -> Iterator[Metric]:
        name = "destination"
        up = _Family(GaugeMetricFamily, "destination_up", "1 if frames get through", name)
        state = _Family(GaugeMetricFamily, "destination_state", "1 for the state it is in", name, "state")
        since = _Family(GaugeMetricFamily, "destination_since_seconds", "How long it has been connected, or not", name)
        buffered = _Family(GaugeMetricFamily, "destination_buffered_frames", "Frames waiting", name)
        acknowledged = _Family(
            GaugeMetricFamily, "destination_last_acknowledged_timestamp_seconds", "When it last took a frame", name
        )
        delivered = _Family(CounterMetricFamily, "frames_delivered", "Frames acknowledged", name)
        late = _Family(CounterMetricFamily, "frames_delivered_late", "Of these, late ones", name)
        superseded = _Family(CounterMetricFamily, "frames_superseded", "Overtaken by a live frame", name)
        wire = _Family(CounterMetricFamily, "destination_wire_bytes", "Bytes over the wire, headers included", name)
        limit = _Family(GaugeMetricFamily, "budget_limit_bytes", "Byte budget of this day or month", name, "period")
        used = _Family(GaugeMetricFamily, "budget_used_bytes", "What was used of it", name, "period")
        for one in self._picture.destinations:
            up.add(int(one.state.flowing), one.name)
            for possible in State:
                state.add(int(one.state is possible), one.name, possible.value)
            since.add((self._picture.now_us - one.changed_us) / 1e6, one.name)
            buffered.add(one.waiting, one.name)
            if one.acknowledged_us is not None:
                acknowledged.add(one.acknowledged_us / 1e6, one.name)
            delivered.add(one.delivered, one.name)
            late.add(one.late, one.name)
            superseded.add(one.superseded, one.name)
            for period in one.budget:
                if period.limit_bytes:
                    limit.add(period.limit_bytes, one.name, period.name)
                    used.add(period.used_bytes, one.name, period.name)
            wire.add(one.wire_bytes, one.name)
        yield from (one.metric for one in (up, state, since, buffered, acknowledged))
        yield from (one.metric for one in (delivered, late, superseded, wire, limit, used))


class _Family:
    """A metric with labels."""

    def __init__(
        self, kind: type[GaugeMetricFamily] | type[CounterMetricFamily], name: str, text: str, *labels: str
    ) -> None:
        self.metric = kind(_PREFIX + name, text, labels=labels)

    def add(self, value: float, *labels: str) -> None:
        """One more sample."""
        self.metric.add_metric(labels, value)


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, text, value=value)


def metrics(picture: Picture) -> bytes:
    """The text of /metrics."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_PictureCollector(picture))
    return generate_latest(registry)
