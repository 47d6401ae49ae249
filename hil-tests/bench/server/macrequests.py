"""What the server asks of the device by MAC commands, decided anew before each downlink.

Source: chirpstack `downlink/data.rs` (set_mac_commands). Order: channels, ADR, device status, receive windows, then
what a test asked for. A block whose answer must be understood is remembered in the session.
"""

from __future__ import annotations

from bench.server import maccommands
from bench.server.adr import AdrRequest, LinkSettings, advise
from bench.server.context import Context
from bench.server.maccommands import Cid
from bench.server.records import Device, Session

DAY_US = 86_400_000_000
NEW_CHANNELS_AT_ONCE = 3


def collect(context: Context, device: Device, session: Session, uplink_dr: int, now_us: int) -> list[bytes]:
    """Blocks to send, most urgent first; remembers what was asked."""
    blocks: list[bytes] = []
    for cid, block in (
        (Cid.NEW_CHANNEL, _channels(context, session)),
        (Cid.LINK_ADR, _adr(context, session, uplink_dr)),
        (Cid.DEV_STATUS, _status(context, device, session, now_us)),
        (Cid.RX_PARAM_SETUP, _rx_parameters(context, session)),
        (Cid.RX_TIMING_SETUP, _rx_timing(context, device, session)),
        (Cid.TX_PARAM_SETUP, _tx_params(context, session)),
    ):
        if block:
            session.pending[cid] = [block]
            blocks.append(block)
    for block in device.mac_requests:
        session.pending[block[0]] = [block]
        blocks.append(block)
    device.mac_requests.clear()
    return blocks


def _channels(context: Context, session: Session) -> bytes:
    missing = {
        index: hz
        for index, hz in context.settings.network_channels_hz().items()
        if session.channels_hz.get(index) != hz
    }
    return b"".join(
        maccommands.new_channel_req(index=index, frequency_hz=hz)
        for index, hz in list(missing.items())[:NEW_CHANNELS_AT_ONCE]
    )


def _adr(context: Context, session: Session, uplink_dr: int) -> bytes:
    settings = context.settings
    if settings.adr_disabled or not session.adr:
        return b""
    current = LinkSettings(uplink_dr, session.link.tx_power_index, session.link.nb_trans)
    wanted = advise(
        AdrRequest(
            current=current,
            required_snr_db=settings.region.required_snr_db(uplink_dr),
            installation_margin_db=settings.installation_margin_db,
            max_dr=settings.adr_max_dr,
            tx_power_index_max=session.tx_power_index_max or settings.region.tx_power_index_max,
            history=session.history,
        )
    )
    channels = session.enabled_channels
    if settings.region.fixed is not None:  # of a fixed plan the network may have to mask channels at any time
        channels = settings.network_enabled_channels()
    if wanted == current and sorted(channels) == sorted(session.enabled_channels):
        return b""
    return b"".join(
        maccommands.link_adr_req(
            dr=wanted.dr,
            tx_power=wanted.tx_power_index,
            channel_mask=mask,
            mask_control=control,
            nb_trans=wanted.nb_trans,
        )
        for control, mask in settings.region.mask_blocks(channels)
    )


def _status(context: Context, device: Device, session: Session, now_us: int) -> bytes:
    per_day = context.storage.profile(device.device_profile_id).message.device_status_req_interval
    last_us = session.last_status_request_us
    if not per_day or (last_us is not None and now_us - last_us < DAY_US // per_day):
        return b""
    session.last_status_request_us = now_us
    return maccommands.dev_status_req()


def _rx_parameters(context: Context, session: Session) -> bytes:
    settings = context.settings
    wanted = (settings.rx1_dr_offset, settings.rx2_dr, settings.rx2_frequency_hz)
    if (session.rx1_dr_offset, session.rx2_dr, session.rx2_frequency_hz) == wanted:
        return b""
    return maccommands.rx_param_setup_req(rx1_dr_offset=wanted[0], rx2_dr=wanted[1], rx2_frequency_hz=wanted[2])


def _tx_params(context: Context, session: Session) -> bytes:
    wanted = context.settings.tx_params
    if wanted is None or session.tx_params is None or session.tx_params == wanted:
        return b""
    return maccommands.tx_param_setup_req(wanted)


def _rx_timing(context: Context, device: Device, session: Session) -> bytes:
    profile = context.storage.profile(device.device_profile_id).message
    wanted_s = profile.rx1_delay or context.settings.rx1_delay_s
    return b"" if session.rx1_delay_s == wanted_s else maccommands.rx_timing_setup_req(wanted_s)
