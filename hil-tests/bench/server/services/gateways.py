"""GatewayService."""

from __future__ import annotations

from typing import Any

import grpc
from chirpstack_api import api

from bench.server import events
from bench.server.errors import Invalid
from bench.server.records import Gateway
from bench.server.services.base import EMPTY, Service, named, page, required, stamps
from bench.server.storage import parse_eui, parse_uuid

OFFLINE_AFTER_INTERVALS = 2
SECOND_US = 1_000_000


class Gateways(Service, api.GatewayServiceServicer):  # type: ignore[misc]
    """Registered gateways."""

    def Create(self, request: api.CreateGatewayRequest, context: grpc.ServicerContext) -> Any:
        """A new gateway."""
        message = _checked(required(request, "gateway"))
        with self._call(context) as call:
            call.may.tenant(message.tenant_id, write=True)
            gateway = Gateway(created_us=call.now_us, updated_us=call.now_us, message=message)
            call.turn.core.storage.add_gateway(gateway)
            return EMPTY()

    def Get(self, request: api.GetGatewayRequest, context: grpc.ServicerContext) -> Any:
        """One gateway."""
        gateway_id = parse_eui(request.gateway_id)
        with self._call(context) as call:
            call.may.gateway(gateway_id)
            gateway = call.turn.core.storage.gateway(gateway_id)
            return stamps(api.GetGatewayResponse(gateway=gateway.message), gateway)

    def Update(self, request: api.UpdateGatewayRequest, context: grpc.ServicerContext) -> Any:
        """Replace a gateway."""
        sent = required(request, "gateway")
        gateway_id = parse_eui(sent.gateway_id)
        with self._call(context) as call:
            call.may.gateway(gateway_id, write=True)
            gateway = call.turn.core.storage.gateway(gateway_id)
            message = api.Gateway()
            message.CopyFrom(sent)
            message.gateway_id, message.tenant_id = gateway_id, gateway.tenant_id
            gateway.message = message
            gateway.updated_us = call.now_us
            return EMPTY()

    def Delete(self, request: api.DeleteGatewayRequest, context: grpc.ServicerContext) -> Any:
        """Remove a gateway."""
        gateway_id = parse_eui(request.gateway_id)
        with self._call(context) as call:
            call.may.gateway(gateway_id, write=True)
            call.turn.core.storage.gateway(gateway_id)
            del call.turn.core.storage.gateways[gateway_id]
            return EMPTY()

    def List(self, request: api.ListGatewaysRequest, context: grpc.ServicerContext) -> Any:
        """Gateways of a tenant (all of them for an admin without one) by name."""
        tenant_id = parse_uuid(request.tenant_id, "tenant_id") if request.tenant_id else ""
        with self._call(context) as call:
            if tenant_id:
                call.may.tenant(tenant_id)
            else:
                call.may.admin()
            mine = (g for g in call.turn.core.storage.gateways.values() if not tenant_id or g.tenant_id == tenant_id)
            rows = named(mine, request.search, lambda gateway: str(gateway.message.name))
            response = api.ListGatewaysResponse(total_count=len(rows))
            for gateway in page(rows, request.limit, request.offset):
                item = api.GatewayListItem(
                    gateway_id=gateway.gateway_id,
                    tenant_id=gateway.tenant_id,
                    name=gateway.message.name,
                    description=gateway.message.description,
                    location=gateway.message.location,
                    state=_state(gateway, call.now_us),
                )
                response.result.append(stamps(item, gateway))
            return response


def _checked(sent: api.Gateway) -> api.Gateway:
    message = api.Gateway()
    message.CopyFrom(sent)
    message.gateway_id = parse_eui(message.gateway_id)
    message.tenant_id = parse_uuid(message.tenant_id, "tenant_id")
    if not message.HasField("location"):
        raise Invalid("location is missing")
    return message


def _state(gateway: Gateway, now_us: int) -> int:
    """Online while it was seen within two statistics intervals."""
    if gateway.last_seen_us is None:
        return int(api.GatewayState.NEVER_SEEN)
    limit_us = OFFLINE_AFTER_INTERVALS * (gateway.message.stats_interval or 30) * SECOND_US
    late = events.timestamp(now_us).ToMicroseconds() - gateway.last_seen_us > limit_us
    return int(api.GatewayState.OFFLINE if late else api.GatewayState.ONLINE)
