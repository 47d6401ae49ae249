"""A TCP door with a doorman: at most so many connections at once, TLS within a time, and a word for each that fails.

asyncio's own server takes whatever comes, gives each TLS connection a quarter of a megabyte before it has said a word,
and tells nobody of a handshake that failed.
"""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
import ssl
from collections.abc import Callable

from gateway.logs import Tally
from gateway.setting_types import Address

_log = logging.getLogger(__name__)

_BACKLOG = 64
_HANDSHAKE_PATIENCE_S = 10.0
# Handshakes at once, a quarter of a megabyte each; others wait in the kernel. A gateway serves a handful of stations.
_MOST_GREETING = 16
# A station greets in a tenth of a second. Who takes longer than this goes when another one waits, so that sixteen who
# say nothing keep nobody out.
_GREETING_S = 1.0
# When the process has no descriptors left, others need the processor more than the door does.
_PAUSE_S = 0.5
# A failed handshake leaves its quarter of a megabyte in a ring of references. The collector counts objects, not bytes,
# and would let hundreds of megabytes pile up before it looks.
_COLLECT_EVERY = 16


class Door:
    """Accepts connections for protocols that `make` makes; refusals are counted as `event`."""

    def __init__(
        self,
        make: Callable[[], asyncio.BaseProtocol],
        *,
        tls: ssl.SSLContext | None,
        most: int,
        tally: Tally,
        event: str,
        greeting_s: float = _GREETING_S,
    ) -> None:
        self._make = make
        self._tls = tls
        self._most = most
        self._tally = tally
        self._event = event
        self._greeting_s = greeting_s
        self._greeting: dict[asyncio.Task[None], float] = {}  # since when, the oldest first
        self.most_greeted = 0
        """How many greeted at once so far."""
        self._inside: set[asyncio.BaseTransport] = set()
        self._failures = 0
        self._listener: socket.socket | None = None
        self._accepting: asyncio.Task[None] | None = None

    def open(self, bind: Address) -> Address:
        """Listen; returns the address it really has. Raises OSError."""
        family = socket.AF_INET6 if ":" in bind.host else socket.AF_INET
        self._listener = socket.create_server((bind.host, bind.port), family=family, backlog=_BACKLOG)
        self._listener.setblocking(False)
        self._accepting = asyncio.create_task(self._accept(self._listener), name="door")
        return Address.of(*self._listener.getsockname()[:2])

    async def close(self) -> None:
        """Let nobody in any more. Who is inside stays."""
        tasks = [*self._greeting, *([self._accepting] if self._accepting is not None else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                guest, _ = await loop.sock_accept(listener)
            except OSError as error:
                self._tally.count(_log, self._event, f"accept: {error.strerror}")
                await asyncio.sleep(_PAUSE_S)
                continue
            if self._full():
                self._tally.count(_log, self._event, "connections-many")
                guest.close()
                continue
            try:
                while len(self._greeting) >= _MOST_GREETING:
                    await self._wait_for_place()
            except asyncio.CancelledError:
                guest.close()
                raise
            greeting = asyncio.create_task(self._greet(guest), name="door-greeting")
            self._greeting[greeting] = loop.time()
            self.most_greeted = max(self.most_greeted, len(self._greeting))
            greeting.add_done_callback(self._greeting.pop)

    async def _wait_for_place(self) -> None:
        """Until one has greeted, or has had the time for it."""
        oldest, since_s = next(iter(self._greeting.items()))
        left_s = since_s + self._greeting_s - asyncio.get_running_loop().time()
        done, _ = await asyncio.wait(self._greeting, timeout=max(0.0, left_s), return_when=asyncio.FIRST_COMPLETED)
        if not done:
            oldest.cancel()
            self._failed("tls: slow")
            await asyncio.wait((oldest,))

    def _full(self) -> bool:
        self._inside = {transport for transport in self._inside if not transport.is_closing()}
        return len(self._inside) + len(self._greeting) >= self._most

    async def _greet(self, guest: socket.socket) -> None:
        patience_s = None if self._tls is None else _HANDSHAKE_PATIENCE_S
        try:
            transport, _ = await asyncio.get_running_loop().connect_accepted_socket(
                self._make, guest, ssl=self._tls, ssl_handshake_timeout=patience_s
            )
        except ssl.SSLError as error:
            self._failed(f"tls: {error.reason or 'failed'}"[:60])
        except OSError:
            # Left, or said nothing, before the handshake was over.
            self._failed("tls: gone")
        else:
            self._inside.add(transport)

    def _failed(self, kind: str) -> None:
        self._tally.count(_log, self._event, kind)
        self._failures += 1
        if self._failures % _COLLECT_EVERY == 0:
            gc.collect()
