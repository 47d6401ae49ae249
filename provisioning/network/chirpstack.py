"""Registration at ChirpStack v4: everything by "look, then create", so that it may be repeated at any time.

For LoRaWAN 1.0.x the AppKey belongs into `nwk_key`; `app_key` stays empty (comment in `api/device.proto`,
`uplink/join.rs`). Names are not unique on the server and its search finds parts of names, so an object counts
as ours only when the whole name is equal.
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chirpstack_api import api, common

from provisioning.errors import ServerError, TokenRefused
from provisioning.network.channel import Channel, Duplicate, NotFound
from provisioning.regions import chirpstack_name

PAGE = 100
CLASS_C_TIMEOUT_S = 8  # the answer to a confirmed downlink: CLASS_C_RESP_TIMEOUT (RP002-1.0.4 section 2.3)
EXPECTED_UPLINK_S = 3600  # after how long the server calls a device inactive; only for its overview
STATUS_REQUESTS_A_DAY = 1


@dataclass(frozen=True, slots=True)
class Wanted:
    """A device as it shall stand on the server."""

    dev_eui: str
    join_eui: str
    name: str
    application: str
    tenant: str
    region: str
    tags: Mapping[str, str]
    device_class: str = "A"

    @property
    def profile(self) -> str:
        """Name of its device profile: one a region and class."""
        return f"Spatz {self.region}" + (" class C" if self.device_class == "C" else "")


@dataclass(frozen=True, slots=True)
class Registration:
    """What is on the server now, and what this run changed. Ids are the server's."""

    application_id: str
    device_profile_id: str
    created: bool
    keys: str  # created, kept, replaced

    def result(self) -> dict[str, Any]:
        """For the journal."""
        return {
            "application_id": self.application_id,
            "device_profile_id": self.device_profile_id,
            "created": self.created,
            "keys": self.keys,
        }


class ChirpStack:
    """The calls a provisioner needs, over a `Channel`."""

    def __init__(self, channel: Channel) -> None:
        self._url = channel.url
        self._call = channel.call
        self._stream = channel.stream
        self._tenants = api.TenantServiceStub(channel.grpc)
        self._applications = api.ApplicationServiceStub(channel.grpc)
        self._profiles = api.DeviceProfileServiceStub(channel.grpc)
        self._devices = api.DeviceServiceStub(channel.grpc)
        self._internal = api.InternalServiceStub(channel.grpc)

    def register(
        self,
        wanted: Wanted,
        app_key: bytearray,
        codec: str,
        *,
        forget_nonces: bool,
        gen_app_key: bytes | bytearray = b"",
    ) -> Registration:
        """Bring the server to `wanted`. `forget_nonces` when the node starts its DevNonce anew; `gen_app_key` for a
        node that may be put into multicast groups."""
        tenant_id = self.find_tenant(wanted.tenant)
        application_id = self.ensure_application(tenant_id, wanted.application)
        profile_id = self.ensure_device_profile(tenant_id, wanted, codec)
        created = self.ensure_device(wanted, application_id, profile_id)
        keys = self.ensure_keys(wanted.dev_eui, app_key, gen_app_key)
        if not created and (forget_nonces or keys == "replaced"):
            self._begin_anew(wanted.dev_eui)
        return Registration(application_id, profile_id, created, keys)

    def _begin_anew(self, dev_eui: str) -> None:
        """Let the node's first DevNonces pass again, and end the old session: it would look like the new join."""
        self._call(self._devices.FlushDevNonces, api.FlushDevNoncesRequest(dev_eui=dev_eui))
        self._call(self._devices.Deactivate, api.DeactivateDeviceRequest(dev_eui=dev_eui))

    def find_tenant(self, wanted: str) -> str:
        """The id of the tenant called `wanted` (name or id); empty: the only one there is."""
        if _is_id(wanted):
            return wanted
        try:
            tenants = list(self._pages(self._tenants.List, api.ListTenantsRequest, search=wanted))
        except NotFound:  # a tenant's own token may not list tenants
            raise ServerError("tenant-needed") from None
        matching = [tenant for tenant in tenants if not wanted or tenant.name == wanted]
        if len(matching) != 1:
            names = ", ".join(sorted(tenant.name for tenant in tenants)) or "-"
            raise ServerError("tenant-unclear", wanted=wanted or "-", names=names)
        return str(matching[0].id)

    def ensure_application(self, tenant_id: str, name: str) -> str:
        """The id of the application of this name, created when missing."""
        try:
            found = list(
                self._pages(self._applications.List, api.ListApplicationsRequest, tenant_id=tenant_id, search=name)
            )
        except NotFound:  # after this list has worked once, "not found" of a device does not mean a bad token
            raise TokenRefused("token-refused", url=self._url) from None
        for application in found:
            if application.name == name:
                return str(application.id)
        request = api.CreateApplicationRequest(application=api.Application(name=name, tenant_id=tenant_id))
        return str(self._call(self._applications.Create, request).id)

    def ensure_device_profile(self, tenant_id: str, wanted: Wanted, codec: str) -> str:
        """The id of our device profile, created when missing, its codec renewed when it differs."""
        name = wanted.profile
        for listed in self._pages(self._profiles.List, api.ListDeviceProfilesRequest, tenant_id=tenant_id, search=name):
            if listed.name == name:
                found = self._call(self._profiles.Get, api.GetDeviceProfileRequest(id=listed.id)).device_profile
                if found.payload_codec_script != codec:
                    found.payload_codec_script = codec
                    found.payload_codec_runtime = api.CodecRuntime.JS
                    self._call(self._profiles.Update, api.UpdateDeviceProfileRequest(device_profile=found))
                return str(listed.id)
        profile = api.DeviceProfile(
            tenant_id=tenant_id,
            name=name,
            description="Written by spatz; the codec decodes every Spatz profile by its FPort.",
            region=common.Region.Value(chirpstack_name(wanted.region)),
            mac_version=common.MacVersion.LORAWAN_1_0_4,
            reg_params_revision=common.RegParamsRevision.RP002_1_0_3,
            adr_algorithm_id="default",
            payload_codec_runtime=api.CodecRuntime.JS,
            payload_codec_script=codec,
            flush_queue_on_activate=False,
            uplink_interval=EXPECTED_UPLINK_S,
            device_status_req_interval=STATUS_REQUESTS_A_DAY,
            supports_otaa=True,
            supports_class_c=wanted.device_class == "C",
            class_c_timeout=CLASS_C_TIMEOUT_S,
        )
        return str(self._call(self._profiles.Create, api.CreateDeviceProfileRequest(device_profile=profile)).id)

    def ensure_device(self, wanted: Wanted, application_id: str, profile_id: str) -> bool:
        """The device with our name, profile and tags; True when it was created now."""
        device = self._device(wanted.dev_eui)
        if device is None:
            device = api.Device(
                dev_eui=wanted.dev_eui,
                name=wanted.name,
                application_id=application_id,
                device_profile_id=profile_id,
                join_eui=wanted.join_eui,
                tags=wanted.tags,
            )
            try:
                self._call(self._devices.Create, api.CreateDeviceRequest(device=device))
            except Duplicate:
                # Either a lost answer to our own call, or a device of a tenant we cannot see into.
                device = self._device(wanted.dev_eui)
                if device is None:
                    raise ServerError("device-elsewhere", eui=wanted.dev_eui) from None
            else:
                return True
        if device.application_id != application_id:
            raise ServerError("device-elsewhere", eui=wanted.dev_eui)
        self._align(device, wanted, profile_id)
        return False

    def _align(self, device: Any, wanted: Wanted, profile_id: str) -> None:
        """Bring name, profile and our tags up to date; what others added to the device stays."""
        as_was = device.SerializeToString(deterministic=True)
        device.name = wanted.name
        device.device_profile_id = profile_id
        device.tags.update(wanted.tags)
        if device.SerializeToString(deterministic=True) != as_was:
            self._call(self._devices.Update, api.UpdateDeviceRequest(device=device))

    def _device(self, dev_eui: str) -> Any:
        try:
            return self._call(self._devices.Get, api.GetDeviceRequest(dev_eui=dev_eui)).device
        except NotFound:
            return None

    def ensure_keys(self, dev_eui: str, app_key: bytearray, gen_app_key: bytes | bytearray = b"") -> str:
        """The AppKey on the server: `created`, `kept` or `replaced`. Checked by the caller; the server would not."""
        keys = api.DeviceKeys(dev_eui=dev_eui, nwk_key=app_key.hex(), gen_app_key=gen_app_key.hex())
        try:
            present = self._call(self._devices.GetKeys, api.GetDeviceKeysRequest(dev_eui=dev_eui)).device_keys
        except NotFound:
            try:
                self._call(self._devices.CreateKeys, api.CreateDeviceKeysRequest(device_keys=keys))
            except Duplicate:  # the answer to our first try was lost
                return self.ensure_keys(dev_eui, app_key, gen_app_key)
            return "created"
        if hmac.compare_digest(present.nwk_key.lower(), app_key.hex()):
            if gen_app_key and not hmac.compare_digest(present.gen_app_key.lower(), gen_app_key.hex()):
                self._call(self._devices.UpdateKeys, api.UpdateDeviceKeysRequest(device_keys=keys))
            return "kept"
        self._call(self._devices.UpdateKeys, api.UpdateDeviceKeysRequest(device_keys=keys))
        return "replaced"

    def dev_addr(self, dev_eui: str) -> str | None:
        """The DevAddr of the device's session, None before it joined. The session keys of the answer are left in it."""
        try:
            answer = self._call(self._devices.GetActivation, api.GetDeviceActivationRequest(dev_eui=dev_eui))
        except NotFound:
            return None
        return str(answer.device_activation.dev_addr) or None if answer.HasField("device_activation") else None

    def session_keys(self, dev_eui: str) -> tuple[bytearray, bytearray, str] | None:
        """(NwkSKey, AppSKey, DevAddr) of the present session, for looking into frames; None before the join."""
        try:
            answer = self._call(self._devices.GetActivation, api.GetDeviceActivationRequest(dev_eui=dev_eui))
        except NotFound:
            return None
        if not answer.HasField("device_activation"):
            return None
        session = answer.device_activation
        return bytearray.fromhex(session.f_nwk_s_int_key), bytearray.fromhex(session.app_s_key), session.dev_addr

    def events(self, dev_eui: str, seconds: float) -> Iterator[Any]:
        """Events of the device (`description`, `body`), recent ones first, then as they come, for at most `seconds`."""
        return self._stream(self._internal.StreamDeviceEvents, api.StreamDeviceEventsRequest(dev_eui=dev_eui), seconds)

    def _pages(self, method: Callable[..., Any], request: Callable[..., Any], **fields: Any) -> Iterator[Any]:
        """All rows of a List call. Its default limit of 0 would answer with a count and no row."""
        offset = 0
        while True:
            answer = self._call(method, request(limit=PAGE, offset=offset, **fields))
            yield from answer.result
            offset += len(answer.result)
            if not answer.result or offset >= answer.total_count:
                return


def wait_for_join(
    server: ChirpStack,
    dev_eui: str,
    deadline_s: float,
    *,
    pause_s: float = 0.5,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Ask until the device has a session; its DevAddr, or None when `deadline_s` passed first."""
    until = clock() + deadline_s
    while True:
        dev_addr = server.dev_addr(dev_eui)
        if dev_addr is not None or clock() >= until:
            return dev_addr
        sleep(pause_s)


def _is_id(text: str) -> bool:
    from uuid import UUID

    try:
        UUID(text)
    except ValueError:
        return False
    return True
