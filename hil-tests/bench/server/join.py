"""Over-the-air activation: a join-request opens a new session, whatever the old one was doing.

Source: chirpstack `uplink/join.rs`, `storage/device_keys.rs`. A DevNonce is refused when this JoinEUI used it
before; there is no check that it grows. So a join-request that was stored on the way and comes late, with a nonce
nobody used meanwhile, destroys the live session: this is why a gateway must not store them.
"""

from __future__ import annotations

from chirpstack_api import integration

from bench.server import downlink, events
from bench.server.adr import LinkSettings
from bench.server.context import Context, UplinkSet
from bench.server.crypto import session_keys
from bench.server.errors import Dropped, NotFound
from bench.server.frames import JoinAccept, JoinRequest
from bench.server.receptions import for_tenant
from bench.server.records import CLASS_A, CLASS_C, Device, DeviceKeys, Session
from bench.server.settings import Settings

JOIN_NONCE_END = 1 << 24
CF_LIST_CHANNELS = 5
CF_LIST_TYPE_FREQUENCIES = b"\x00"
CF_LIST_MASK_BYTES = 15
CF_LIST_TYPE_MASK = b"\x01"


def handle_join_request(context: Context, uplink: UplinkSet, now_us: int) -> None:
    """Check, open the session, answer in RX1/RX2 of the join, tell the application."""
    request = JoinRequest.parse(uplink.phy_payload)
    device = _device(context, request)
    profile = context.storage.profile(device.device_profile_id).message
    tenant_id = context.storage.application(device.application_id).tenant_id
    receptions = for_tenant(context, uplink.receptions, tenant_id)
    if not profile.supports_otaa:
        raise Dropped("OTAA is disabled in device-profile")

    keys = _keys_for(context, device, request, uplink, now_us)
    join_nonce = keys.join_nonce
    if join_nonce >= JOIN_NONCE_END:
        raise Dropped("Join-nonce overflow")
    keys.join_nonce += 1

    settings = context.settings
    dev_addr = context.chance.dev_addr(settings.net_id)
    session = Session(
        dev_addr=dev_addr,
        join_eui=request.join_eui,
        keys=session_keys(keys.nwk_key, join_nonce=join_nonce, net_id=settings.net_id, dev_nonce=request.dev_nonce),
        rx1_delay_s=profile.rx1_delay or settings.rx1_delay_s,
        rx1_dr_offset=settings.rx1_dr_offset,
        rx2_dr=settings.rx2_dr,
        rx2_frequency_hz=settings.rx2_frequency_hz,
        channels_hz=settings.network_channels_hz(),
        enabled_channels=settings.network_enabled_channels(),
        tx_params=settings.region.tx_params,
        link=LinkSettings(uplink.dr, 0, 1),
    )
    device.session = session
    device.join_eui = request.join_eui
    device.class_enabled = CLASS_C if profile.supports_class_c else CLASS_A
    if profile.flush_queue_on_activate:
        device.queue.clear()

    accept = JoinAccept(
        join_nonce=join_nonce,
        net_id=settings.net_id,
        dev_addr=dev_addr,
        rx1_dr_offset=session.rx1_dr_offset,
        rx2_dr=session.rx2_dr,
        rx_delay_s=session.rx1_delay_s,
        cf_list=cf_list(settings),
    )
    downlink.send_join_accept(
        context, device, uplink, receptions=receptions, phy_payload=accept.build(keys.nwk_key), now_us=now_us
    )
    events.emit_join(context, device, uplink, dev_addr, context.event_time_us(uplink, now_us))


def cf_list(settings: Settings) -> bytes:
    """CFList of a dynamic plan: five frequencies in units of 100 Hz, 0 = none (type 0, RP002 2.4.4), empty without
    extras. Of a fixed plan: the mask of its channels (type 1, 2.5.4).
    """
    if settings.region.fixed is not None:
        mask = sum(1 << channel for channel in settings.network_enabled_channels())
        return mask.to_bytes(CF_LIST_MASK_BYTES, "little") + CF_LIST_TYPE_MASK
    extra = settings.extra_channels_hz[:CF_LIST_CHANNELS]
    if not extra:
        return b""
    padded = (*extra, *(0,) * (CF_LIST_CHANNELS - len(extra)))
    return b"".join((hz // 100).to_bytes(3, "little") for hz in padded) + CF_LIST_TYPE_FREQUENCIES


def _device(context: Context, request: JoinRequest) -> Device:
    try:
        device = context.storage.device(request.dev_eui)
    except NotFound:
        raise Dropped(f"unknown device {request.dev_eui} asks to join") from None
    if device.is_disabled:
        raise Dropped("Device is disabled")
    return device


def _keys_for(context: Context, device: Device, request: JoinRequest, uplink: UplinkSet, now_us: int) -> DeviceKeys:
    """The root keys, after MIC and DevNonce were found good; the nonce is used up then."""
    details = {"deduplication_id": uplink.deduplication_id}
    try:
        keys = context.storage.device_keys(device.dev_eui)
    except NotFound:
        raise Dropped(f"device {device.dev_eui} has no keys") from None
    if not request.mic_valid(keys.nwk_key):
        events.emit_log(
            context,
            device,
            level=integration.ERROR,
            code=integration.UPLINK_MIC,
            description="MIC of join-request is invalid, make sure keys are correct",
            time_us=now_us,
            details=details,
        )
        raise Dropped("Invalid MIC")
    used = keys.dev_nonces.setdefault(request.join_eui, [])
    if request.dev_nonce in used:
        events.emit_log(
            context,
            device,
            level=integration.ERROR,
            code=integration.OTAA,
            description="DevNonce has already been used",
            time_us=now_us,
            details=details,
        )
        raise Dropped("DevNonce has already been used")
    used.append(request.dev_nonce)
    return keys
