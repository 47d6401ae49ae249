"""The gRPC API with a real client: what works, and every trap of ChirpStack that a client must know."""

import pytest
from chirpstack_api import api, common
from google.protobuf.empty_pb2 import Empty
from grpc_client import OTHER_EUI, Client, Status, create, create_keys, device, refused
from server_node import APP_KEY, DEV_EUI

from bench.server.service import Service

# --------------------------------------------------------------------------------------------------- permission


@pytest.mark.parametrize("metadata", [(), (("authorization", "Bearer nonsense"),), (("authorization", "Basic x"),)])
def test_a_wrong_token_is_unauthenticated(channel, metadata):
    stub = api.DeviceServiceStub(channel)

    refused(Status.UNAUTHENTICATED, stub.Get, api.GetDeviceRequest(dev_eui=DEV_EUI), metadata=metadata, timeout=5)


def test_a_token_of_another_server_is_unauthenticated(channel):
    with Service(None) as other:
        stranger = Client(channel, other.admin_token)

    refused(Status.UNAUTHENTICATED, stranger, stranger.devices.Get, api.GetDeviceRequest(dev_eui=DEV_EUI))


def test_an_unknown_device_is_not_found_for_an_admin(admin):
    refused(Status.NOT_FOUND, admin, admin.devices.Get, api.GetDeviceRequest(dev_eui=DEV_EUI))


def test_an_unknown_device_is_unauthenticated_without_a_word_for_a_tenant(tenant):
    text = refused(Status.UNAUTHENTICATED, tenant, tenant.devices.Get, api.GetDeviceRequest(dev_eui=DEV_EUI))

    assert text == ""


def test_another_tenants_device_looks_the_same_as_none(service, admin, tenant, place):
    owner = admin(admin.tenants.Create, api.CreateTenantRequest(tenant=api.Tenant(name="other")))
    app = admin(
        admin.applications.Create,
        api.CreateApplicationRequest(application=api.Application(name="x", tenant_id=owner.id)),
    )
    create(admin, (app.id, place[1]))

    assert refused(Status.UNAUTHENTICATED, tenant, tenant.devices.Get, api.GetDeviceRequest(dev_eui=DEV_EUI)) == ""
    text = refused(Status.INTERNAL, create, tenant, place)
    assert "duplicate key" in text


def test_a_tenant_may_not_list_tenants_and_hears_unauthenticated(tenant):
    refused(Status.UNAUTHENTICATED, tenant, tenant.tenants.List, api.ListTenantsRequest(limit=1))


def test_the_version_is_refused_to_api_keys(admin):
    refused(Status.UNAUTHENTICATED, admin, admin.internal.GetVersion, Empty())


def test_a_login_makes_keys_and_a_read_only_key_may_not_write(service, channel, place):
    login = api.InternalServiceStub(channel).Login(api.LoginRequest(email="admin", password="admin"), timeout=5)
    user = Client(channel, login.jwt)
    key = api.ApiKey(name="viewer", tenant_id=service.tenant_id, is_read_only=True)
    viewer = Client(channel, user(user.internal.CreateApiKey, api.CreateApiKeyRequest(api_key=key)).token)

    assert viewer(viewer.devices.List, api.ListDevicesRequest(application_id=place[0])).total_count == 0
    refused(Status.UNAUTHENTICATED, create, viewer, place)


def test_a_deleted_key_is_worth_nothing(service, channel):
    login = api.InternalServiceStub(channel).Login(api.LoginRequest(email="admin", password="admin"), timeout=5)
    user = Client(channel, login.jwt)
    made = user(user.internal.CreateApiKey, api.CreateApiKeyRequest(api_key=api.ApiKey(name="x", is_admin=True)))
    client = Client(channel, made.token)
    client(client.tenants.List, api.ListTenantsRequest())

    user(user.internal.DeleteApiKey, api.DeleteApiKeyRequest(id=made.id))

    refused(Status.UNAUTHENTICATED, client, client.tenants.List, api.ListTenantsRequest())


def test_a_wrong_password_is_refused(channel):
    stub = api.InternalServiceStub(channel)

    refused(Status.UNAUTHENTICATED, stub.Login, api.LoginRequest(email="admin", password="x"), timeout=5)


# -------------------------------------------------------------------------------------------------------- lists


def test_a_limit_of_0_gives_the_total_count_only(tenant, place):
    create(tenant, place)

    answer = tenant(tenant.devices.List, api.ListDevicesRequest(application_id=place[0]))

    assert (answer.total_count, len(answer.result)) == (1, 0)


def test_pages_by_dev_eui_cover_every_device_once(tenant, place):
    euis = [f"70b3d57ed00000{i:02x}" for i in range(5)]
    for eui in reversed(euis):
        create(tenant, place, eui, f"name {eui[::-1]}")

    seen = []
    for offset in range(0, 5, 2):
        request = api.ListDevicesRequest(
            application_id=place[0], limit=2, offset=offset, order_by=api.ListDevicesRequest.DEV_EUI
        )
        seen += [item.dev_eui for item in tenant(tenant.devices.List, request).result]

    assert seen == euis


def test_search_looks_at_the_name_only_whatever_the_case(tenant, place):
    create(tenant, place, DEV_EUI, "Bin Market Square")

    def count(search):
        return tenant(tenant.devices.List, api.ListDevicesRequest(application_id=place[0], search=search)).total_count

    assert [count("market"), count(DEV_EUI), count("7ed0")] == [1, 0, 0]


def test_tags_find_a_device(tenant, place):
    create(tenant, place, tags={"spatz_serial": "S1"})
    create(tenant, place, OTHER_EUI, "bin 2", tags={"spatz_serial": "S2"})

    answer = tenant(
        tenant.devices.List, api.ListDevicesRequest(application_id=place[0], limit=10, tags={"spatz_serial": "S2"})
    )

    assert [item.dev_eui for item in answer.result] == [OTHER_EUI]


def test_listing_devices_without_an_application_is_an_invalid_argument(tenant):
    refused(Status.INVALID_ARGUMENT, tenant, tenant.devices.List, api.ListDevicesRequest(limit=1))


# ---------------------------------------------------------------------------------------------- values and keys


def test_creating_a_device_twice_is_internal_with_the_databases_text(tenant, place):
    create(tenant, place)

    text = refused(Status.INTERNAL, create, tenant, place)

    assert text == 'duplicate key value violates unique constraint "device_pkey"'


def test_names_need_not_be_unique(tenant, place):
    create(tenant, place)

    create(tenant, place, OTHER_EUI)


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"name": ""}, Status.INVALID_ARGUMENT),
        ({"dev_eui": "70b3"}, Status.INTERNAL),
        ({"dev_eui": "zzb3d57ed0000001"}, Status.INTERNAL),
        ({"application_id": "city"}, Status.INVALID_ARGUMENT),
        ({"join_eui": "12"}, Status.INTERNAL),
    ],
)
def test_bad_values_are_refused_in_their_own_ways(tenant, place, fields, code):
    message = device(place)
    for name, value in fields.items():
        setattr(message, name, value)

    refused(code, tenant, tenant.devices.Create, api.CreateDeviceRequest(device=message))


def test_a_missing_sub_message_is_an_invalid_argument(tenant):
    refused(Status.INVALID_ARGUMENT, tenant, tenant.devices.Create, api.CreateDeviceRequest())


def test_an_rx1_delay_above_15_is_an_invalid_argument(service, tenant):
    profile = api.DeviceProfile(name="p", tenant_id=service.tenant_id, rx1_delay=16)

    refused(
        Status.INVALID_ARGUMENT, tenant, tenant.profiles.Create, api.CreateDeviceProfileRequest(device_profile=profile)
    )


def test_a_full_tenant_is_an_invalid_argument(service, admin, tenant, place):
    full = api.Tenant(id=service.tenant_id, name="full", max_device_count=1)
    admin(admin.tenants.Update, api.UpdateTenantRequest(tenant=full))
    create(tenant, place)

    refused(Status.INVALID_ARGUMENT, create, tenant, place, OTHER_EUI)


def test_a_device_without_keys_says_so(tenant, place):
    create(tenant, place)

    refused(Status.NOT_FOUND, tenant, tenant.devices.GetKeys, api.GetDeviceKeysRequest(dev_eui=DEV_EUI))
    create_keys(tenant)
    answer = tenant(tenant.devices.GetKeys, api.GetDeviceKeysRequest(dev_eui=DEV_EUI))

    assert (answer.device_keys.nwk_key, answer.device_keys.app_key) == (APP_KEY.hex(), "00" * 16)


def test_an_empty_key_is_stored_as_zeros(tenant, place):
    create(tenant, place)
    create_keys(tenant, key="")

    answer = tenant(tenant.devices.GetKeys, api.GetDeviceKeysRequest(dev_eui=DEV_EUI))

    assert answer.device_keys.nwk_key == "00" * 16


def test_a_key_of_wrong_length_is_internal_and_is_not_repeated(tenant, place):
    create(tenant, place)

    text = refused(Status.INTERNAL, create_keys, tenant, key="cafe" * 7)

    assert "Invalid string length" in text
    assert "cafe" not in text


def test_keys_twice_are_internal(tenant, place):
    create(tenant, place)
    create_keys(tenant)

    assert "device_keys_pkey" in refused(Status.INTERNAL, create_keys, tenant)


def test_an_update_replaces_all_tags_variables_and_the_join_eui(tenant, place):
    create(tenant, place, tags={"a": "1"}, variables={"v": "1"}, join_eui="70b3d57ed00000ff")

    tenant(tenant.devices.Update, api.UpdateDeviceRequest(device=device(place, name="new")))

    stored = tenant(tenant.devices.Get, api.GetDeviceRequest(dev_eui=DEV_EUI)).device
    assert (stored.name, dict(stored.tags), dict(stored.variables)) == ("new", {}, {})
    assert stored.join_eui == "0" * 16


def test_a_profile_keeps_every_field(service, tenant, place):
    answer = tenant(tenant.profiles.Get, api.GetDeviceProfileRequest(id=place[1]))
    changed = answer.device_profile
    changed.payload_codec_runtime = api.CodecRuntime.JS
    changed.payload_codec_script = "function decodeUplink() {}"
    changed.uplink_interval = 900

    tenant(tenant.profiles.Update, api.UpdateDeviceProfileRequest(device_profile=changed))

    assert tenant(tenant.profiles.Get, api.GetDeviceProfileRequest(id=place[1])).device_profile == changed


def test_a_gateway_is_registered_once(service, tenant):
    gateway = api.Gateway(gateway_id="0016c001ff10a235", name="mast", tenant_id=service.tenant_id, stats_interval=30)
    gateway.location.SetInParent()
    tenant(tenant.gateways.Create, api.CreateGatewayRequest(gateway=gateway))

    refused(Status.INTERNAL, tenant, tenant.gateways.Create, api.CreateGatewayRequest(gateway=gateway))

    (item,) = tenant(tenant.gateways.List, api.ListGatewaysRequest(tenant_id=service.tenant_id, limit=5)).result
    assert (item.gateway_id, item.state) == ("0016c001ff10a235", api.GatewayState.NEVER_SEEN)


def test_the_region_is_listed(admin):
    (region,) = admin(admin.internal.ListRegions, Empty()).regions

    assert (region.id, region.region) == ("eu868", common.EU868)


def test_methods_that_are_not_written_are_unimplemented(tenant):
    refused(Status.UNIMPLEMENTED, tenant, tenant.devices.GetMetrics, api.GetDeviceMetricsRequest(dev_eui=DEV_EUI))
