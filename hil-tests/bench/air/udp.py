"""The packet forwarder on real UDP sockets, for runs at real speed.

As `lora_pkt_fwd` it has two sockets, one up and one down, both connected to the server, so that their source
ports differ and foreign datagrams are not seen.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable

from bench.air.concentrator import Concentrator
from bench.air.forwarder import PacketForwarder
from bench.schedule import Schedule

_LARGEST = 65_535

Enter = Callable[[Callable[[], None]], object]
"""Runs a function inside the bench's thread at its present instant (`Bench.call`)."""


class UdpForwarder:
    """A `PacketForwarder` between its concentrator and a server at `server` (host, port)."""

    def __init__(
        self,
        schedule: Schedule,
        concentrator: Concentrator,
        gateway_eui: str,
        server: tuple[str, int],
        enter: Enter,
        *,
        unix_us: int,
        gps: bool = False,
        seed: int = 0,
        keepalive_us: int = 5_000_000,
        stat_us: int = 30_000_000,
    ) -> None:
        self._enter = enter
        self._up = _connected(server)
        self._down = _connected(server)
        self._stopping = threading.Event()
        self.forwarder = PacketForwarder(
            schedule,
            concentrator,
            gateway_eui,
            send_up=lambda datagram: _send(self._up, datagram),
            send_down=lambda datagram: _send(self._down, datagram),
            unix_us=unix_us,
            gps=gps,
            seed=seed,
            keepalive_us=keepalive_us,
            stat_us=stat_us,
        )
        self._threads = [
            threading.Thread(target=self._read, args=(self._up, self.forwarder.up_received), daemon=True),
            threading.Thread(target=self._read, args=(self._down, self.forwarder.down_received), daemon=True),
        ]

    def start(self) -> None:
        """Start reading and send the first PULL_DATA."""
        for thread in self._threads:
            thread.start()
        self._enter(self.forwarder.start)

    def stop(self) -> None:
        """Stop sending and close the sockets."""
        self._stopping.set()
        self._enter(self.forwarder.stop)
        for thread in self._threads:
            thread.join(timeout=2)
        self._up.close()
        self._down.close()

    def _read(self, sock: socket.socket, received: Callable[[bytes], None]) -> None:
        while not self._stopping.is_set():
            try:
                datagram = sock.recv(_LARGEST)
            except TimeoutError:
                continue
            except ConnectionRefusedError:
                continue  # the server is not there at present (ICMP port unreachable)
            except OSError:
                return
            self._enter(lambda datagram=datagram: received(datagram))  # type: ignore[misc]


def _connected(server: tuple[str, int]) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.settimeout(0.2)
    sock.connect(server)
    return sock


def _send(sock: socket.socket, datagram: bytes) -> None:
    # A datagram that cannot be sent is lost, as any datagram may be.
    with contextlib.suppress(OSError):
        sock.send(datagram)
