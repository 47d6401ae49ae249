"""The HTTP face of the daemon. It reads state and changes nothing; there is no route that could.

/         page for people, in German and English
/health   JSON for machines
/metrics  Prometheus

Whoever can open the address may read it, so it belongs on loopback. A foreign web page that makes a browser on this
machine ask under a name of its own (DNS rebinding) is refused by the Host header.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import zlib
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TYPE_CHECKING, Any

from aiohttp import web
from aiohttp.typedefs import Handler

from gateway.logs import Counted
from gateway.metrics import CONTENT_TYPE, metrics
from gateway.page.document import page
from gateway.page.look import look
from gateway.page.words import Language, Words, choose
from gateway.setting_types import Address

if TYPE_CHECKING:
    from gateway.daemon import Daemon

_log = logging.getLogger(__name__)

_STATIC = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}
_DRAWN_US = 500_000
# Below this, compressing costs more than it saves.
_WORTH_COMPRESSING = 2048

_HEADERS = {
    # Nothing from elsewhere, nothing inline: even a mistake in escaping could not run.
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}


class StatusServer:
    """Serves one daemon's state on one address. `hosts`: names it may be asked for under, besides IP addresses."""

    def __init__(self, daemon: Daemon, hosts: tuple[str, ...] = ()) -> None:
        self._daemon = daemon
        self._hosts = frozenset(("localhost", *(host.lower() for host in hosts)))
        self._runner: web.AppRunner | None = None
        self._pages: dict[Language, bytes] = {}
        self._drawn_us = 0

    async def start(self, bind: Address) -> Address:
        """Listen; returns the real address. Raises OSError."""
        app = web.Application(middlewares=[self._guard])
        app.router.add_get("/", self._page)
        for name, kind in _STATIC.items():
            app.router.add_get(f"/{name}", _file(name, kind))
        # Browsers ask for it beside /health and /metrics, which cannot name another.
        app.router.add_get("/favicon.ico", _file("icon.svg", _STATIC["icon.svg"]))
        app.router.add_get("/health", self._health)
        app.router.add_get("/metrics", self._metrics_text)
        told = Counted(self._daemon.tally, _log, "status request refused")
        self._runner = web.AppRunner(app, access_log=None, logger=told, handle_signals=False)
        await self._runner.setup()
        site = web.TCPSite(self._runner, bind.host, bind.port)
        await site.start()
        host, port = self._runner.addresses[0][:2]
        return Address.of(host, port)

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()

    async def _page(self, request: web.Request) -> web.Response:
        language = choose(request.query.get("lang"), request.headers.get("Accept-Language", ""))
        text = await self._drawn(language)
        headers = {"Vary": "Accept-Language, Accept-Encoding", "Content-Language": language}
        return _answer(request, text, "text/html", headers)

    async def _drawn(self, language: Language) -> bytes:
        """The page as of now, or of half a second ago: however many look, it is drawn twice a second."""
        now_us = self._daemon.clock.mono_us()
        if not 0 <= now_us - self._drawn_us < _DRAWN_US:
            self._pages.clear()
            self._drawn_us = now_us
        drawn = self._pages.get(language)
        if drawn is None:
            picture = await look(self._daemon)
            # Tens of milliseconds on a small machine: in a thread, so that no acknowledgement has to wait for it.
            drawn = await asyncio.to_thread(lambda: page(picture, Words(language)).encode())
            self._pages[language] = drawn
        return drawn

    async def _health(self, _request: web.Request) -> web.Response:
        return web.json_response(health(self._daemon))

    async def _metrics_text(self, _request: web.Request) -> web.Response:
        return web.Response(body=metrics(await look(self._daemon)), headers={"Content-Type": CONTENT_TYPE})

    @web.middleware
    async def _guard(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._known(request.headers.get("Host", "")):
            text = (
                "This gateway does not know itself by the name in your address.\n"
                'Use its IP address, or add the name to "hosts" in the section [status] of its settings.\n'
            )
            response: web.StreamResponse = web.Response(status=421, text=text)
        else:
            try:
                response = await handler(request)
            except web.HTTPException as refusal:
                refusal.headers.update(_HEADERS)
                raise
        response.headers.update(_HEADERS)
        return response

    def _known(self, host: str) -> bool:
        """Whether a Host header names us: an IP address (which nobody can rebind), localhost, or a name of `hosts`."""
        name, _, port = host.rpartition(":")
        if not name or not port.isdecimal():
            name = host
        name = name.removeprefix("[").removesuffix("]").lower().rstrip(".")
        if name in self._hosts:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _file(name: str, kind: str) -> Callable[[web.Request], Awaitable[web.Response]]:
    body = resources.files("gateway.page").joinpath("static", name).read_bytes()

    async def serve(request: web.Request) -> web.Response:
        return _answer(request, body, kind, {})

    return serve


def _answer(request: web.Request, body: bytes, kind: str, headers: dict[str, str]) -> web.Response:
    """The body, or nothing if whoever asks has it already."""
    mark = f"{zlib.crc32(body):08x}"
    if any(known.value == mark for known in request.if_none_match or ()):
        return web.Response(status=304, headers={**headers, "ETag": f'"{mark}"'})
    response = web.Response(body=body, content_type=kind, charset="utf-8", headers=headers)
    response.etag = mark
    if len(body) >= _WORTH_COMPRESSING:
        response.enable_compression()
    return response


def health(daemon: Daemon) -> dict[str, Any]:
    """The state as JSON values; `last_uplink` in Unix milliseconds.

    `status` is "ok" if every destination takes frames and a concentrator is there. `since_s` is how long a destination
    has been connected or not.
    """
    now_us = daemon.clock.mono_us()
    last_us = daemon.intake.last_uplink_us
    silent = daemon.silent
    flowing = all(relay.flowing for relay in daemon.relays)
    return {
        "status": "ok" if flowing and daemon.gateways and not silent and not daemon.spool.emergency else "degraded",
        "uptime_s": (now_us - daemon.started_us) // 1_000_000,
        "gateways": sorted(daemon.gateways),
        "silent": silent,
        "buffered": daemon.buffered,
        "received": daemon.intake.received,
        "last_uplink": None if last_us is None else last_us // 1000,
        "clock_verified": daemon.clock.verified(),
        "spool": {
            "bytes": daemon.spool.bytes_used,
            "max_bytes": daemon.settings.spool.max_bytes,
            "evicted": daemon.spool.evicted,
            "expired": daemon.expired,
            "disk_full": daemon.spool.emergency,
        },
        "destinations": {
            relay.name: {
                "state": relay.state,
                "since_s": (now_us - relay.changed_us) // 1_000_000,
                "why": relay.why,
                "buffered": relay.buffered,
                "in_flight": relay.turns.in_flight,
                "delivered": relay.delivered,
                "delivered_late": relay.delivered_late,
                "superseded": relay.superseded,
                "wire_bytes": relay.link.wire.total_bytes,
                "budget": [period._asdict() for period in relay.budget.periods() if period.limit_bytes],
            }
            for relay in daemon.relays
        },
        "downlinks": {"sent": daemon.desk.sent, "refused": daemon.desk.refused},
        "duty_cycle": [account._asdict() for account in daemon.desk.duty.accounts(now_us)],
    }
