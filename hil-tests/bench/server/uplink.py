"""Data uplinks: whose is it, is it new, what does it say, does it want an answer.

Source: chirpstack `uplink/data.rs`; the steps come in its order, because what a refused frame has changed already
depends on it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from chirpstack_api import api, integration
from google.protobuf.struct_pb2 import Struct

from bench.server import downlink, events, macanswers
from bench.server.adr import HISTORY_LENGTH, Heard
from bench.server.codec import Codec
from bench.server.context import Context, UplinkSet
from bench.server.counters import Verdict, judge, match
from bench.server.errors import CodecError, Dropped
from bench.server.frames import DataFrame
from bench.server.receptions import for_tenant
from bench.server.records import CLASS_C, Device, Session

CLASS_A_LOCK_US = 5_000_000
"""`[network.scheduler] class_a_lock_duration`: after an uplink the class C scheduler keeps still."""


def handle_data_uplink(context: Context, uplink: UplinkSet, now_us: int) -> None:
    """Take an uplink: events for the application, and the answer after the time applications have to enqueue one."""
    frame = DataFrame.parse(uplink.phy_payload)
    device, session, f_cnt = _claim(context, frame)
    _refuse_old_counter(context, device, session, f_cnt, uplink=uplink, now_us=now_us)
    expected_before = session.f_cnt_up
    session.f_cnt_up = f_cnt + 1
    if device.class_enabled == CLASS_C:
        device.scheduler_run_after_us = max(device.scheduler_run_after_us, now_us + CLASS_A_LOCK_US)
    try:
        tenant_id = context.storage.application(device.application_id).tenant_id
        receptions = for_tenant(context, uplink.receptions, tenant_id)
    except Dropped:
        session.f_cnt_up = expected_before
        raise
    uplink = replace(uplink, receptions=receptions)
    device.last_seen_us = now_us
    device.heard_by, device.heard_dr = list(receptions), uplink.dr

    payload = frame.plaintext(session.keys, f_cnt)
    _follow_device_settings(context, session, frame, uplink)
    commands = frame.f_opts + (payload if frame.f_port == 0 else b"")
    answers, must_answer = macanswers.handle(context, device, session, commands=commands, uplink=uplink, now_us=now_us)
    _append_history(session, f_cnt, uplink)
    _emit_up(
        context,
        device,
        frame,
        f_cnt=f_cnt,
        data=b"" if frame.f_port == 0 else payload,
        uplink=uplink,
        now_us=now_us,
    )
    if frame.ack:
        _take_ack(context, device, uplink, now_us)

    def answer(when_us: int) -> None:
        downlink.respond(
            context,
            device,
            uplink,
            session,
            must_ack=frame.confirmed,
            must_send=frame.adr_ack_req or must_answer,
            answers=answers,
            now_us=when_us,
        )

    context.at(now_us + context.settings.downlink_data_delay_us, answer)


def _claim(context: Context, frame: DataFrame) -> tuple[Device, Session, int]:
    """The device whose session the MIC fits, and the full counter."""
    known = False
    for device in context.storage.active_devices(frame.dev_addr):
        session = device.session
        if session is None:
            continue
        known = True
        nwk_s_key = session.keys.nwk_s_key
        f_cnt = match(session.f_cnt_up, frame.f_cnt16, partial(frame.mic_valid, nwk_s_key))
        if f_cnt is not None:
            return device, session, f_cnt
    if not known:
        raise Dropped(f"No device-session exists for dev_addr {frame.dev_addr}")
    raise Dropped(f"None of the device-sessions for dev_addr {frame.dev_addr} resulted in valid MIC")


def _refuse_old_counter(
    context: Context, device: Device, session: Session, f_cnt: int, *, uplink: UplinkSet, now_us: int
) -> None:
    """A counter that was used: a warning for the owner, no answer, not even to a confirmed uplink."""
    verdict = judge(session.f_cnt_up, f_cnt, skip_check=device.skip_fcnt_check)
    if verdict is Verdict.ACCEPT:
        return
    if verdict is Verdict.RETRANSMISSION:
        code = integration.UPLINK_F_CNT_RETRANSMISSION
        description = "Uplink was flagged as re-transmission / frame-counter did not increment"
    else:
        code = integration.UPLINK_F_CNT_RESET
        description = "Frame-counter reset or rollover detected"
    events.emit_log(
        context,
        device,
        level=integration.WARNING,
        code=code,
        description=description,
        time_us=context.event_time_us(uplink, now_us),
        details={"deduplication_id": uplink.deduplication_id},
    )
    raise Dropped(description)


def _follow_device_settings(context: Context, session: Session, frame: DataFrame, uplink: UplinkSet) -> None:
    """What the frame tells about the device's own settings."""
    session.adr = frame.adr
    if session.link.dr != uplink.dr:
        # The device changed its data rate by itself, so it may be at full power again, too.
        session.link = replace(session.link, dr=uplink.dr, tx_power_index=0)
        session.history.clear()
    if frame.adr_ack_req:
        # It may have gone back to its default channels; nothing in the frame tells. The downlink sets them again.
        defaults = context.settings.region.join_channels_hz
        session.channels_hz = dict(enumerate(defaults))
        session.enabled_channels = list(session.channels_hz)


def _append_history(session: Session, f_cnt: int, uplink: UplinkSet) -> None:
    if session.history and session.history[-1].f_cnt == f_cnt:
        return
    best_db = max(reception.snr for reception in uplink.receptions)
    session.history.append(Heard(f_cnt, best_db, session.link.tx_power_index, len(uplink.receptions)))
    del session.history[:-HISTORY_LENGTH]


def _emit_up(
    context: Context,
    device: Device,
    frame: DataFrame,
    *,
    f_cnt: int,
    data: bytes,
    uplink: UplinkSet,
    now_us: int,
) -> None:
    """The `up` event, decoded when the profile has a codec and the codec works."""
    time_us = context.event_time_us(uplink, now_us)
    message = integration.UplinkEvent(
        deduplication_id=uplink.deduplication_id,
        time=events.timestamp(time_us),
        device_info=events.device_info(context, device),
        dev_addr=frame.dev_addr,
        adr=frame.adr,
        dr=uplink.dr,
        f_cnt=f_cnt,
        f_port=frame.f_port or 0,
        confirmed=frame.confirmed,
        data=data,
        rx_info=uplink.receptions,
        tx_info=uplink.tx_info,
        region_config_id=context.settings.region.config_id,
    )
    profile = context.storage.profile(device.device_profile_id).message
    if profile.payload_codec_runtime == api.CodecRuntime.JS:
        try:
            decoded = Codec(profile.payload_codec_script, context.settings.codec_max_execution_ms).decode(
                data, f_port=frame.f_port or 0, recv_time_us=time_us, variables=device.variables
            )
            as_struct = Struct()
            as_struct.update(decoded)
            message.object.CopyFrom(as_struct)
        except CodecError as error:
            events.emit_log(
                context,
                device,
                level=integration.ERROR,
                code=integration.UPLINK_CODEC,
                description=str(error),
                time_us=now_us,
                details={"deduplication_id": uplink.deduplication_id},
            )
    events.emit(context, device, "up", message)


def _take_ack(context: Context, device: Device, uplink: UplinkSet, now_us: int) -> None:
    """The ACK bit acknowledges the confirmed downlink in flight, if there is one."""
    item = next((item for item in device.queue if item.is_pending), None)
    if item is None:
        context.log("warning", "an uplink acknowledges, but no downlink waits for it", dev_eui=device.dev_eui)
        return
    context.storage.dequeue(item)
    events.emit_ack(
        context,
        device,
        item,
        acknowledged=True,
        time_us=context.event_time_us(uplink, now_us),
        deduplication_id=uplink.deduplication_id,
    )
