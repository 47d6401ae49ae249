"""The HTTP face of the daemon. It reads state and changes nothing.

/         page for people, in German and English
/state    what the page draws
/health   JSON for machines
/metrics  Prometheus
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.metrics import CONTENT_TYPE, Metrics
from gateway.setting_types import Address

if TYPE_CHECKING:
    from gateway.daemon import Daemon


class StatusServer:
    """Serves one daemon's state on one address."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._metrics = Metrics(daemon)
        self._runner: web.AppRunner | None = None

    async def start(self, bind: Address) -> Address:
        """Listen; returns the real address. Raises OSError."""
        app = web.Application(middlewares=[_guard])
        app.router.add_get("/", _file("status_page.html", "text/html"))
        app.router.add_get("/status.js", _file("status_page.js", "text/javascript"))
        app.router.add_get("/state", self._state)
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics_text)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, bind.host, bind.port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return Address.of(host, port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response(health(self._daemon))

    async def _state(self, _request: web.Request) -> web.Response:
        return web.json_response({"health": health(self._daemon), "watch": self._daemon.intake.watch.state()})

    async def _metrics_text(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._metrics.text(), headers={"Content-Type": CONTENT_TYPE})


def _file(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    async def serve(_request: web.Request) -> web.Response:
        text = resources.files("gateway").joinpath(name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=kind)

    return serve


@web.middleware
async def _guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The page loads nothing from elsewhere and cannot be framed."""
    response = await handler(request)
    response.headers["Content-Security-Policy"] = (
        "default-src 'self'; style-src 'self' 'unsafe-inline'; frame-ancestors 'none'"
    )
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def health(daemon: Daemon) -> dict[str, Any]:
    """The state as JSON values; `last_uplink` in Unix milliseconds.

    `status` is "ok" if every destination takes frames and a concentrator is there.
    """
    now_us = daemon.clock.mono_us()
    last_us = daemon.intake.last_uplink_us
    flowing = all(relay.flowing for relay in daemon.relays)
    return {
        "status": "ok" if flowing and daemon.gateways else "degraded",
        "uptime_s": (now_us - daemon.started_us) // 1_000_000,
        "gateways": sorted(daemon.gateways),
        "buffered": daemon.buffered,
        "received": daemon.intake.received,
        "last_uplink": None if last_us is None else last_us // 1000,
        "clock_verified": daemon.clock.verified(),
        "spool": {
            "bytes": daemon.spool.bytes_used,
            "max_bytes": daemon.settings.spool.max_bytes,
            "evicted": daemon.spool.evicted,
            "expired": daemon.expired,
        },
        "destinations": {
            relay.name: {
                "state": "up" if relay.flowing else "holding" if relay.turns.up else "down",
                "buffered": relay.buffered,
                "in_flight": relay.turns.in_flight,
                "delivered": relay.delivered,
                "delivered_late": relay.delivered_late,
                "superseded": relay.superseded,
            }
            for relay in daemon.relays
        },
        "downlinks": {"sent": daemon.desk.sent, "refused": daemon.desk.refused},
    }
