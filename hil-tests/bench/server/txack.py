"""A gateway's word on a downlink: only now is it sent, or not.

Source: chirpstack `downlink/tx_ack.rs`. OK counts the downlink counter on and takes an unconfirmed item out of the
queue (a confirmed one waits for the device); any error leaves counter and queue as they are, with a log event. No
word at all does the same, silently: the next downlink then reuses the counter.
"""

from __future__ import annotations

from chirpstack_api import gw, integration

from bench.server import events
from bench.server.context import Context, SentDownlink
from bench.server.errors import Dropped, NotFound
from bench.server.frames import DataFrame, FType, frame_type
from bench.server.records import CLASS_C, Device


def handle_tx_ack(context: Context, ack: gw.DownlinkTxAck, now_us: int) -> None:
    """Take the statuses of the items of a downlink; untried items are IGNORED."""
    if not ack.items:
        raise Dropped("Zero items in tx ack")
    sent = context.sent.get(ack.downlink_id)
    if sent is None or sent.forget_us <= now_us:
        raise Dropped(f"no downlink with id {ack.downlink_id} waits for an acknowledgement")
    if len(ack.items) > len(sent.frame.items):
        raise Dropped("More items in tx ack than in downlink-frame")
    statuses = [item.status for item in ack.items]
    sent_index = next((i for i, status in enumerate(statuses) if status == gw.OK), None)
    index = len(statuses) - 1 if sent_index is None else sent_index
    phy_payload = bytes(sent.frame.items[index].phy_payload)
    if frame_type(phy_payload) is FType.JOIN_ACCEPT:
        if sent_index is None:
            context.log("warning", "join-accept not sent", status=gw.TxAckStatus.Name(statuses[-1]))
        return
    try:
        device = context.storage.device(sent.dev_eui)
    except NotFound:
        raise Dropped(f"the device {sent.dev_eui} of the acknowledged downlink is gone") from None
    if sent_index is None:
        events.emit_log(
            context,
            device,
            level=integration.ERROR,
            code=integration.DOWNLINK_GATEWAY,
            description=gw.TxAckStatus.Name(statuses[-1]),
            time_us=now_us,
        )
        return
    _transmitted(context, device, sent, index=index, now_us=now_us)


def _transmitted(context: Context, device: Device, sent: SentDownlink, *, index: int, now_us: int) -> None:
    frame = DataFrame.parse(bytes(sent.frame.items[index].phy_payload))
    session = device.session
    if session is None:
        raise Dropped(f"the device {device.dev_eui} has no session any more")
    if not frame.f_port:
        session.f_cnt_down += 1
        return
    item = sent.queue_item
    if item is None or all(other.id != item.id for other in device.queue):
        # ChirpStack ends here, too, so the counter stays: a flushed queue makes the next downlink reuse it.
        raise Dropped("the queue item of the transmitted downlink is gone")
    if frame.confirmed:
        item.is_pending = True
        if device.class_enabled == CLASS_C:
            profile = context.storage.profile(device.device_profile_id).message
            item.timeout_us = now_us + profile.class_c_timeout * 1_000_000
    else:
        context.storage.dequeue(item)
    session.f_cnt_down = sent.f_cnt_down + 1
    events.emit_tx_ack(context, device, item, frame=sent.frame, index=index, time_us=now_us)
