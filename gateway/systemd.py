"""Talking to systemd: ready, stopping, reloading, alive (sd_notify(3)). Without systemd every call does nothing."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Notifier:
    """Sends states to the socket named in the environment."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._address = environment.get("NOTIFY_SOCKET", "")
        watchdog_us = environment.get("WATCHDOG_USEC", "")
        # Half of what systemd waits, as sd_watchdog_enabled(3) recommends.
        self.watchdog_s = int(watchdog_us) / 2_000_000 if watchdog_us.isdigit() else None

    def tell(self, *states: str) -> None:
        """Send lines like "READY=1"."""
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender, contextlib.suppress(OSError):
            sender.sendto("\n".join(states).encode(), address)
