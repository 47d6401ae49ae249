"""What several provisioning tests share: the bench's network server behind its real gRPC API."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import grpc
import pytest
from chirpstack_api import api

from bench.server.service import Service
from provisioning.journal import Journal
from provisioning.vault import open_vault

ROOT = Path(__file__).parents[2]


class Server:
    """The bench server as a test sees it: faults, tokens, and a look at what it keeps, through its own API."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.faults = service.faults
        self.tenant_id = service.tenant_id
        self.url = f"http://{service.grpc_address}"
        self._channel = grpc.insecure_channel(service.grpc_address)
        self.devices = self._stub(api.DeviceServiceStub)
        self.applications = self._stub(api.ApplicationServiceStub)
        self.profiles = self._stub(api.DeviceProfileServiceStub)
        self.tenants = self._stub(api.TenantServiceStub)

    def _stub(self, kind):
        return Calls(kind(self._channel), (("authorization", f"Bearer {self.service.admin_token}"),))

    def device(self, dev_eui):
        return self.devices.Get(api.GetDeviceRequest(dev_eui=dev_eui)).device

    def keys(self, dev_eui):
        return self.devices.GetKeys(api.GetDeviceKeysRequest(dev_eui=dev_eui)).device_keys

    def device_count(self, application_id):
        request = api.ListDevicesRequest(application_id=application_id, limit=100)
        return self.devices.List(request).total_count

    def activate(self, dev_eui, *, nwk_skey="11" * 16, app_skey="22" * 16):
        """A session, as after a join."""
        session = api.DeviceActivation(
            dev_eui=dev_eui,
            dev_addr="26011bda",
            app_s_key=app_skey,
            nwk_s_enc_key=nwk_skey,
            s_nwk_s_int_key=nwk_skey,
            f_nwk_s_int_key=nwk_skey,
        )
        self.devices.Activate(api.ActivateDeviceRequest(device_activation=session))

    def nonces(self, dev_eui):
        """The DevNonces the server remembers of a device."""
        with self.service.live.turn() as turn:
            return turn.core.storage.device_keys(dev_eui).dev_nonces

    def close(self):
        self._channel.close()


class Calls:
    """A stub whose calls carry the administrator's token."""

    def __init__(self, stub, metadata):
        self._stub, self._metadata = stub, metadata

    def __getattr__(self, name):
        return lambda request: getattr(self._stub, name)(request, metadata=self._metadata, timeout=10)


@pytest.fixture
def chirpstack():
    with Service(None, seed=7) as service:
        server = Server(service)
        yield server
        server.close()


class Technician:
    """Someone with a laptop: a NODE.toml, a state directory, and `spatz` as a process of its own."""

    def __init__(self, home: Path, port: str, server: Server) -> None:
        self.home, self.port, self.server = home, port, server
        self.state = home / "state"
        self.temporary = home / "tmp"
        self.temporary.mkdir(parents=True)
        self.passphrase, self.token = home / "passphrase", home / "token"
        self.passphrase.write_text("correct horse battery staple\n")
        self.token.write_text(server.service.admin_token + "\n")
        self.node_toml = home / "node.toml"
        self.write_node()

    def write_node(self, *, name="n1", board="virtual", profile="light", more=""):
        self.node_toml.write_text(
            f'name = "{name}"\nboard = "{board}"\nprofile = "{profile}"\nstart_delay_s = 0\n'
            f'{more}\n[identity]\njoin_eui = "70b3d57ed0000001"\n'
        )

    def command(self, step="provision", *more):
        options = {
            "--port": self.port,
            "--server": self.server.url,
            "--token-file": self.token,
            "--state": self.state,
            "--passphrase-file": self.passphrase,
            "--join-timeout": 20,
        }
        pairs = [str(word) for pair in options.items() for word in pair]
        return [sys.executable, "-m", "provisioning.cli.main", step, str(self.node_toml), *pairs, "--json", *more]

    def environment(self):
        # Nothing of the developer's own machine takes part, and whatever is written is found again.
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "TMPDIR": str(self.temporary),
            "PYTHONPATH": str(ROOT),
            "LANG": "C.UTF-8",
        }

    def start(self, step="provision", *more, environment=None):
        return subprocess.Popen(
            self.command(step, *more),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self.home,
            env=environment or self.environment(),
        )

    def run(self, step="provision", *more, environment=None):
        """(exit status, events, everything written to the standard error)."""
        process = self.start(step, *more, environment=environment)
        out, err = process.communicate(timeout=120)
        return process.returncode, [json.loads(line) for line in out.splitlines()], err

    def outcomes(self, events):
        wanted = ("done", "skipped", "failed")
        return {event["step"]: event["outcome"] for event in events if event.get("outcome") in wanted}

    def journal(self):
        return Journal(self.state / "journal.db")

    def vault(self):
        return open_vault(self.state / "vault.spatz", bytearray(b"correct horse battery staple"))


@pytest.fixture
def bench(tmp_path):
    """A live bench of virtual boards."""
    boards = pytest.importorskip("bench.boards")
    try:
        made = boards.Bench(tmp_path / "bench", seed=3)
    except boards.InterpreterMissing as error:
        pytest.skip(str(error))
    with made, made.live():
        yield made


@pytest.fixture
def board(bench):
    """One virtual board with MicroPython on it, switched on."""
    made = bench.add_board("n1")
    made.power_on()
    return made


@pytest.fixture
def technician(tmp_path, board, chirpstack):
    return Technician(tmp_path / "laptop", board.port, chirpstack)


@pytest.fixture
def joiner(chirpstack):
    """Plays the air: gives every registered device a session as soon as it has keys."""
    stop = threading.Event()

    def watch():
        while not stop.wait(0.05):
            with chirpstack.service.live.turn() as turn:
                devices = dict(turn.core.storage.devices)
                waiting = [eui for eui, device in devices.items() if device.session is None]
            for eui in waiting:
                chirpstack.activate(eui)

    thread = threading.Thread(target=watch)
    thread.start()
    yield
    stop.set()
    thread.join()
