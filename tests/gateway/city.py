"""A city on one machine: a real broker, the bench's network server, gateways, and merge gates as real processes.

Gateways and server run in threads of the test and share one clock that the test puts forward: an outage of hours takes
no time, and what happened in it has its true time all the same.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.broker import Broker
from bench.chaos.load import Device, data_uplink, device
from bench.demo.processes import Process
from bench.server.application import Application
from bench.server.live import wall_clock_us
from bench.server.mqtt import MqttSettings
from bench.server.service import Service
from bench.server.settings import Settings
from tests.gateway.kit import PATIENCE_S, Forwarder, GatewayThread, ShiftClock, rxpk

# What facts/gateway.md section 5 allows for a busy ChirpStack: of frames that come closer one may be lost. Only for
# tests of that, at the spacing of production: on a loaded machine half a second can shrink to nothing.
BUSY = Settings(processing_us=300_000)

_GATEWAY = """
[gateway]
id = "{eui}"
[[source]]
type = "semtech_udp"
bind = "127.0.0.1:0"
[[destination]]
name = "city"
type = "chirpstack_mqtt"
server = "{broker}"
topic_prefix = "eu868"
reconnect_max = "250ms"
replay_per_second = {replay}
merge = {merge}
{more}
"""

_GATE = """
[merge]
partitions = "{partitions}"
quiet = "{quiet}"
longest_wait = "1min"
device_spacing = "{spacing}"
replay_per_second = 1000
[broker]
server = "{broker}"
client_id = "{name}"
topic_prefix = "eu868"
reconnect_max = "250ms"
[status]
bind = "127.0.0.1:0"
"""


class MergeProcess(Process):
    """`spatz-gateway merge`."""

    def __init__(
        self,
        directory: Path,
        broker_url: str,
        name: str = "gate",
        partitions: str = "0123456789abcdef",
        quiet: str = "1s",
        spacing: str = "500ms",
        most_bytes: int = 0,
    ) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        settings = directory / f"{name}.toml"
        text = _GATE.format(broker=broker_url, name=name, partitions=partitions, quiet=quiet, spacing=spacing)
        settings.write_text(text.replace("[merge]", f'[merge]\npath = "{name}.db"'))
        limit = ["prlimit", f"--fsize={most_bytes}"] if most_bytes else []
        super().__init__(name, [*limit, sys.executable, "-m", "gateway", "merge", "--config", str(settings)], directory)

    def start(self) -> None:
        """Start, and return when it serves its partitions."""
        super().start()
        self.wait_for("connected")


class City:
    """A context manager. `clock` is the time of all gateways and of the server."""

    def __init__(self, directory: Path, settings: Settings | None = None, broker: Broker | None = None) -> None:
        self.directory = directory
        self.clock = ShiftClock()
        self.broker = broker or Broker(directory / "broker")
        self.gates: list[MergeProcess] = []
        self.gateways: list[GatewayThread] = []
        self.forwarders: list[Forwarder] = []
        self.application: Application
        self.sent: dict[tuple[int, int], int] = {}
        """(DevAddr, FCnt) -> when it was received, Unix microseconds."""
        self._server_settings = settings
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> City:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.broker)
            # The profile that operators are advised to use: facts/gateway.md section 3.
            profile = MqttSettings(self.broker.url, qos=1, client_id="chirpstack", session_expiry_s=86_400)
            service = Service(
                profile, settings=self._server_settings, clock_us=lambda: wall_clock_us() + self.clock.forward_us
            )
            self.application = Application(service.live)
            self.service = stack.enter_context(service)
            assert service.wait_ready(PATIENCE_S)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    # Who is there

    def gate(self, name: str = "gate", **settings: Any) -> MergeProcess:
        """One more merge gate, running."""
        gate = MergeProcess(self.directory, self.broker.url, name, **settings)
        self._stack.callback(gate.stop)
        self.gates.append(gate)
        gate.start()
        return gate

    def gateway(self, number: int, *, merge: bool = True, replay: float = 500, more: str = "") -> GatewayThread:
        """One more gateway with its concentrator."""
        eui = f"0016c001ff10{number:04x}"
        directory = self.directory / eui
        directory.mkdir(exist_ok=True)
        config = directory / "gateway.toml"
        config.write_text(
            _GATEWAY.format(eui=eui, broker=self.broker.url, merge=str(merge).lower(), replay=replay, more=more)
        )
        gateway = self._stack.enter_context(GatewayThread(config, self.clock))
        forwarder = self._stack.enter_context(Forwarder(gateway.address, eui))
        forwarder.pull()
        self.gateways.append(gateway)
        self.forwarders.append(forwarder)
        return gateway

    def devices(self, count: int) -> list[Device]:
        """Devices known to the server."""
        devices = [device(number) for number in range(count)]
        for one in devices:
            self.application.add(one.dev_eui, one.dev_addr, one.keys)
        return devices

    # What happens

    def hear(self, one: Device, f_cnt: int, gateways: Sequence[int] = (0,), *, confirmed: bool = False) -> None:
        """A device sends, and some gateways hear it and store it."""
        phy_payload = data_uplink(one, f_cnt, b"%d" % f_cnt, confirmed=confirmed)
        self.sent[one.dev_addr, f_cnt] = self.clock.wall_us()
        for number in gateways:
            self.forwarders[number].push(rxpk(phy_payload, rssi=-80 - number))

    # The judgement

    def wait_all(self, patience_s: float = 60.0) -> None:
        """Until everything sent is at the application."""
        application = self.application
        application.wait(
            lambda: {(up.dev_addr, up.f_cnt) for up in application.ups} >= set(self.sent), "every frame", patience_s
        )

    def judge(self, longest_error_s: float = 2.0) -> None:
        """Exactly once, each device in order, at the true time."""
        ups = self.application.ups
        assert sorted((up.dev_addr, up.f_cnt) for up in ups) == sorted(self.sent), "each frame once"
        for dev_addr in {up.dev_addr for up in ups}:
            counters = self.application.counters(dev_addr)
            assert counters == sorted(counters), f"order of {dev_addr:08x}"
        for up in ups:
            error_s = (up.time_us - self.sent[up.dev_addr, up.f_cnt]) / 1e6
            assert abs(error_s) < longest_error_s, f"{up.dev_addr:08x} {up.f_cnt} is dated {error_s:.1f} s wrong"
