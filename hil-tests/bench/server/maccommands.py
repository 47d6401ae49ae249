"""MAC commands of LoRaWAN 1.0.4 as the server sees them: answers parsed, requests built.

Source: TS001-1.0.4 section 5. A downlink block is the bytes of one or more commands of one kind: it is sent whole
or not at all.
"""

from __future__ import annotations

from enum import IntEnum

from bench.server.eventtime import gps_us

FREQUENCY_STEP_HZ = 100
"""Frequencies travel in units of 100 Hz."""
KEEP = 0xF
"""DataRate or TXPower field: leave as it is."""
SNR_BITS = 6
DOWNLINK_DWELL = 0x20
"""Bit of TxParamSetupReq: no downlink longer than 400 ms."""


class Cid(IntEnum):
    """Command identifiers; a request and its answer share one."""

    LINK_CHECK = 0x02
    LINK_ADR = 0x03
    DUTY_CYCLE = 0x04
    RX_PARAM_SETUP = 0x05
    DEV_STATUS = 0x06
    NEW_CHANNEL = 0x07
    RX_TIMING_SETUP = 0x08
    TX_PARAM_SETUP = 0x09
    DL_CHANNEL = 0x0A
    DEVICE_TIME = 0x0D


UPLINK_BYTES = {
    Cid.LINK_CHECK: 0,
    Cid.LINK_ADR: 1,
    Cid.DUTY_CYCLE: 0,
    Cid.RX_PARAM_SETUP: 1,
    Cid.DEV_STATUS: 2,
    Cid.NEW_CHANNEL: 1,
    Cid.RX_TIMING_SETUP: 0,
    Cid.TX_PARAM_SETUP: 0,
    Cid.DL_CHANNEL: 1,
    Cid.DEVICE_TIME: 0,
}
"""Bytes after the identifier, device to server."""


def parse_uplink(data: bytes) -> dict[Cid, list[bytes]]:
    """Payloads of the commands of an uplink, grouped by kind in the order the kinds first appear.

    An unknown identifier or a cut command ends the list, since its length is unknown (TS001 5).
    """
    blocks: dict[Cid, list[bytes]] = {}
    position = 0
    while position < len(data):
        try:
            cid = Cid(data[position])
        except ValueError:
            break
        end = position + 1 + UPLINK_BYTES[cid]
        if end > len(data):
            break
        blocks.setdefault(cid, []).append(data[position + 1 : end])
        position = end
    return blocks


def link_check_ans(margin_db: int, gateway_count: int) -> bytes:
    """Answer to LinkCheckReq: margin above the demodulation floor 0..254, number of gateways."""
    return bytes((Cid.LINK_CHECK, min(max(margin_db, 0), 254), min(gateway_count, 255)))


def link_adr_req(*, dr: int, tx_power: int, channel_mask: int, mask_control: int, nb_trans: int) -> bytes:
    """LinkADRReq; `channel_mask`: bit i is channel i of the block `mask_control` names."""
    mask = channel_mask.to_bytes(2, "little")
    return bytes((Cid.LINK_ADR, dr << 4 | tx_power)) + mask + bytes((mask_control << 4 | nb_trans,))


def dev_status_req() -> bytes:
    """Ask for battery and margin."""
    return bytes((Cid.DEV_STATUS,))


def rx_param_setup_req(*, rx1_dr_offset: int, rx2_dr: int, rx2_frequency_hz: int) -> bytes:
    """Set RX1 offset and RX2 channel."""
    settings = rx1_dr_offset << 4 | rx2_dr
    return bytes((Cid.RX_PARAM_SETUP, settings)) + _frequency(rx2_frequency_hz)


def rx_timing_setup_req(delay_s: int) -> bytes:
    """Set the delay of RX1."""
    return bytes((Cid.RX_TIMING_SETUP, delay_s))


def tx_param_setup_req(params: int) -> bytes:
    """Set dwell times and MaxEIRP: the byte of TS001-1.0.4 5.8."""
    return bytes((Cid.TX_PARAM_SETUP, params))


def new_channel_req(*, index: int, frequency_hz: int, max_dr: int = 5, min_dr: int = 0) -> bytes:
    """Create or change a channel; frequency 0 removes it."""
    return bytes((Cid.NEW_CHANNEL, index)) + _frequency(frequency_hz) + bytes((max_dr << 4 | min_dr,))


def device_time_ans(unix_us: int) -> bytes:
    """Answer to DeviceTimeReq: GPS time of the end of the uplink, seconds and 1/256 s."""
    gps = gps_us(unix_us)
    seconds, rest = divmod(gps, 1_000_000)
    return bytes((Cid.DEVICE_TIME,)) + seconds.to_bytes(4, "little") + bytes((rest * 256 // 1_000_000,))


def dev_status(payload: bytes) -> tuple[int, int]:
    """Battery byte and margin in dB (-32..31) of a DevStatusAns."""
    margin = payload[1] & (1 << SNR_BITS) - 1
    return payload[0], margin - (1 << SNR_BITS) if margin >= 1 << SNR_BITS - 1 else margin


def _frequency(frequency_hz: int) -> bytes:
    return (frequency_hz // FREQUENCY_STEP_HZ).to_bytes(3, "little")
