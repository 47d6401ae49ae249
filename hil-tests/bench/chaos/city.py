"""The processes of a run: gateway, bench server; and its devices, registered as an operator would."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import grpc
from chirpstack_api import api, common

from bench.chaos.load import Device
from bench.chaos.plan import Scale
from bench.chaos.records import Arrival
from bench.demo.processes import HOST, Process

GATEWAY_EUI = "0016c001ff10a235"
_TIMEOUT_S = 20.0

_SETTINGS = """\
[gateway]
id = "{eui}"
[spool]
path = "spool.db"
max_bytes = {max_bytes}
[[source]]
type = "semtech_udp"
bind = "{host}:{port}"
[[destination]]
name = "bench"
type = "chirpstack_mqtt"
server = "mqtt://{host}:{broker}"
topic_prefix = "eu868"
device_spacing = "{spacing}"
replay_per_second = {replay}
reconnect_max = "1s"
"""


class ChaosGateway(Process):
    """`spatz-gateway run` with clocks of its own, on one port for all its lives."""

    def __init__(self, directory: Path, broker_port: int, scale: Scale, clock: Path) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.bind((HOST, 0))
            self.address: tuple[str, int] = probe.getsockname()
        self.settings_file = directory / "gateway.toml"
        self.settings_file.write_text(
            _SETTINGS.format(
                eui=GATEWAY_EUI,
                max_bytes=scale.spool_bytes,
                host=HOST,
                port=self.address[1],
                broker=broker_port,
                spacing=scale.spacing,
                replay=scale.replay_per_second,
            )
        )
        arguments = ["-m", "bench.chaos.machine", "--config", str(self.settings_file), "--clock", str(clock)]
        super().__init__("gateway", [sys.executable, *arguments], directory)

    def start(self) -> None:
        """Start, and return when it listens."""
        super().start()
        self.wait_for("ready")


class ChaosServer(Process):
    """The bench's network server with a session that survives its connections."""

    def __init__(self, directory: Path, broker_port: int) -> None:
        self.token_file = directory / "server.token"
        self.events_file = directory / "events.jsonl"
        arguments = ["-m", "bench.cli", "server", "--mqtt", f"mqtt://{HOST}:{broker_port}", "--qos", "1"]
        arguments += ["--client-id", "bench-server", "--session-expiry", "86400", "--default-channels-only"]
        arguments += ["--token-file", str(self.token_file), "--events-file", str(self.events_file)]
        super().__init__("server", [sys.executable, *arguments], directory)
        self._read = 0

    def register(self, devices: Sequence[Device]) -> None:
        """Register and personalise devices, after `start`."""
        ready = self.wait_for("ready")
        headers = (("authorization", f"Bearer {self.token_file.read_text().strip()}"),)
        with grpc.insecure_channel(ready["grpc"]) as channel:
            tenant = ready["tenant_id"]
            application = api.ApplicationServiceStub(channel).Create(
                api.CreateApplicationRequest(application=api.Application(name="chaos", tenant_id=tenant)),
                metadata=headers,
                timeout=_TIMEOUT_S,
            )
            profile = api.DeviceProfileServiceStub(channel).Create(
                api.CreateDeviceProfileRequest(device_profile=_profile(tenant)), metadata=headers, timeout=_TIMEOUT_S
            )
            service = api.DeviceServiceStub(channel)
            for one in devices:
                entry = api.Device(
                    dev_eui=one.dev_eui,
                    name=one.dev_eui,
                    application_id=application.id,
                    device_profile_id=profile.id,
                    join_eui="0000000000000001",
                )
                service.Create(api.CreateDeviceRequest(device=entry), metadata=headers, timeout=_TIMEOUT_S)
                key = one.keys.nwk_s_key.hex()
                session = api.DeviceActivation(
                    dev_eui=one.dev_eui,
                    dev_addr=f"{one.dev_addr:08x}",
                    app_s_key=one.keys.app_s_key.hex(),
                    nwk_s_enc_key=key,
                    s_nwk_s_int_key=key,
                    f_nwk_s_int_key=key,
                )
                service.Activate(
                    api.ActivateDeviceRequest(device_activation=session), metadata=headers, timeout=_TIMEOUT_S
                )

    def arrivals(self) -> list[Arrival]:
        """The `up` events since the last call."""
        with self.events_file.open("rb") as file:
            file.seek(self._read)
            data = file.read()
        whole = data.rfind(b"\n") + 1
        self._read += whole
        lines = (json.loads(line) for line in data[:whole].splitlines())
        return [_arrival(line["at_us"] / 1e6, line["body"]) for line in lines if line["kind"] == "up"]


def _arrival(at_s: float, body: dict[str, object]) -> Arrival:
    receptions = body.get("rxInfo")
    assert isinstance(receptions, list)
    metadata = receptions[0].get("metadata", {})
    clock = metadata.get("spatz_clock", "") if "spatz_late" in metadata else ""
    address, counter = body.get("devAddr"), body.get("fCnt", 0)
    assert isinstance(address, str)
    assert isinstance(counter, int)
    time_s = datetime.fromisoformat(str(body["time"]).replace("Z", "+00:00")).timestamp()
    return Arrival(int(address, 16), counter, at_s, time_s, clock)


def _profile(tenant_id: str) -> api.DeviceProfile:
    return api.DeviceProfile(
        name="chaos",
        tenant_id=tenant_id,
        region=common.EU868,
        mac_version=common.LORAWAN_1_0_4,
        reg_params_revision=common.RP002_1_0_4,
        adr_algorithm_id="default",
        uplink_interval=3600,
    )
