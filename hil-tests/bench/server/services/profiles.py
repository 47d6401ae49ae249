"""DeviceProfileService."""

from __future__ import annotations

from typing import Any

import grpc
from chirpstack_api import api

from bench.server.adr import ALGORITHM_ID, ALGORITHM_NAME
from bench.server.records import DeviceProfile
from bench.server.services.base import EMPTY, Service, named, page, required, stamps
from bench.server.storage import parse_uuid

LISTED = (
    "id",
    "name",
    "region",
    "mac_version",
    "reg_params_revision",
    "supports_otaa",
    "supports_class_b",
    "supports_class_c",
)


class DeviceProfiles(Service, api.DeviceProfileServiceServicer):  # type: ignore[misc]
    """How kinds of devices speak, codec included."""

    def Create(self, request: api.CreateDeviceProfileRequest, context: grpc.ServicerContext) -> Any:
        """A new profile; without a tenant it is global, which only an admin may make."""
        message = required(request, "device_profile")
        tenant_id = parse_uuid(message.tenant_id, "tenant_id") if message.tenant_id else ""
        with self._call(context) as call:
            if tenant_id:
                call.may.tenant(tenant_id, write=True)
            else:
                call.may.admin()
            own = api.DeviceProfile()
            own.CopyFrom(message)
            own.id = call.turn.core.chance.uuid()
            profile = DeviceProfile(created_us=call.now_us, updated_us=call.now_us, message=own)
            call.turn.core.storage.put_profile(profile, new=True)
            return api.CreateDeviceProfileResponse(id=own.id)

    def Get(self, request: api.GetDeviceProfileRequest, context: grpc.ServicerContext) -> Any:
        """One profile."""
        profile_id = parse_uuid(request.id, "id")
        with self._call(context) as call:
            call.may.profile(profile_id)
            profile = call.turn.core.storage.profile(profile_id)
            return stamps(api.GetDeviceProfileResponse(device_profile=profile.message), profile)

    def Update(self, request: api.UpdateDeviceProfileRequest, context: grpc.ServicerContext) -> Any:
        """Replace a profile, all of it but its owner."""
        message = required(request, "device_profile")
        profile_id = parse_uuid(message.id, "id")
        with self._call(context) as call:
            call.may.profile(profile_id, write=True)
            old = call.turn.core.storage.profile(profile_id)
            own = api.DeviceProfile()
            own.CopyFrom(message)
            own.tenant_id = old.tenant_id
            new = DeviceProfile(created_us=old.created_us, updated_us=call.now_us, message=own)
            call.turn.core.storage.put_profile(new, new=False)
            return EMPTY()

    def Delete(self, request: api.DeleteDeviceProfileRequest, context: grpc.ServicerContext) -> Any:
        """Remove a profile no device uses."""
        profile_id = parse_uuid(request.id, "id")
        with self._call(context) as call:
            call.may.profile(profile_id, write=True)
            call.turn.core.storage.remove_profile(profile_id)
            return EMPTY()

    def List(self, request: api.ListDeviceProfilesRequest, context: grpc.ServicerContext) -> Any:
        """Profiles of a tenant, with the global ones unless told otherwise, by name."""
        tenant_id = parse_uuid(request.tenant_id, "tenant_id") if request.tenant_id else ""
        with self._call(context) as call:
            if tenant_id:
                call.may.tenant(tenant_id)
            elif not request.global_only:
                call.may.admin()
            rows = [
                profile
                for profile in call.turn.core.storage.profiles.values()
                if (not tenant_id or profile.tenant_id in (tenant_id, ""))
                and not (request.global_only and profile.tenant_id)
                and not (request.tenant_only and not profile.tenant_id)
            ]
            rows = named(rows, request.search, lambda profile: profile.name)
            response = api.ListDeviceProfilesResponse(total_count=len(rows))
            for profile in page(rows, request.limit, request.offset):
                item = api.DeviceProfileListItem(**{name: getattr(profile.message, name) for name in LISTED})
                response.result.append(stamps(item, profile))
            return response

    def ListAdrAlgorithms(self, request: Any, context: grpc.ServicerContext) -> Any:
        """The one algorithm there is."""
        return api.ListDeviceProfileAdrAlgorithmsResponse(
            total_count=1, result=[api.AdrAlgorithmListItem(id=ALGORITHM_ID, name=ALGORITHM_NAME)]
        )
