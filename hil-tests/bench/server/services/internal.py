"""InternalService: login, API keys, regions, and the streams of events."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
from chirpstack_api import api, common

from bench.server.auth import Tokens
from bench.server.errors import Invalid, NotFound
from bench.server.eventlog import EventLog
from bench.server.live import LiveServer
from bench.server.records import ApiKey
from bench.server.services.base import EMPTY, Service, named, page, required
from bench.server.storage import parse_eui, parse_uuid

USER_EMAIL = "admin"
USER_PASSWORD = "admin"
"""ChirpStack's first user; of a server that listens on loopback only."""
USER_ID = "00000000-0000-0000-0000-000000000001"
VERSION = "4.20.0-bench"


class Internal(Service, api.InternalServiceServicer):  # type: ignore[misc]
    """What ChirpStack's own web page uses, and provisioning tools as well."""

    def __init__(self, live: LiveServer, tokens: Tokens, log: EventLog) -> None:
        super().__init__(live, tokens)
        self._log = log

    def Login(self, request: api.LoginRequest, context: grpc.ServicerContext) -> Any:
        """A token for a day."""
        if (request.email, request.password) != (USER_EMAIL, USER_PASSWORD):
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "")
        with self._live.turn() as turn:
            return api.LoginResponse(jwt=self._tokens.for_user(USER_ID, turn.now_us // 1_000_000))

    def CreateApiKey(self, request: api.CreateApiKeyRequest, context: grpc.ServicerContext) -> Any:
        """A key, admin's or a tenant's, never both; the token is told once. Logins only."""
        message = required(request, "api_key")
        if message.is_admin and message.tenant_id:
            raise Invalid("api_key can not be admin and tenant key at the same time")
        if not message.is_admin and not message.tenant_id:
            raise Invalid("either is_admin or tenant_id must be set")
        with self._call(context) as call:
            call.may.user()
            storage = call.turn.core.storage
            if message.tenant_id:
                storage.tenant(parse_uuid(message.tenant_id, "tenant_id"))
            key = ApiKey(
                id=call.turn.core.chance.uuid(),
                name=message.name,
                is_admin=message.is_admin,
                tenant_id=message.tenant_id,
                is_read_only=message.is_read_only,
            )
            storage.api_keys[key.id] = key
            return api.CreateApiKeyResponse(id=key.id, token=self._tokens.for_key(key.id))

    def DeleteApiKey(self, request: api.DeleteApiKeyRequest, context: grpc.ServicerContext) -> Any:
        """Make a token worthless."""
        key_id = parse_uuid(request.id, "id")
        with self._call(context) as call:
            call.may.user()
            if call.turn.core.storage.api_keys.pop(key_id, None) is None:
                raise NotFound(f"Object does not exist (id: {key_id})")
            return EMPTY()

    def ListApiKeys(self, request: api.ListApiKeysRequest, context: grpc.ServicerContext) -> Any:
        """Keys without their tokens."""
        with self._call(context) as call:
            call.may.user()
            mine = [
                key
                for key in call.turn.core.storage.api_keys.values()
                if key.is_admin == request.is_admin and (not request.tenant_id or key.tenant_id == request.tenant_id)
            ]
            rows = named(mine, "", lambda key: key.name)
            items = [
                api.ApiKey(id=key.id, name=key.name, is_admin=key.is_admin, tenant_id=key.tenant_id)
                for key in page(rows, request.limit, request.offset)
            ]
            return api.ListApiKeysResponse(total_count=len(rows), result=items)

    def GetVersion(self, request: Any, context: grpc.ServicerContext) -> Any:
        """Version of the server; refused to API keys, so it is no health probe."""
        with self._call(context) as call:
            call.may.user()
            return api.GetVersionResponse(version=VERSION)

    def ListRegions(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The one region there is."""
        with self._call(context) as call:
            region = call.turn.core.settings.region
            item = api.RegionListItem(
                id=region.config_id, region=common.Region.Value(region.common_name), description=region.description
            )
            return api.ListRegionsResponse(regions=[item])

    def GetRegion(self, request: api.GetRegionRequest, context: grpc.ServicerContext) -> Any:
        """The region's settings."""
        with self._call(context) as call:
            settings = call.turn.core.settings
            region = settings.region
            if request.id != region.config_id:
                raise NotFound(f"Object does not exist (id: {request.id})")
            return api.GetRegionResponse(
                id=region.config_id,
                region=common.Region.Value(region.common_name),
                description=region.description,
                uplink_channels=[
                    api.RegionChannel(frequency=hz, dr_min=0, dr_max=5)
                    for hz in settings.network_channels_hz().values()
                ],
                rx1_delay=settings.rx1_delay_s,
                rx1_dr_offset=settings.rx1_dr_offset,
                rx2_dr=settings.rx2_dr,
                rx2_frequency=settings.rx2_frequency_hz,
            )

    def StreamDeviceEvents(
        self, request: api.StreamDeviceEventsRequest, context: grpc.ServicerContext
    ) -> Iterator[api.LogItem]:
        """Recent events of a device, then new ones, until the caller goes away."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui)
            call.turn.core.storage.device(dev_eui)
            watch = self._log.watch(dev_eui)
        if not context.add_callback(watch.stop):
            watch.stop()
        yield from watch
