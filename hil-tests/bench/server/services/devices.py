"""DeviceService: devices, their keys, activations and queues."""

from __future__ import annotations

from typing import Any

import grpc
from chirpstack_api import api

from bench.server import events
from bench.server.crypto import SessionKeys
from bench.server.errors import Invalid
from bench.server.records import Device, DeviceKeys, QueueItem
from bench.server.services.base import EMPTY, Service, page, required, stamps
from bench.server.storage import ADDRESS_DIGITS, parse_eui, parse_hex, parse_key, parse_uuid

NO_BATTERY_PERCENT = -1.0


class Devices(Service, api.DeviceServiceServicer):  # type: ignore[misc]
    """Primary key is the DevEUI, unique on the server, over all tenants."""

    # ----------------------------------------------------------------------------------------------- the device

    def Create(self, request: api.CreateDeviceRequest, context: grpc.ServicerContext) -> Any:
        """A new device; the keys are a call of their own."""
        message = required(request, "device")
        dev_eui = parse_eui(message.dev_eui)
        device = Device(dev_eui=dev_eui)
        _fill(device, message)
        with self._call(context) as call:
            call.may.application(device.application_id, write=True)
            device.created_us = device.updated_us = call.now_us
            call.turn.core.storage.add_device(device)
            return EMPTY()

    def Get(self, request: api.GetDeviceRequest, context: grpc.ServicerContext) -> Any:
        """One device."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui)
            device = call.turn.core.storage.device(dev_eui)
            response = api.GetDeviceResponse(device=_message(device), class_enabled=device.class_enabled)
            if device.status is not None:
                response.device_status.CopyFrom(_status(device))
            return stamps(response, device)

    def Update(self, request: api.UpdateDeviceRequest, context: grpc.ServicerContext) -> Any:
        """Replace the device, tags, variables and JoinEUI included; the session stays."""
        message = required(request, "device")
        dev_eui = parse_eui(message.dev_eui)
        changed = Device(dev_eui=dev_eui)
        _fill(changed, message)
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            call.may.application(changed.application_id, write=True)
            device = call.turn.core.storage.device(dev_eui)
            call.turn.core.storage.check_device(changed)
            _fill(device, message)
            device.updated_us = call.now_us
            return EMPTY()

    def Delete(self, request: api.DeleteDeviceRequest, context: grpc.ServicerContext) -> Any:
        """Remove a device and its keys."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            call.turn.core.storage.remove_device(dev_eui)
            return EMPTY()

    def List(self, request: api.ListDevicesRequest, context: grpc.ServicerContext) -> Any:
        """Devices of an application. `search` looks at names only; tags must all fit."""
        if not request.application_id:
            raise Invalid("Either application_id or multicast_group_id must be set")
        application_id = parse_uuid(request.application_id, "application_id")
        with self._call(context) as call:
            call.may.application(application_id)
            storage = call.turn.core.storage
            rows = [
                device
                for device in storage.devices.values()
                if device.application_id == application_id
                and request.search.lower() in device.name.lower()
                and (not request.device_profile_id or device.device_profile_id == request.device_profile_id)
                and all(device.tags.get(key) == value for key, value in request.tags.items())
            ]
            keys = {
                api.ListDevicesRequest.NAME: lambda device: device.name,
                api.ListDevicesRequest.DEV_EUI: lambda device: device.dev_eui,
                api.ListDevicesRequest.LAST_SEEN_AT: lambda device: (device.last_seen_us or 0, device.name),
                api.ListDevicesRequest.DEVICE_PROFILE_NAME: lambda device: (
                    storage.profile(device.device_profile_id).name
                ),
            }
            rows.sort(key=keys[request.order_by], reverse=request.order_by_desc)
            response = api.ListDevicesResponse(total_count=len(rows))
            for device in page(rows, request.limit, request.offset):
                item = api.DeviceListItem(
                    dev_eui=device.dev_eui,
                    name=device.name,
                    description=device.description,
                    device_profile_id=device.device_profile_id,
                    device_profile_name=storage.profile(device.device_profile_id).name,
                    tags=device.tags,
                )
                if device.status is not None:
                    item.device_status.CopyFrom(_status(device))
                response.result.append(stamps(item, device))
            return response

    # ------------------------------------------------------------------------------------------------- the keys

    def CreateKeys(self, request: api.CreateDeviceKeysRequest, context: grpc.ServicerContext) -> Any:
        """Root keys of a device that has none. An empty key is taken for all zeros, as ChirpStack does."""
        dev_eui, keys = _keys(required(request, "device_keys"))
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            keys.created_us = keys.updated_us = call.now_us
            call.turn.core.storage.add_keys(dev_eui, keys)
            return EMPTY()

    def GetKeys(self, request: api.GetDeviceKeysRequest, context: grpc.ServicerContext) -> Any:
        """Root keys in clear, to anybody who may read the device."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui)
            keys = call.turn.core.storage.device_keys(dev_eui)
            message = api.DeviceKeys(
                dev_eui=dev_eui,
                nwk_key=keys.nwk_key.hex(),
                app_key=keys.app_key.hex(),
                gen_app_key=keys.gen_app_key.hex(),
            )
            return stamps(api.GetDeviceKeysResponse(device_keys=message), keys)

    def UpdateKeys(self, request: api.UpdateDeviceKeysRequest, context: grpc.ServicerContext) -> Any:
        """Replace the keys; used DevNonces and the JoinNonce stay."""
        dev_eui, new = _keys(required(request, "device_keys"))
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            keys = call.turn.core.storage.device_keys(dev_eui)
            keys.nwk_key, keys.app_key, keys.gen_app_key = new.nwk_key, new.app_key, new.gen_app_key
            keys.updated_us = call.now_us
            return EMPTY()

    def DeleteKeys(self, request: api.DeleteDeviceKeysRequest, context: grpc.ServicerContext) -> Any:
        """Remove the keys, nonces included."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            call.turn.core.storage.device_keys(dev_eui)
            del call.turn.core.storage.keys[dev_eui]
            return EMPTY()

    def FlushDevNonces(self, request: api.FlushDevNoncesRequest, context: grpc.ServicerContext) -> Any:
        """Forget the used DevNonces, for a node whose memory was erased."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            call.turn.core.storage.device_keys(dev_eui).dev_nonces.clear()
            return EMPTY()

    # ------------------------------------------------------------------------------------------- the activation

    def GetActivation(self, request: api.GetDeviceActivationRequest, context: grpc.ServicerContext) -> Any:
        """The session; an empty answer when the device has not joined."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui)
            session = call.turn.core.storage.device(dev_eui).session
            response = api.GetDeviceActivationResponse()
            if session is not None:
                nwk_s_key = session.keys.nwk_s_key.hex()
                response.device_activation.CopyFrom(
                    api.DeviceActivation(
                        dev_eui=dev_eui,
                        dev_addr=session.dev_addr,
                        app_s_key=session.keys.app_s_key.hex(),
                        nwk_s_enc_key=nwk_s_key,
                        s_nwk_s_int_key=nwk_s_key,
                        f_nwk_s_int_key=nwk_s_key,
                        f_cnt_up=session.f_cnt_up,
                        n_f_cnt_down=session.f_cnt_down,
                        a_f_cnt_down=0,
                    )
                )
            return response

    def Activate(self, request: api.ActivateDeviceRequest, context: grpc.ServicerContext) -> Any:
        """A session by personalisation."""
        message = required(request, "device_activation")
        dev_eui = parse_eui(message.dev_eui)
        dev_addr = parse_hex(message.dev_addr, ADDRESS_DIGITS, "DevAddr")
        keys = SessionKeys(parse_key(message.nwk_s_enc_key), parse_key(message.app_s_key))
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            call.turn.core.personalise(
                dev_eui, dev_addr, keys, f_cnt_up=message.f_cnt_up, f_cnt_down=message.n_f_cnt_down
            )
            return EMPTY()

    def Deactivate(self, request: api.DeactivateDeviceRequest, context: grpc.ServicerContext) -> Any:
        """End the session and empty the queue."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            device = call.turn.core.storage.device(dev_eui)
            device.session = None
            device.queue.clear()
            return EMPTY()

    def GetRandomDevAddr(self, request: api.GetRandomDevAddrRequest, context: grpc.ServicerContext) -> Any:
        """A DevAddr of the network."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui)
            core = call.turn.core
            return api.GetRandomDevAddrResponse(dev_addr=core.chance.dev_addr(core.settings.net_id))

    # ------------------------------------------------------------------------------------------------ the queue

    def Enqueue(self, request: api.EnqueueDeviceQueueItemRequest, context: grpc.ServicerContext) -> Any:
        """A downlink for the device."""
        message = required(request, "queue_item")
        dev_eui = parse_eui(message.dev_eui)
        if message.is_encrypted:
            raise Invalid("encrypted queue items are not known here")
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            item = call.turn.core.enqueue(
                dev_eui,
                message.f_port,
                message.data,
                confirmed=message.confirmed,
                decoded=events.struct_to_dict(message.object) if message.HasField("object") else None,
                expires_us=message.expires_at.ToMicroseconds() if message.HasField("expires_at") else None,
                flush=request.flush_queue,
                now_us=call.now_us,
            )
            return api.EnqueueDeviceQueueItemResponse(id=item.id)

    def GetQueue(self, request: api.GetDeviceQueueItemsRequest, context: grpc.ServicerContext) -> Any:
        """What waits for the device."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui)
            queue = call.turn.core.storage.device(dev_eui).queue
            items = [] if request.count_only else [_queue_message(item) for item in queue]
            return api.GetDeviceQueueItemsResponse(total_count=len(queue), result=items)

    def FlushQueue(self, request: api.FlushDeviceQueueRequest, context: grpc.ServicerContext) -> Any:
        """Empty the queue."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui, write=True)
            call.turn.core.storage.device(dev_eui).queue.clear()
            return EMPTY()

    def GetNextFCntDown(self, request: api.GetDeviceNextFCntDownRequest, context: grpc.ServicerContext) -> Any:
        """Counter of the next downlink."""
        dev_eui = parse_eui(request.dev_eui)
        with self._call(context) as call:
            call.may.device(dev_eui)
            session = call.turn.core.storage.device(dev_eui).session
            return api.GetDeviceNextFCntDownResponse(f_cnt_down=session.f_cnt_down if session else 0)


def _fill(device: Device, message: api.Device) -> None:
    device.name = message.name
    device.description = message.description
    device.application_id = parse_uuid(message.application_id, "application_id")
    device.device_profile_id = parse_uuid(message.device_profile_id, "device_profile_id")
    device.skip_fcnt_check = message.skip_fcnt_check
    device.is_disabled = message.is_disabled
    device.variables = dict(message.variables)
    device.tags = dict(message.tags)
    device.join_eui = parse_eui(message.join_eui) if message.join_eui else "0" * 16


def _message(device: Device) -> api.Device:
    return api.Device(
        dev_eui=device.dev_eui,
        name=device.name,
        description=device.description,
        application_id=device.application_id,
        device_profile_id=device.device_profile_id,
        skip_fcnt_check=device.skip_fcnt_check,
        is_disabled=device.is_disabled,
        variables=device.variables,
        tags=device.tags,
        join_eui=device.join_eui,
    )


def _status(device: Device) -> api.DeviceStatus:
    status = device.status
    if status is None:
        return api.DeviceStatus()
    percent = NO_BATTERY_PERCENT if status.battery_percent is None else status.battery_percent
    return api.DeviceStatus(margin=status.margin_db, external_power_source=status.external_power, battery_level=percent)


def _keys(message: api.DeviceKeys) -> tuple[str, DeviceKeys]:
    keys = DeviceKeys(
        nwk_key=parse_key(message.nwk_key),
        app_key=parse_key(message.app_key),
        gen_app_key=parse_key(message.gen_app_key),
    )
    return parse_eui(message.dev_eui), keys


def _queue_message(item: QueueItem) -> api.DeviceQueueItem:
    message = api.DeviceQueueItem(
        id=item.id,
        dev_eui=item.dev_eui,
        confirmed=item.confirmed,
        f_port=item.f_port,
        data=item.data,
        is_pending=item.is_pending,
        f_cnt_down=item.f_cnt_down or 0,
    )
    if item.expires_us is not None:
        message.expires_at.CopyFrom(events.timestamp(item.expires_us))
    return message
