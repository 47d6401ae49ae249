"""A client of the bench server's gRPC API, and what its tests ask for again and again."""

import grpc
import pytest
from chirpstack_api import api
from server_node import APP_KEY, DEV_EUI

KEY_HEX = APP_KEY.hex()
OTHER_EUI = "70b3d57ed0000002"
Status = grpc.StatusCode


class Client:
    """Stubs with a token."""

    def __init__(self, channel, token):
        self.metadata = (("authorization", f"Bearer {token}"),)
        self.tenants = api.TenantServiceStub(channel)
        self.applications = api.ApplicationServiceStub(channel)
        self.profiles = api.DeviceProfileServiceStub(channel)
        self.devices = api.DeviceServiceStub(channel)
        self.gateways = api.GatewayServiceStub(channel)
        self.internal = api.InternalServiceStub(channel)

    def __call__(self, method, request, timeout=5):
        return method(request, metadata=self.metadata, timeout=timeout)


def device(place, dev_eui=DEV_EUI, name="bin 1", **fields):
    return api.Device(dev_eui=dev_eui, name=name, application_id=place[0], device_profile_id=place[1], **fields)


def create(client, place, *args, **fields):
    return client(client.devices.Create, api.CreateDeviceRequest(device=device(place, *args, **fields)))


def create_keys(client, key=KEY_HEX, dev_eui=DEV_EUI):
    keys = api.DeviceKeys(dev_eui=dev_eui, nwk_key=key)
    return client(client.devices.CreateKeys, api.CreateDeviceKeysRequest(device_keys=keys))


def refused(code, call, *args, **options):
    """The text of a refusal with this code."""
    with pytest.raises(grpc.RpcError) as caught:
        call(*args, **options)
    assert caught.value.code() is code
    return caught.value.details()
