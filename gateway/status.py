"""The HTTP face of the daemon: /health for machines. Reads the daemon's state, changes nothing."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from aiohttp import web

from gateway.setting_types import Address

if TYPE_CHECKING:
    from gateway.daemon import Daemon


class StatusServer:
    """Serves one daemon's state on one address."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self._runner: web.AppRunner | None = None

    async def start(self, bind: Address) -> Address:
        """Listen; returns the real address. Raises OSError."""
        app = web.Application()
        app.router.add_get("/health", self._health)
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


def health(daemon: Daemon) -> dict[str, Any]:
    """The state as JSON values. `status` is "ok" if every destination takes frames and a concentrator is there."""
    now_us = daemon.clock.mono_us()
    flowing = all(relay.flowing for relay in daemon.relays)
    return {
        "status": "ok" if flowing and daemon.gateways else "degraded",
        "uptime_s": (now_us - daemon.started_us) // 1_000_000,
        "gateways": sorted(daemon.gateways),
        "buffered": daemon.buffered,
        "received": daemon.intake.received,
        "last_uplink": _iso(daemon.intake.last_uplink_us),
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
            }
            for relay in daemon.relays
        },
        "downlinks": {"sent": daemon.desk.sent, "refused": daemon.desk.refused},
    }


def _iso(wall_us: int | None) -> str | None:
    if wall_us is None:
        return None
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall_us // 1_000_000)) + f".{wall_us // 1000 % 1000:03d}Z"
