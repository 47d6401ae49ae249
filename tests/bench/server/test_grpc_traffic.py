"""The gRPC API while devices talk: joins and frames in streams, the queue; and how it fails when told to."""

import threading
import time

import grpc
import pytest
from chirpstack_api import api
from grpc_client import Status, create, create_keys, refused
from server_node import DEV_EUI, Node, uplink_frame


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
