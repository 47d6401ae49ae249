"""The real processes of a live run: gateway, network server, `spatz`; started by us, ended by their process id.

Each writes its log into the run's directory. A process is waited for by what it says, never by a sleep.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

READY_PATIENCE_S = 30.0
STOP_PATIENCE_S = 10.0
POLL_S = 0.05
HOST = "127.0.0.1"


class StartFailed(Exception):
    """A process ended or stayed silent before it was ready. The message carries the end of its log."""


class Process:
    """One child process whose output goes to a log file."""

    def __init__(self, name: str, arguments: Sequence[str], directory: Path) -> None:
        self.name = name
        self.log_file = directory / f"{name}.log"
        self._arguments = list(arguments)
        self._child: subprocess.Popen[bytes] | None = None
        self._said_before = 0

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._child is not None and self._child.poll() is None

    @property
    def pid(self) -> int:
        """Process id of the last start."""
        if self._child is None:
            raise StartFailed(f"{self.name} was never started")
        return self._child.pid

    def start(self) -> None:
        """Start; the log is appended to."""
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        self._said_before = self.log_file.stat().st_size if self.log_file.exists() else 0
        with self.log_file.open("ab") as log:
            self._child = subprocess.Popen(self._arguments, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def said(self) -> list[dict[str, Any]]:
        """The JSON lines written since the last start; other lines are passed over."""
        with self.log_file.open("rb") as log:
            log.seek(self._said_before)
            lines = log.read().splitlines()
        objects = []
        for line in lines:
            try:
                value = json.loads(line)
            except ValueError:
                continue
            if isinstance(value, dict):
                objects.append(value)
        return objects

    def wait_for(self, event: str, patience_s: float = READY_PATIENCE_S) -> dict[str, Any]:
        """The first JSON line with this `event`. Raises `StartFailed`."""
        deadline = time.monotonic() + patience_s
        while True:
            for value in self.said():
                if value.get("event") == event:
                    return value
            if not self.running:
                raise StartFailed(f"{self.name} ended before it was ready.\n{self.tail()}")
            if time.monotonic() > deadline:
                raise StartFailed(f"{self.name} was not ready after {patience_s:g} s.\n{self.tail()}")
            time.sleep(POLL_S)

    def tail(self, size: int = 1500) -> str:
        """The end of the log, for a message."""
        text = self.log_file.read_text("utf-8", "replace") if self.log_file.exists() else ""
        return f"--- end of {self.log_file.name}\n{text[-size:]}"

    def kill(self) -> None:
        """SIGKILL: no farewell, no flush."""
        if self._child is not None and self._child.poll() is None:
            self._child.kill()
            self._child.wait()

    def stop(self) -> None:
        """Ask to end, insist after a while."""
        if self._child is None or self._child.poll() is not None:
            return
        self._child.send_signal(signal.SIGTERM)
        try:
            self._child.wait(STOP_PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.kill()


class Server(Process):
    """The stand-in for ChirpStack: gateway MQTT, application MQTT, gRPC."""

    def __init__(self, directory: Path, broker_url: str, seed: int) -> None:
        self.token_file = directory / "server.token"
        arguments = [sys.executable, "-m", "bench.cli", "server", "--mqtt", broker_url]
        # The server profile that gateway operators are advised to use: messages survive a short absence.
        arguments += ["--qos", "1", "--client-id", "bench-server", "--session-expiry", "86400"]
        arguments += ["--token-file", str(self.token_file), "--seed", str(seed)]
        super().__init__("server", arguments, directory)
        self.grpc = ""

    def start(self) -> None:
        """Start, and return when the API answers."""
        super().start()
        self.grpc = self.wait_for("ready")["grpc"]


GATEWAY_SETTINGS = """\
[gateway]
id = "{gateway_id}"
[spool]
path = "spool.db"
[[source]]
type = "semtech_udp"
bind = "{host}:{udp_port}"
[[destination]]
name = "bench"
type = "chirpstack_mqtt"
server = "{broker}"
topic_prefix = "eu868"
[status]
bind = "{host}:{status_port}"
"""


class Gateway(Process):
    """The gateway daemon itself, on fixed loopback ports so that it can be killed and started again."""

    def __init__(self, directory: Path, broker_url: str, gateway_id: str) -> None:
        self.udp_port = _free_port(socket.SOCK_DGRAM)
        self.status_port = _free_port(socket.SOCK_STREAM)
        directory.mkdir(parents=True, exist_ok=True)
        self.settings_file = directory / "gateway.toml"
        self.settings_file.write_text(
            GATEWAY_SETTINGS.format(
                gateway_id=gateway_id,
                host=HOST,
                udp_port=self.udp_port,
                status_port=self.status_port,
                broker=broker_url,
            )
        )
        super().__init__(
            "gateway", [sys.executable, "-m", "gateway", "run", "--config", str(self.settings_file)], directory
        )

    def start(self) -> None:
        """Start, and return when the source listens."""
        super().start()
        self.wait_for("ready")

    def health(self) -> dict[str, Any] | None:
        """What /health says, or None while nobody answers."""
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.status_port}/health", timeout=1) as answer:
                value = json.load(answer)
        except (urllib.error.URLError, OSError, ValueError):
            return None
        return value if isinstance(value, dict) else None


def run_spatz(arguments: Sequence[str], log_file: Path, on_line: Callable[[dict[str, Any]], None]) -> int:
    """Run the real `spatz` to its end; each JSON line it prints goes to `on_line`. Returns its exit code."""
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with log_file.open("ab") as log:
        child = subprocess.Popen(
            [sys.executable, "-m", "provisioning.cli.main", *arguments],
            stdout=subprocess.PIPE,
            stderr=log,
            stdin=subprocess.DEVNULL,
            env=environment,
        )
        assert child.stdout is not None
        with child.stdout:
            for line in child.stdout:
                log.write(line)
                log.flush()
                try:
                    value = json.loads(line)
                except ValueError:
                    continue
                if isinstance(value, dict):
                    on_line(value)
        return child.wait()


def _free_port(kind: socket.SocketKind) -> int:
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    assert isinstance(port, int)
    return port
