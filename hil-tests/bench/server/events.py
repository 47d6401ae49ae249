"""Events for applications, as messages of `chirpstack_api.integration` and as the JSON ChirpStack publishes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from chirpstack_api import gw, integration
from google.protobuf.json_format import MessageToDict
from google.protobuf.struct_pb2 import Struct
from google.protobuf.timestamp_pb2 import Timestamp

from bench.server.context import Context, UplinkSet
from bench.server.outputs import AppEvent
from bench.server.records import Device, QueueItem

NESTED_WITHOUT_DEFAULTS = ("rx_info", "tx_info")
"""Gateway messages inside an event: their JSON leaves default values out, the event's own fields are always there."""


def timestamp(unix_us: int) -> Timestamp:
    """A protobuf Timestamp from microseconds since the Unix epoch."""
    stamp = Timestamp()
    stamp.FromMicroseconds(unix_us)
    return stamp


def device_info(context: Context, device: Device) -> integration.DeviceInfo:
    """Who it is about; tags of application, profile and device, the later winning."""
    application = context.storage.application(device.application_id)
    tenant = context.storage.tenant(application.tenant_id)
    profile = context.storage.profile(device.device_profile_id)
    return integration.DeviceInfo(
        tenant_id=tenant.id,
        tenant_name=tenant.name,
        application_id=application.id,
        application_name=application.name,
        device_profile_id=profile.id,
        device_profile_name=profile.name,
        device_name=device.name,
        dev_eui=device.dev_eui,
        device_class_enabled=device.class_enabled,
        tags={**application.tags, **dict(profile.message.tags), **device.tags},
    )


def emit(context: Context, device: Device, kind: str, message: Any) -> None:
    """Hand out an event of a device."""
    context.emit(AppEvent(kind, device.application_id, device.dev_eui, message))


def emit_log(
    context: Context,
    device: Device,
    *,
    level: int,
    code: int,
    description: str,
    time_us: int,
    details: Mapping[str, str] | None = None,
) -> None:
    """A `log` event: something the owner of the device should know."""
    message = integration.LogEvent(
        time=timestamp(time_us),
        device_info=device_info(context, device),
        level=level,
        code=code,
        description=description,
        context=dict(details or {}),
    )
    emit(context, device, "log", message)


def emit_join(context: Context, device: Device, uplink: UplinkSet, dev_addr: str, time_us: int) -> None:
    """A `join` event."""
    message = integration.JoinEvent(
        deduplication_id=uplink.deduplication_id,
        time=timestamp(time_us),
        device_info=device_info(context, device),
        dev_addr=dev_addr,
        region_config_id=context.settings.region.config_id,
    )
    emit(context, device, "join", message)


def emit_ack(
    context: Context,
    device: Device,
    item: QueueItem,
    *,
    acknowledged: bool,
    time_us: int,
    deduplication_id: str = "",
) -> None:
    """An `ack` event: a confirmed downlink was acknowledged, or will not be any more."""
    message = integration.AckEvent(
        deduplication_id=deduplication_id,
        time=timestamp(time_us),
        device_info=device_info(context, device),
        queue_item_id=item.id,
        acknowledged=acknowledged,
        f_cnt_down=item.f_cnt_down or 0,
    )
    emit(context, device, "ack", message)


def emit_tx_ack(
    context: Context, device: Device, item: QueueItem, *, frame: gw.DownlinkFrame, index: int, time_us: int
) -> None:
    """A `txack` event: a gateway transmitted an application downlink."""
    message = integration.TxAckEvent(
        downlink_id=frame.downlink_id,
        time=timestamp(time_us),
        device_info=device_info(context, device),
        queue_item_id=item.id,
        f_cnt_down=item.f_cnt_down or 0,
        gateway_id=frame.gateway_id,
        tx_info=frame.items[index].tx_info,
    )
    emit(context, device, "txack", message)


def emit_status(context: Context, device: Device, uplink: UplinkSet, time_us: int) -> None:
    """A `status` event from the device's last DevStatusAns."""
    status = device.status
    if status is None:
        return
    message = integration.StatusEvent(
        deduplication_id=uplink.deduplication_id,
        time=timestamp(time_us),
        device_info=device_info(context, device),
        margin=status.margin_db,
        external_power_source=status.external_power,
        battery_level_unavailable=status.battery_percent is None and not status.external_power,
        battery_level=status.battery_percent or 0.0,
    )
    emit(context, device, "status", message)


def to_dict(message: Any) -> dict[str, Any]:
    """The JSON object ChirpStack publishes: own fields always there, those of nested gateway messages when set."""
    own = type(message)()
    own.CopyFrom(message)
    nested = [name for name in NESTED_WITHOUT_DEFAULTS if name in type(message).DESCRIPTOR.fields_by_name]
    for name in nested:
        own.ClearField(name)
    fields: dict[str, Any] = MessageToDict(own, always_print_fields_with_no_presence=True)
    plain = MessageToDict(message)
    for name in nested:
        key = type(message).DESCRIPTOR.fields_by_name[name].json_name
        if key in plain:
            fields[key] = plain[key]
    return fields


def struct_to_dict(struct: Struct) -> dict[str, Any]:
    """The object an application sent."""
    fields: dict[str, Any] = MessageToDict(struct)
    return fields


def to_json(message: Any) -> str:
    """`to_dict` as text."""
    return json.dumps(to_dict(message), separators=(",", ":"))
