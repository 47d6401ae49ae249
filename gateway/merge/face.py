"""The HTTP face of the merge gate: /health (JSON) and /metrics (Prometheus). It reads state and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from gateway.setting_types import Address

if TYPE_CHECKING:
    from gateway.merge.service import Service

_PREFIX = "spatz_merge_"


def health(service: Service) -> dict[str, Any]:
    """The state as JSON values. `status` is "ok" while the broker is connected and somebody listens there."""
    gate, counts = service.gate, service.gate.counts
    return {
        "status": "ok" if service.connected and not gate.holding else "degraded",
        "state": "down" if not service.connected else "holding" if gate.holding else "up",
        "settled": gate.settled(service.now_us()),
        "waiting": gate.waiting,
        "devices": gate.devices,
        "replaying": list(gate.replaying),
        "received": counts.received,
        "published": counts.published,
        "merged": counts.merged,
        "duplicates": counts.duplicates,
        "evicted": counts.evicted,
        "impatient": counts.impatient,
    }


class _Collector(Collector):
    def __init__(self, service: Service) -> None:
        self._service = service

    def collect(self) -> Iterator[Metric]:
        state = health(self._service)
        yield _gauge("up", "1 if connected and somebody listens", int(state["status"] == "ok"))
        yield _gauge("settled", "1 if no gateway is handing in a backlog", int(state["settled"]))
        yield _gauge("waiting_copies", "Copies not republished yet", state["waiting"])
        yield _gauge("replaying_gateways", "Gateways that are handing in a backlog", len(state["replaying"]))
        yield _counter("copies_received", "Copies that came from gateways", state["received"])
        yield _counter("frames_published", "Frames republished", state["published"])
        yield _counter("copies_merged", "Copies that went along with the first of their frame", state["merged"])
        yield _counter("copies_duplicate", "Copies of what had been republished, or repeated", state["duplicates"])
        yield _counter("copies_evicted", "Copies given up because max_copies was reached", state["evicted"])
        yield _counter("waits_ended", "Gateways no longer waited for after longest_wait", state["impatient"])
        events = CounterMetricFamily(f"{_PREFIX}events", "Things refused, dropped or failed", labels=["event", "kind"])
        for (event, kind), number in self._service.tally.counts.items():
            events.add_metric([event, kind], number)
        yield events


def _gauge(name: str, text: str, value: float) -> Metric:
    return GaugeMetricFamily(_PREFIX + name, text, value=value)


def _counter(name: str, text: str, value: float) -> Metric:
    return CounterMetricFamily(_PREFIX + name, text, value=value)


class Face:
    """Serves one instance's state on one address."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._registry = CollectorRegistry()
        self._registry.register(_Collector(service))
        self._runner: web.AppRunner | None = None

    async def start(self, bind: Address) -> Address:
        """Listen; returns the real address. Raises OSError."""
        app = web.Application()
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        await web.TCPSite(self._runner, bind.host, bind.port).start()
        host, port = self._runner.addresses[0][:2]
        return Address.of(host, port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response(health(self._service))

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=generate_latest(self._registry), headers={"Content-Type": CONTENT_TYPE_LATEST})
