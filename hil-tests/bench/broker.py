"""A real mosquitto of our own, on a loopback port, that can be taken away and brought back.

The broker is the only part between gateway and network server that the bench does not model: what the
gateway must survive is what mosquitto really does. It is started as a child process, known by its process
id, and stopped by it; its configuration and log lie in a directory the caller gives.
"""

from __future__ import annotations

import getpass
import shutil
import socket
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

HOST = "127.0.0.1"
START_PATIENCE_S = 10.0
STOP_PATIENCE_S = 5.0
PORT_ATTEMPTS = 5
"""Between asking the system for a free port and mosquitto taking it, somebody else may take it."""


class BrokerError(Exception):
    """The broker cannot be run. The message says what to install or which log to read."""


def mosquitto_program() -> str | None:
    """Path of the mosquitto program, or None; Debian keeps it outside an ordinary user's PATH."""
    return shutil.which("mosquitto") or shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/sbin")


class Broker:
    """One mosquitto process on a free loopback port; a context manager.

    Nothing is kept over a restart (no persistence): what a broker forgets when it dies is what the gateway's
    spool is for. The port stays the same over `stop()` and `start()`, so clients find it again.
    """

    def __init__(self, root: Path, *, max_queued_messages: int = 10_000, extra: Sequence[str] = ()) -> None:
        """`root`: directory for configuration and log (made if absent). `extra`: further lines of mosquitto.conf.

        `max_queued_messages`: messages kept for an absent persistent subscriber (mosquitto's own default, 1000,
        is too few for a replayed backlog).
        """
        self.root = root
        self.port = 0
        self._max_queued_messages = max_queued_messages
        self._extra = tuple(extra)
        self._process: subprocess.Popen[bytes] | None = None
        self._reserved: socket.socket | None = None

    @property
    def url(self) -> str:
        """Address in the form settings files use."""
        return f"mqtt://{HOST}:{self.port}"

    @property
    def pid(self) -> int | None:
        """Process id while the broker runs."""
        return self._process.pid if self._process is not None else None

    @property
    def running(self) -> bool:
        """Whether the process lives."""
        return self._process is not None and self._process.poll() is None

    @property
    def log_file(self) -> Path:
        """Everything mosquitto said, over all its starts."""
        return self.root / "mosquitto.log"

    def start(self) -> None:
        """Start, and return when connections are accepted. On the port used before, if there was one."""
        if self.running:
            return
        program = mosquitto_program()
        if program is None:
            raise BrokerError("mosquitto is not installed. On Debian and Raspberry Pi OS: apt-get install mosquitto")
        self.root.mkdir(parents=True, exist_ok=True)
        attempts = 1 if self.port else PORT_ATTEMPTS
        for _ in range(attempts):
            port = self.port or _free_port()
            if self._start_on(program, port):
                self.port = port
                self._release()
                return
        raise BrokerError(f"mosquitto did not start on {HOST}; its reason is in {self.log_file}")

    def stop(self) -> None:
        """Stop: connections break, sessions are forgotten, the port refuses. Harmless when stopped.

        The port stays ours: bound, but listened on by nobody, so that no neighbour takes it meanwhile.
        """
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            process.terminate()
            try:
                process.wait(STOP_PATIENCE_S)
            except subprocess.TimeoutExpired:
                process.kill()
        process.wait()
        self._reserve()

    def kill(self) -> None:
        """Stop without a farewell to the clients, as a crash or a pulled plug does."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
        self.stop()

    def restart(self) -> None:
        """Stop, then start on the same port."""
        self.stop()
        self.start()

    def __enter__(self) -> Broker:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        self._release()

    def _reserve(self) -> None:
        # mosquitto sets SO_REUSEADDR too; Linux then lets both bind as long as only one of them listens.
        self._reserved = socket.socket()
        self._reserved.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._reserved.bind((HOST, self.port))

    def _release(self) -> None:
        if self._reserved is not None:
            self._reserved.close()
            self._reserved = None

    def _start_on(self, program: str, port: int) -> bool:
        config = self.root / "mosquitto.conf"
        config.write_text(
            "\n".join(
                (
                    # As root it would become the user mosquitto and could not read what lies in our directory.
                    f"user {getpass.getuser()}",
                    f"listener {port} {HOST}",
                    "allow_anonymous true",
                    "persistence false",
                    "log_dest stderr",
                    "connection_messages true",
                    f"max_queued_messages {self._max_queued_messages}",
                    *self._extra,
                    "",
                )
            )
        )
        with self.log_file.open("ab") as log:
            process = subprocess.Popen(
                [program, "-c", str(config)], stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        deadline = time.monotonic() + START_PATIENCE_S
        while process.poll() is None and time.monotonic() < deadline:
            try:
                socket.create_connection((HOST, port), timeout=0.5).close()
            except OSError:
                time.sleep(0.01)
                continue
            self._process = process
            return True
        if process.poll() is None:
            process.kill()
        process.wait()
        return False


def _free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port
