"""The server's memory, with the refusals a database would give.

A duplicate key is refused with the text PostgreSQL would use, because ChirpStack hands that text to the client
(as INTERNAL): see `grpc_api`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from typing import TypeVar

from bench.server.errors import BadHex, Duplicate, Invalid, NotFound
from bench.server.records import ApiKey, Application, Device, DeviceKeys, DeviceProfile, Gateway, QueueItem, Tenant

T = TypeVar("T")

RX1_DELAY_S_MAX = 15
EUI_DIGITS = 16
ADDRESS_DIGITS = 8
KEY_BYTES = 16


def parse_hex(text: str, digits: int, what: str) -> str:
    """Lower-case hexadecimal of exactly `digits`; the refusal names `what`, never the value."""
    if len(text) != digits or any(letter not in "0123456789abcdefABCDEF" for letter in text):
        raise BadHex(f"{what}: Invalid string length or digit, {digits} hexadecimal digits expected")
    return text.lower()


def parse_eui(text: str, what: str = "EUI64") -> str:
    """A 64-bit identifier."""
    return parse_hex(text, EUI_DIGITS, what)


def parse_key(text: str) -> bytes:
    """A 128-bit key; an empty text means all zeros, as ChirpStack takes it (the trap clients must know)."""
    return bytes.fromhex(parse_hex(text, 2 * KEY_BYTES, "AES128Key")) if text else bytes(KEY_BYTES)


def parse_uuid(text: str, what: str) -> str:
    """A UUID in its usual form."""
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise Invalid(f"{what}: invalid UUID") from None


class Storage:
    """Tables in memory. All methods raise errors of `errors.Refused` and then change nothing."""

    def __init__(self) -> None:
        self.tenants: dict[str, Tenant] = {}
        self.applications: dict[str, Application] = {}
        self.profiles: dict[str, DeviceProfile] = {}
        self.devices: dict[str, Device] = {}
        self.keys: dict[str, DeviceKeys] = {}
        self.gateways: dict[str, Gateway] = {}
        self.api_keys: dict[str, ApiKey] = {}

    # ----------------------------------------------------------------------------------------------- look up

    def tenant(self, tenant_id: str) -> Tenant:
        """A tenant by UUID."""
        return _found(self.tenants, tenant_id)

    def application(self, application_id: str) -> Application:
        """An application by UUID."""
        return _found(self.applications, application_id)

    def profile(self, profile_id: str) -> DeviceProfile:
        """A device profile by UUID."""
        return _found(self.profiles, profile_id)

    def device(self, dev_eui: str) -> Device:
        """A device by DevEUI."""
        return _found(self.devices, dev_eui)

    def device_keys(self, dev_eui: str) -> DeviceKeys:
        """Root keys of a device."""
        return _found(self.keys, dev_eui)

    def gateway(self, gateway_id: str) -> Gateway:
        """A gateway by EUI."""
        return _found(self.gateways, gateway_id)

    def tenant_of_device(self, dev_eui: str) -> str:
        """UUID of the tenant a device belongs to."""
        return self.application(self.device(dev_eui).application_id).tenant_id

    def active_devices(self, dev_addr: str) -> Iterator[Device]:
        """Enabled devices whose session has this address; several may share one."""
        for device in self.devices.values():
            if device.session is not None and device.session.dev_addr == dev_addr and not device.is_disabled:
                yield device

    # ------------------------------------------------------------------------------------------------- write

    def add_tenant(self, tenant: Tenant) -> None:
        """A new tenant."""
        _require_name(tenant.name)
        _insert(self.tenants, tenant.id, tenant, "tenant_pkey")

    def add_application(self, application: Application) -> None:
        """A new application of an existing tenant."""
        _require_name(application.name)
        self.tenant(application.tenant_id)
        _insert(self.applications, application.id, application, "application_pkey")

    def put_profile(self, profile: DeviceProfile, *, new: bool) -> None:
        """A new device profile, or the whole new state of an existing one."""
        _require_name(profile.name)
        if profile.message.rx1_delay > RX1_DELAY_S_MAX:
            raise Invalid(f"RX1 Delay must be between 0 - {RX1_DELAY_S_MAX}")
        if profile.tenant_id:
            self.tenant(profile.tenant_id)
        if new:
            _insert(self.profiles, profile.id, profile, "device_profile_pkey")
        else:
            _found(self.profiles, profile.id)
            self.profiles[profile.id] = profile

    def check_device(self, device: Device) -> None:
        """The rules of a device, new or changed."""
        _require_name(device.name)
        self.application(device.application_id)
        self.profile(device.device_profile_id)

    def add_device(self, device: Device) -> None:
        """A new device. The DevEUI is unique on the server, over all tenants."""
        self.check_device(device)
        tenant = self.tenant(self.application(device.application_id).tenant_id)
        if tenant.max_device_count and self._device_count(tenant.id) >= tenant.max_device_count:
            raise Invalid("Max number of devices exceeded for tenant")
        _insert(self.devices, device.dev_eui, device, "device_pkey")

    def add_keys(self, dev_eui: str, keys: DeviceKeys) -> None:
        """Root keys of an existing device that has none."""
        self.device(dev_eui)
        _insert(self.keys, dev_eui, keys, "device_keys_pkey")

    def add_gateway(self, gateway: Gateway) -> None:
        """A new gateway of an existing tenant."""
        _require_name(gateway.message.name)
        tenant = self.tenant(gateway.tenant_id)
        if not tenant.can_have_gateways:
            raise Invalid("Tenant can not have gateways")
        count = sum(1 for other in self.gateways.values() if other.tenant_id == tenant.id)
        if tenant.max_gateway_count and count >= tenant.max_gateway_count:
            raise Invalid("Max number of gateways exceeded for tenant")
        _insert(self.gateways, gateway.gateway_id, gateway, "gateway_pkey")

    def remove_device(self, dev_eui: str) -> None:
        """A device and its keys."""
        _found(self.devices, dev_eui)
        del self.devices[dev_eui]
        self.keys.pop(dev_eui, None)

    def remove_application(self, application_id: str) -> None:
        """An application and its devices."""
        _found(self.applications, application_id)
        del self.applications[application_id]
        for device in [d for d in self.devices.values() if d.application_id == application_id]:
            self.remove_device(device.dev_eui)

    def remove_profile(self, profile_id: str) -> None:
        """A device profile no device uses any more."""
        _found(self.profiles, profile_id)
        if any(device.device_profile_id == profile_id for device in self.devices.values()):
            raise Duplicate(
                'update or delete on table "device_profile" violates foreign key constraint on table "device"'
            )
        del self.profiles[profile_id]

    def remove_tenant(self, tenant_id: str) -> None:
        """A tenant and all that is its."""
        _found(self.tenants, tenant_id)
        del self.tenants[tenant_id]
        for application in [a for a in self.applications.values() if a.tenant_id == tenant_id]:
            self.remove_application(application.id)
        self.profiles = {key: p for key, p in self.profiles.items() if p.tenant_id != tenant_id}
        self.gateways = {key: g for key, g in self.gateways.items() if g.tenant_id != tenant_id}
        self.api_keys = {key: k for key, k in self.api_keys.items() if k.tenant_id != tenant_id}

    def enqueue(self, item: QueueItem) -> None:
        """A downlink at the end of its device's queue."""
        self.device(item.dev_eui).queue.append(item)

    def dequeue(self, item: QueueItem) -> None:
        """Take an item out of its device's queue."""
        queue = self.device(item.dev_eui).queue
        queue[:] = [other for other in queue if other.id != item.id]

    def _device_count(self, tenant_id: str) -> int:
        owned = {a.id for a in self.applications.values() if a.tenant_id == tenant_id}
        return sum(1 for device in self.devices.values() if device.application_id in owned)


def _found(table: dict[str, T], key: str) -> T:
    try:
        return table[key]
    except KeyError:
        raise NotFound(f"Object does not exist (id: {key})") from None


def _insert(table: dict[str, T], key: str, value: T, constraint: str) -> None:
    if key in table:
        raise Duplicate(f'duplicate key value violates unique constraint "{constraint}"')
    table[key] = value


def _require_name(name: str) -> None:
    if not name:
        raise Invalid("name is not set")
