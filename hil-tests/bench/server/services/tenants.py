"""TenantService and ApplicationService."""

from __future__ import annotations

from typing import Any

import grpc
from chirpstack_api import api

from bench.server.records import Application, Tenant
from bench.server.services.base import EMPTY, Service, named, page, required, stamps
from bench.server.storage import parse_uuid

TENANT_FIELDS = (
    "name",
    "description",
    "can_have_gateways",
    "max_gateway_count",
    "max_device_count",
    "private_gateways_up",
    "private_gateways_down",
)


class Tenants(Service, api.TenantServiceServicer):  # type: ignore[misc]
    """Owners of everything else; admins only may make and list them."""

    def Create(self, request: api.CreateTenantRequest, context: grpc.ServicerContext) -> Any:
        """A new tenant."""
        message = required(request, "tenant")
        with self._call(context) as call:
            call.may.admin()
            tenant = Tenant(id=call.turn.core.chance.uuid(), created_us=call.now_us, updated_us=call.now_us)
            _fill(tenant, message)
            call.turn.core.storage.add_tenant(tenant)
            return api.CreateTenantResponse(id=tenant.id)

    def Get(self, request: api.GetTenantRequest, context: grpc.ServicerContext) -> Any:
        """One tenant."""
        tenant_id = parse_uuid(request.id, "id")
        with self._call(context) as call:
            call.may.tenant(tenant_id)
            tenant = call.turn.core.storage.tenant(tenant_id)
            response = api.GetTenantResponse(tenant=_tenant_message(tenant))
            return stamps(response, tenant)

    def Update(self, request: api.UpdateTenantRequest, context: grpc.ServicerContext) -> Any:
        """Replace a tenant."""
        message = required(request, "tenant")
        tenant_id = parse_uuid(message.id, "id")
        with self._call(context) as call:
            call.may.admin()
            tenant = call.turn.core.storage.tenant(tenant_id)
            _fill(tenant, message)
            tenant.updated_us = call.now_us
            return EMPTY()

    def Delete(self, request: api.DeleteTenantRequest, context: grpc.ServicerContext) -> Any:
        """Remove a tenant and all that is its."""
        tenant_id = parse_uuid(request.id, "id")
        with self._call(context) as call:
            call.may.admin()
            call.turn.core.storage.remove_tenant(tenant_id)
            return EMPTY()

    def List(self, request: api.ListTenantsRequest, context: grpc.ServicerContext) -> Any:
        """Tenants by name."""
        with self._call(context) as call:
            call.may.admin()
            rows = named(call.turn.core.storage.tenants.values(), request.search, lambda tenant: tenant.name)
            response = api.ListTenantsResponse(total_count=len(rows))
            for tenant in page(rows, request.limit, request.offset):
                item = api.TenantListItem(id=tenant.id, **{name: getattr(tenant, name) for name in _LISTED})
                response.result.append(stamps(item, tenant))
            return response


_LISTED = tuple(name for name in TENANT_FIELDS if name != "description")


def _fill(tenant: Tenant, message: api.Tenant) -> None:
    for name in TENANT_FIELDS:
        setattr(tenant, name, getattr(message, name))
    tenant.tags = dict(message.tags)


def _tenant_message(tenant: Tenant) -> api.Tenant:
    return api.Tenant(id=tenant.id, tags=tenant.tags, **{name: getattr(tenant, name) for name in TENANT_FIELDS})


class Applications(Service, api.ApplicationServiceServicer):  # type: ignore[misc]
    """Groups of devices."""

    def Create(self, request: api.CreateApplicationRequest, context: grpc.ServicerContext) -> Any:
        """A new application."""
        message = required(request, "application")
        tenant_id = parse_uuid(message.tenant_id, "tenant_id")
        with self._call(context) as call:
            call.may.tenant(tenant_id, write=True)
            application = Application(
                id=call.turn.core.chance.uuid(),
                tenant_id=tenant_id,
                name=message.name,
                description=message.description,
                tags=dict(message.tags),
                created_us=call.now_us,
                updated_us=call.now_us,
            )
            call.turn.core.storage.add_application(application)
            return api.CreateApplicationResponse(id=application.id)

    def Get(self, request: api.GetApplicationRequest, context: grpc.ServicerContext) -> Any:
        """One application."""
        application_id = parse_uuid(request.id, "id")
        with self._call(context) as call:
            call.may.application(application_id)
            application = call.turn.core.storage.application(application_id)
            message = api.Application(
                id=application.id,
                tenant_id=application.tenant_id,
                name=application.name,
                description=application.description,
                tags=application.tags,
            )
            return stamps(api.GetApplicationResponse(application=message), application)

    def Update(self, request: api.UpdateApplicationRequest, context: grpc.ServicerContext) -> Any:
        """Replace name, description and tags."""
        message = required(request, "application")
        application_id = parse_uuid(message.id, "id")
        with self._call(context) as call:
            call.may.application(application_id, write=True)
            application = call.turn.core.storage.application(application_id)
            application.name, application.description = message.name, message.description
            application.tags = dict(message.tags)
            application.updated_us = call.now_us
            return EMPTY()

    def Delete(self, request: api.DeleteApplicationRequest, context: grpc.ServicerContext) -> Any:
        """Remove an application and its devices."""
        application_id = parse_uuid(request.id, "id")
        with self._call(context) as call:
            call.may.application(application_id, write=True)
            call.turn.core.storage.remove_application(application_id)
            return EMPTY()

    def List(self, request: api.ListApplicationsRequest, context: grpc.ServicerContext) -> Any:
        """Applications of a tenant by name."""
        tenant_id = parse_uuid(request.tenant_id, "tenant_id")
        with self._call(context) as call:
            call.may.tenant(tenant_id)
            mine = (a for a in call.turn.core.storage.applications.values() if a.tenant_id == tenant_id)
            rows = named(mine, request.search, lambda application: application.name)
            response = api.ListApplicationsResponse(total_count=len(rows))
            for application in page(rows, request.limit, request.offset):
                item = api.ApplicationListItem(
                    id=application.id, name=application.name, description=application.description
                )
                response.result.append(stamps(item, application))
            return response

    def ListDeviceTags(self, request: api.ListApplicationDeviceTagsRequest, context: grpc.ServicerContext) -> Any:
        """Tag keys used by the application's devices, with their values."""
        application_id = parse_uuid(request.application_id, "application_id")
        with self._call(context) as call:
            call.may.application(application_id)
            used: dict[str, set[str]] = {}
            for device in call.turn.core.storage.devices.values():
                if device.application_id == application_id:
                    for key, value in device.tags.items():
                        used.setdefault(key, set()).add(value)
            return api.ListApplicationDeviceTagsResponse(
                result=[
                    api.ApplicationDeviceTagListItem(key=key, values=sorted(values))
                    for key, values in sorted(used.items())
                ]
            )
