"""The whole server in one value: core, timers, MQTT and gRPC, as the command and live tests run it.

with Service(MqttSettings(broker.url), seed=1) as service:
    service.wait_ready(10)
    client(service.grpc_address, service.admin_token)
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable

from bench.server.auth import Tokens
from bench.server.core import DEFAULT_TENANT, NetworkServer
from bench.server.eventlog import EventLog
from bench.server.faults import Faults
from bench.server.grpc_api import GrpcShell
from bench.server.live import LiveServer, wall_clock_us
from bench.server.mqtt import MqttSettings, MqttShell
from bench.server.records import ApiKey, Tenant
from bench.server.settings import Settings


class Service:
    """A running server; a context manager. `mqtt` None: the API only."""

    def __init__(
        self,
        mqtt: MqttSettings | None,
        *,
        settings: Settings | None = None,
        seed: int = 0,
        grpc_bind: str = "127.0.0.1:0",
        clock_us: Callable[[], int] = wall_clock_us,
    ) -> None:
        core = NetworkServer(settings, seed=seed)
        now_us = clock_us()
        tenant = Tenant(created_us=now_us, updated_us=now_us, id=core.chance.uuid(), name=DEFAULT_TENANT)
        core.storage.add_tenant(tenant)
        self.tenant_id = tenant.id
        tokens = Tokens(core.storage)
        self.admin_token = _key(core, tokens, ApiKey(core.chance.uuid(), "admin", is_admin=True))
        self.tenant_token = _key(core, tokens, ApiKey(core.chance.uuid(), "tenant", tenant_id=tenant.id))
        self.faults = Faults()
        self.live = LiveServer(core, clock_us)
        self.events = EventLog()
        self.live.listen(self.events.listen)
        self._mqtt = MqttShell(self.live, mqtt) if mqtt else None
        self._grpc = GrpcShell(self.live, tokens, self.events, bind=grpc_bind, faults=self.faults)
        self._stack = contextlib.ExitStack()

    @property
    def grpc_address(self) -> str:
        """host:port of the API."""
        return self._grpc.address

    def wait_ready(self, timeout_s: float) -> bool:
        """Wait until gateways are heard; True at once without MQTT."""
        return self._mqtt is None or self._mqtt.wait_subscribed(timeout_s)

    @property
    def ready(self) -> bool:
        """Whether gateways are heard now."""
        return self._mqtt is None or self._mqtt.subscribed

    def __enter__(self) -> Service:
        with contextlib.ExitStack() as stack:
            stack.enter_context(self.live)
            if self._mqtt is not None:
                stack.enter_context(self._mqtt)
            stack.enter_context(self._grpc)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()


def _key(core: NetworkServer, tokens: Tokens, key: ApiKey) -> str:
    core.storage.api_keys[key.id] = key
    return tokens.for_key(key.id)
