"""What the device says by MAC commands: requests answered, answers to our requests taken.

Source: chirpstack `maccommand/`. An answer nobody asked for is logged and ignored. Each handler gets the payloads of
all commands of its kind and returns the block to answer with, or nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from bench.server import events, maccommands
from bench.server.context import Context, UplinkSet
from bench.server.maccommands import Cid
from bench.server.records import Device, DeviceStatus, Session

BATTERY_EXTERNAL = 0
BATTERY_UNKNOWN = 255
BATTERY_FULL = 254
NEEDS_DOWNLINK = (Cid.RX_PARAM_SETUP, Cid.RX_TIMING_SETUP)
"""Answers the device repeats in every uplink until a downlink reaches it (TS001 5); the two ChirpStack knows."""


@dataclass(frozen=True, slots=True)
class _Case:
    """All a handler may need."""

    context: Context
    device: Device
    session: Session
    payloads: list[bytes]
    pending: list[bytes]
    uplink: UplinkSet
    now_us: int


def handle(
    context: Context, device: Device, session: Session, *, commands: bytes, uplink: UplinkSet, now_us: int
) -> tuple[list[bytes], bool]:
    """Work through the commands of an uplink: blocks to answer with, and whether a downlink must go out anyway."""
    answers: list[bytes] = []
    must_send = False
    for cid, payloads in maccommands.parse_uplink(commands).items():
        must_send = must_send or cid in NEEDS_DOWNLINK
        handler, needs_pending = _HANDLERS[cid]
        pending = session.pending.pop(cid, [])
        if needs_pending and not pending:
            context.log("warning", "a MAC answer nobody asked for", dev_eui=device.dev_eui, cid=int(cid))
            continue
        answer = handler(_Case(context, device, session, payloads, pending, uplink, now_us))
        if answer:
            answers.append(answer)
    return answers, must_send


def _link_check(case: _Case) -> bytes:
    floor_db = case.context.settings.region.required_snr_db(case.uplink.dr)
    best_db = max(reception.snr for reception in case.uplink.receptions)
    return maccommands.link_check_ans(int(best_db - floor_db), len(case.uplink.receptions))


def _device_time(case: _Case) -> bytes:
    return maccommands.device_time_ans(case.context.event_time_us(case.uplink, case.now_us))


def _link_adr(case: _Case) -> None:
    """Bits of the answer: 0 channel mask, 1 data rate, 2 power. All commands of the block must be accepted."""
    status = 0b111
    for payload in case.payloads:
        status &= payload[0]
    session = case.session
    requests = _split(case.pending[-1], 5)
    request = requests[-1]
    mask_ok, dr_ok, power_ok = (bool(status >> bit & 1) for bit in range(3))
    dr, power = request[1] >> 4, request[1] & 0xF
    nb_trans = request[4] & 0xF
    channels = session.enabled_channels
    for each in requests:
        control, mask = each[4] >> 4 & 0x7, int.from_bytes(each[2:4], "little")
        channels = case.context.settings.region.masked(channels, session.channels_hz, control, mask)
    if mask_ok and dr_ok and power_ok:
        wanted = replace(session.link, dr=dr, tx_power_index=power, nb_trans=nb_trans)
        if wanted != session.link:
            session.history.clear()
        session.link = wanted
        session.enabled_channels = channels
    elif not session.adr and mask_ok:
        # Without ADR the device need only take the channel mask (TS001-1.0.4 4.3.1.1).
        session.enabled_channels = channels
        session.link = replace(
            session.link,
            nb_trans=nb_trans,
            dr=dr if dr_ok else session.link.dr,
            tx_power_index=power if power_ok else session.link.tx_power_index,
        )
    else:
        if not power_ok and power > 0:
            session.tx_power_index_max = power - 1
        case.context.log("warning", "LinkADRReq not acknowledged", dev_eui=case.device.dev_eui, status=status)


def _dev_status(case: _Case) -> None:
    battery, margin_db = maccommands.dev_status(case.payloads[-1])
    percent = None if battery in (BATTERY_EXTERNAL, BATTERY_UNKNOWN) else round(100 * battery / BATTERY_FULL, 2)
    case.device.status = DeviceStatus(margin_db, battery == BATTERY_EXTERNAL, percent)
    time_us = case.context.event_time_us(case.uplink, case.now_us)
    events.emit_status(case.context, case.device, case.uplink, time_us)


def _rx_param_setup(case: _Case) -> None:
    if case.payloads[-1][0] & 0b111 != 0b111:
        case.context.log("warning", "RXParamSetupReq not acknowledged", dev_eui=case.device.dev_eui)
        return
    request = case.pending[-1]
    case.session.rx1_dr_offset = request[1] >> 4 & 0b111
    case.session.rx2_dr = request[1] & 0xF
    case.session.rx2_frequency_hz = int.from_bytes(request[2:5], "little") * maccommands.FREQUENCY_STEP_HZ


def _rx_timing_setup(case: _Case) -> None:
    case.session.rx1_delay_s = case.pending[-1][1] & 0xF


def _new_channel(case: _Case) -> None:
    for request, payload in zip(_split(case.pending[-1], 6), case.payloads, strict=False):
        if payload[0] & 0b11 != 0b11:
            case.context.log("warning", "NewChannelReq not acknowledged", dev_eui=case.device.dev_eui)
            continue
        index = request[1]
        case.session.channels_hz[index] = int.from_bytes(request[2:5], "little") * maccommands.FREQUENCY_STEP_HZ
        if index not in case.session.enabled_channels:
            case.session.enabled_channels.append(index)


def _tx_params(case: _Case) -> None:
    if case.pending:  # repeated until a downlink comes
        case.session.tx_params = case.pending[-1][1]


def _ignore(case: _Case) -> None:
    """An answer that changes nothing the server keeps."""


def _split(block: bytes, size: int) -> list[bytes]:
    return [block[i : i + size] for i in range(0, len(block), size)]


_HANDLERS: dict[Cid, tuple[Callable[[_Case], bytes | None], bool]] = {
    Cid.LINK_CHECK: (_link_check, False),
    Cid.DEVICE_TIME: (_device_time, False),
    Cid.LINK_ADR: (_link_adr, True),
    Cid.DEV_STATUS: (_dev_status, False),
    Cid.RX_PARAM_SETUP: (_rx_param_setup, True),
    Cid.RX_TIMING_SETUP: (_rx_timing_setup, True),
    Cid.NEW_CHANNEL: (_new_channel, True),
    Cid.DUTY_CYCLE: (_ignore, False),
    Cid.TX_PARAM_SETUP: (_tx_params, False),
    Cid.DL_CHANNEL: (_ignore, False),
}
"""Handler, and whether it needs to know what was asked."""
