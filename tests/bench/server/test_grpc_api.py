"""The gRPC API with a real client: what works, and every trap of ChirpStack that a client must know."""

import threading
import time

import grpc
import pytest
from chirpstack_api import api, common
from google.protobuf.empty_pb2 import Empty
from server_node import APP_KEY, DEV_EUI, Node, uplink_frame

from bench.server.service import Service

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


@pytest.fixture
def service():
    with Service(None, seed=1) as service:
        yield service


@pytest.fixture
def channel(service):
    with grpc.insecure_channel(service.grpc_address) as channel:
        yield channel


@pytest.fixture
def admin(service, channel):
    return Client(channel, service.admin_token)


@pytest.fixture
def tenant(service, channel):
    return Client(channel, service.tenant_token)


@pytest.fixture
def place(service, tenant):
    """An application and a profile of the tenant: (application_id, profile_id)."""
    application = tenant(
        tenant.applications.Create,
        api.CreateApplicationRequest(application=api.Application(name="city", tenant_id=service.tenant_id)),
    )
    profile = tenant(
        tenant.profiles.Create,
        api.CreateDeviceProfileRequest(
            device_profile=api.DeviceProfile(
                name="fill",
                tenant_id=service.tenant_id,
                region=common.EU868,
                mac_version=common.LORAWAN_1_0_4,
                reg_params_revision=common.RP002_1_0_3,
                supports_otaa=True,
            )
        ),
    )
    return application.id, profile.id


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


# ------------------------------------------------------------------------------------------------- joins, queue


def hear(service, phy):
    with service.live.turn() as turn:
        turn.emit(turn.core.handle_uplink(uplink_frame(phy), turn.now_us))


def hear_join(service, node, dev_nonce=None):
    hear(service, node.join_request(dev_nonce))


def next_event(stream, kind):
    """The next event of this kind on a stream."""
    return next(item for item in stream if item.description == kind)


def watch(client, dev_eui=DEV_EUI, timeout=10):
    request = api.StreamDeviceEventsRequest(dev_eui=dev_eui)
    return client.internal.StreamDeviceEvents(request, metadata=client.metadata, timeout=timeout)


def test_the_join_of_a_registered_device_shows_in_stream_and_activation(service, tenant, place):
    create(tenant, place)
    create_keys(tenant)
    request = api.GetDeviceActivationRequest(dev_eui=DEV_EUI)
    assert not tenant(tenant.devices.GetActivation, request).HasField("device_activation")
    stream = watch(tenant)

    hear_join(service, Node())
    item = next_event(stream, "join")

    activation = tenant(tenant.devices.GetActivation, request).device_activation
    assert item.properties["DevAddr"] == activation.dev_addr
    assert DEV_EUI in item.body
    stream.cancel()


def test_a_stream_opened_later_shows_recent_events_first(service, tenant, place):
    create(tenant, place)
    create_keys(tenant)
    first = watch(tenant)
    hear_join(service, Node())
    next_event(first, "join")

    later = watch(tenant)

    assert next(later).description == "join"
    first.cancel()
    later.cancel()


def test_a_stream_ends_with_its_deadline(tenant, place):
    create(tenant, place)

    refused(Status.DEADLINE_EXCEEDED, list, watch(tenant, timeout=0.3))


def test_new_keys_keep_the_used_nonces_until_they_are_flushed(service, tenant, place):
    create(tenant, place)
    create_keys(tenant)
    node, stream = Node(), watch(tenant)
    hear_join(service, node, 0)
    next_event(stream, "join")
    tenant(
        tenant.devices.UpdateKeys,
        api.UpdateDeviceKeysRequest(device_keys=api.DeviceKeys(dev_eui=DEV_EUI, nwk_key="11" * 16)),
    )
    node.app_key = bytes.fromhex("11" * 16)

    hear_join(service, node, 0)
    assert "DevNonce has already been used" in next_event(stream, "log").body
    tenant(tenant.devices.FlushDevNonces, api.FlushDevNoncesRequest(dev_eui=DEV_EUI))
    time.sleep(0.45)  # the same bytes again: past the de-duplication lock of a server that runs by the wall clock
    hear_join(service, node, 0)

    next_event(stream, "join")
    stream.cancel()


def test_the_queue_is_filled_listed_and_flushed(tenant, place):
    create(tenant, place)
    item = api.DeviceQueueItem(dev_eui=DEV_EUI, f_port=31, data=b"\x01", confirmed=True)
    made = tenant(tenant.devices.Enqueue, api.EnqueueDeviceQueueItemRequest(queue_item=item))

    queue = tenant(tenant.devices.GetQueue, api.GetDeviceQueueItemsRequest(dev_eui=DEV_EUI))
    tenant(tenant.devices.FlushQueue, api.FlushDeviceQueueRequest(dev_eui=DEV_EUI))
    after = tenant(tenant.devices.GetQueue, api.GetDeviceQueueItemsRequest(dev_eui=DEV_EUI))

    assert [(i.id, i.f_port, i.data, i.confirmed) for i in queue.result] == [(made.id, 31, b"\x01", True)]
    assert after.total_count == 0


@pytest.mark.parametrize("port", [0, 256])
def test_a_queue_item_with_an_impossible_port_is_an_invalid_argument(tenant, place, port):
    create(tenant, place)
    item = api.DeviceQueueItem(dev_eui=DEV_EUI, f_port=port, data=b"\x01")

    refused(Status.INVALID_ARGUMENT, tenant, tenant.devices.Enqueue, api.EnqueueDeviceQueueItemRequest(queue_item=item))


# ------------------------------------------------------------------------------------------------------- faults


def test_unavailable_for_two_calls(service, tenant, place):
    service.faults.unavailable(2)

    for _ in range(2):
        refused(Status.UNAVAILABLE, create, tenant, place)
    create(tenant, place)


def test_a_lost_answer_leaves_the_device_created(service, tenant, place):
    service.faults.close_after_commit(method="DeviceService/Create")

    refused(Status.UNAVAILABLE, create, tenant, place)

    assert tenant(tenant.devices.Get, api.GetDeviceRequest(dev_eui=DEV_EUI)).device.name == "bin 1"
    assert "duplicate key" in refused(Status.INTERNAL, create, tenant, place)


def test_a_delayed_answer_meets_the_clients_deadline(service, tenant, place):
    service.faults.delay(1.0, method="DeviceService/Get")

    request = api.GetDeviceRequest(dev_eui=DEV_EUI)
    refused(Status.DEADLINE_EXCEEDED, tenant, tenant.devices.Get, request, timeout=0.2)


def test_many_threads_may_ask_at_once(tenant, place):
    errors = []

    def register(number):
        try:
            eui = f"70b3d57ed00001{number:02x}"
            create(tenant, place, eui, f"bin {number}")
            create_keys(tenant, dev_eui=eui)
        except grpc.RpcError as error:
            errors.append(error)

    threads = [threading.Thread(target=register, args=(i,)) for i in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert errors == []
    assert tenant(tenant.devices.List, api.ListDevicesRequest(application_id=place[0])).total_count == 16
