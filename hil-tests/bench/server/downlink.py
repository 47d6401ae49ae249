"""Downlinks: a join-accept or a data frame, once for RX1 and once for RX2, with the gateway's own context.

Source: chirpstack `downlink/data.rs`, `downlink/join.rs`. The two items are alternatives: the gateway sends the
first it can. How late the uplink came plays no part: its context goes back verbatim, and the gateway has to know.
The downlink counter is used, not counted: it moves when a gateway reports the transmission (see `txack`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chirpstack_api import gw, integration

from bench.server import events, macrequests
from bench.server.context import Context, SentDownlink, UplinkSet
from bench.server.errors import Dropped
from bench.server.frames import FOPTS_BYTES_MAX, DataFrame, FType
from bench.server.maccommands import DOWNLINK_DWELL
from bench.server.outputs import SendDownlink
from bench.server.receptions import answering
from bench.server.records import Device, QueueItem, Session

JOIN_ACCEPT_DELAY_S = 5
"""JOIN_ACCEPT_DELAY1 (RP002-1.0.4 2.3)."""
RX2_AFTER_RX1_S = 1


@dataclass(slots=True)
class _Window:
    """One chance to send: how, and how many bytes of payload and MAC commands still fit."""

    tx_info: gw.DownlinkTxInfo
    room: int


def send_join_accept(
    context: Context,
    device: Device,
    uplink: UplinkSet,
    *,
    receptions: Sequence[gw.UplinkRxInfo],
    phy_payload: bytes,
    now_us: int,
) -> None:
    """Answer a join-request 5 s and 6 s after it, with the regional receive parameters."""
    settings = context.settings
    tenant_id = context.storage.tenant_of_device(device.dev_eui)
    reception = answering(context, receptions, tenant_id, uplink.dr)
    windows = _windows(
        context,
        reception,
        rx1_frequency_hz=settings.region.rx1_frequency_hz(uplink.tx_info.frequency),
        rx1_dr=settings.region.rx1_data_rate(uplink.dr, 0),
        rx1_delay_s=JOIN_ACCEPT_DELAY_S,
        rx2_frequency_hz=settings.rx2_frequency_hz,
        rx2_dr=settings.rx2_dr,
    )
    items = [gw.DownlinkFrameItem(phy_payload=phy_payload, tx_info=window.tx_info) for window in windows]
    _send(context, device, reception, items, now_us=now_us)


def respond(
    context: Context,
    device: Device,
    uplink: UplinkSet,
    session: Session,
    *,
    must_ack: bool,
    must_send: bool,
    answers: list[bytes],
    now_us: int,
) -> None:
    """Answer an uplink in class A, if there is anything to say."""
    if device.session is not session:
        raise Dropped(f"the device {device.dev_eui} joined anew before it was answered")
    tenant_id = context.storage.tenant_of_device(device.dev_eui)
    reception = answering(context, uplink.receptions, tenant_id, uplink.dr)
    windows = _windows(
        context,
        reception,
        rx1_frequency_hz=context.settings.region.rx1_frequency_hz(uplink.tx_info.frequency),
        rx1_dr=context.settings.region.rx1_data_rate(
            uplink.dr, session.rx1_dr_offset, downlink_dwell=bool((session.tx_params or 0) & DOWNLINK_DWELL)
        ),
        rx1_delay_s=session.rx1_delay_s or 1,
        rx2_frequency_hz=session.rx2_frequency_hz,
        rx2_dr=session.rx2_dr,
    )
    item, more = next_queue_item(context, device, windows[0].room, now_us, uplink.deduplication_id)
    blocks = answers + macrequests.collect(context, device, session, uplink.dr, now_us)
    if item is None and not blocks and not must_ack and not must_send:
        return
    frames = [
        gw.DownlinkFrameItem(
            phy_payload=_data_frame(
                context, session, item, blocks=blocks, room=window.room, must_ack=must_ack, more=more
            ),
            tx_info=window.tx_info,
        )
        for window in windows
    ]
    if item is not None:
        item.f_cnt_down = session.f_cnt_down
    _send(context, device, reception, frames, queue_item=item, f_cnt_down=session.f_cnt_down, now_us=now_us)


def send_class_c(context: Context, device: Device, now_us: int) -> None:
    """Send the next queue item at once in RX2's parameters, by a gateway that heard the last uplink."""
    session = device.session
    if session is None or session.f_cnt_up == 0:
        return
    tenant_id = context.storage.tenant_of_device(device.dev_eui)
    reception = answering(context, device.heard_by, tenant_id, device.heard_dr)
    window = _window(context, reception, session.rx2_frequency_hz, session.rx2_dr)
    window.tx_info.timing.immediately.SetInParent()
    item, more = next_queue_item(context, device, window.room, now_us, "")
    if item is None:
        return
    frame = gw.DownlinkFrameItem(
        phy_payload=_data_frame(context, session, item, blocks=[], room=window.room, more=more), tx_info=window.tx_info
    )
    item.f_cnt_down = session.f_cnt_down
    _send(context, device, reception, [frame], queue_item=item, f_cnt_down=session.f_cnt_down, now_us=now_us)


def next_queue_item(
    context: Context, device: Device, room: int, now_us: int, deduplication_id: str
) -> tuple[QueueItem | None, bool]:
    """The item to send and whether more wait; those that cannot be sent any more are taken out with an event."""
    while device.queue:
        item = device.queue[0]
        if item.is_pending and item.timeout_us is not None and item.timeout_us > now_us:
            return None, False
        if item.is_pending:
            # A confirmed downlink the device did not acknowledge with its next uplink is given up, not repeated.
            context.storage.dequeue(item)
            events.emit_ack(
                context, device, item, acknowledged=False, time_us=now_us, deduplication_id=deduplication_id
            )
        elif item.expires_us is not None and item.expires_us <= now_us:
            context.storage.dequeue(item)
            _log_discarded(
                context,
                device,
                item,
                code=integration.EXPIRED,
                description="Device queue-item discarded because expired",
                now_us=now_us,
            )
        elif len(item.data) > room:
            context.storage.dequeue(item)
            _log_discarded(
                context,
                device,
                item,
                code=integration.DOWNLINK_PAYLOAD_SIZE,
                description="Device queue-item discarded because it exceeds the max. payload size",
                now_us=now_us,
                max_payload_size=str(room),
                item_size=str(len(item.data)),
            )
        else:
            return item, len(device.queue) > 1
    return None, False


def _data_frame(
    context: Context,
    session: Session,
    item: QueueItem | None,
    *,
    blocks: list[bytes],
    room: int,
    must_ack: bool = False,
    more: bool = False,
) -> bytes:
    """The frame for one window: whole MAC blocks first, then the queue item if both fit."""
    commands = b""
    for block in blocks:
        if len(commands) + len(block) > room:
            break
        commands += block
    ftype, f_port, payload = FType.UNCONFIRMED_DOWN, None, b""
    f_opts, f_pending = commands, more
    if len(commands) > FOPTS_BYTES_MAX:
        f_port, payload, f_opts = 0, commands, b""
        f_pending = item is not None
    elif item is not None and len(item.data) + len(commands) <= room:
        f_port, payload = item.f_port, item.data
        ftype = FType.CONFIRMED_DOWN if item.confirmed else FType.UNCONFIRMED_DOWN
    elif item is not None:
        f_pending = True
    frame = DataFrame(
        ftype=ftype,
        dev_addr=session.dev_addr,
        f_cnt16=session.f_cnt_down & 0xFFFF,
        adr=not context.settings.adr_disabled,
        ack=must_ack,
        f_pending=f_pending,
        f_opts=f_opts,
        f_port=f_port,
        payload=payload,
    )
    return frame.build(session.keys, session.f_cnt_down)


def _windows(
    context: Context,
    reception: gw.UplinkRxInfo,
    *,
    rx1_frequency_hz: int,
    rx1_dr: int,
    rx1_delay_s: int,
    rx2_frequency_hz: int,
    rx2_dr: int,
) -> tuple[_Window, _Window]:
    """RX1 and RX2, timed from the end of the uplink that the context stands for."""
    rx1 = _window(context, reception, rx1_frequency_hz, rx1_dr)
    rx1.tx_info.timing.delay.delay.FromSeconds(rx1_delay_s)
    rx2 = _window(context, reception, rx2_frequency_hz, rx2_dr)
    rx2.tx_info.timing.delay.delay.FromSeconds(rx1_delay_s + RX2_AFTER_RX1_S)
    return rx1, rx2


def _window(context: Context, reception: gw.UplinkRxInfo, frequency_hz: int, dr: int) -> _Window:
    region = context.settings.region
    rate = region.data_rates[dr]
    tx_info = gw.DownlinkTxInfo(
        frequency=frequency_hz,
        power=region.downlink_power_dbm(frequency_hz),
        modulation=gw.Modulation(
            lora=gw.LoraModulationInfo(
                bandwidth=rate.bandwidth_hz,
                spreading_factor=rate.sf,
                code_rate=gw.CR_4_5,
                polarization_inversion=True,
            )
        ),
        board=reception.board,
        antenna=reception.antenna,
        context=reception.context,
    )
    return _Window(tx_info, rate.payload_bytes_max)


def _send(
    context: Context,
    device: Device,
    reception: gw.UplinkRxInfo,
    items: list[gw.DownlinkFrameItem],
    *,
    queue_item: QueueItem | None = None,
    f_cnt_down: int = 0,
    now_us: int,
) -> None:
    frame = gw.DownlinkFrame(downlink_id=context.chance.u32(), gateway_id=reception.gateway_id, items=items)
    life_us = context.settings.downlink_frame_life_us
    context.remember(SentDownlink(device.dev_eui, frame, queue_item, f_cnt_down, now_us + life_us), now_us)
    context.emit(SendDownlink(frame))


def _log_discarded(
    context: Context, device: Device, item: QueueItem, *, code: int, description: str, now_us: int, **details: str
) -> None:
    events.emit_log(
        context,
        device,
        level=integration.ERROR,
        code=code,
        description=description,
        time_us=now_us,
        details={**details, "queue_item_id": item.id},
    )
