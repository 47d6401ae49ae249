"""MAC commands from the network (TS001-1.0.4 section 5): each is carried out on a `Link` and answered there.

An unknown identifier ends the list, because its length is unknown. Answers stand in the order of the requests.
"""

from .events import LinkCheck, NetworkTime, SettingsChanged
from .fields import u24

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

LINK_CHECK = 0x02
LINK_ADR = 0x03
DUTY_CYCLE = 0x04
RX_PARAM_SETUP = 0x05
DEV_STATUS = 0x06
RX_TIMING_SETUP = 0x08
DEVICE_TIME = 0x0D

# Bytes after the identifier, which is the index; 0xFF: unknown. Class B commands (0x10, 0x11, 0x13) are known by length
# only: a class A device ignores them (12.2). So are those that the plan of the region does not take.
_REQUEST_BYTES = b"\xff\xff\x02\x04\x01\x04\x00\x05\x01\x01\x04\xff\xff\x05\xff\xff\x01\x04\xff\x04"
_UNKNOWN = const(0xFF)
_KEEP = const(0x0F)  # in LinkADRReq: leave data rate or power as they are
_BATTERY_UNKNOWN = const(255)


def execute(link, commands, snr_db_x4, battery_level, asked=0, age_ms=0):
    """Carry out the MAC `commands` of one downlink; gives the list of events.

    `snr_db_x4` of that downlink; `battery_level()` 0 external, 1..254, 255 unknown; `asked`: bits 1 << CID of
    the requests that the uplink before it carried, and ended `age_ms` ago.
    """
    events = []
    changed = False
    at = 0
    while at < len(commands):
        cid = commands[at]
        size = _REQUEST_BYTES[cid] if cid < len(_REQUEST_BYTES) else _UNKNOWN
        if size == _UNKNOWN or at + 1 + size > len(commands):
            break
        end = at + 1 + size
        if cid == LINK_ADR:
            while end < len(commands) and commands[end] == LINK_ADR and end + 5 <= len(commands):
                end += 5
        body = bytes(commands[at + 1 : end])
        at = end
        if cid == LINK_CHECK:
            if asked & 1 << LINK_CHECK:
                events.append(LinkCheck(body[0], body[1]))
        elif cid == DEVICE_TIME:
            if asked & 1 << DEVICE_TIME:
                events.append(NetworkTime(u24(body, 0) | body[3] << 24, body[4], age_ms))
        elif cid == DEV_STATUS:
            _answer_status(link, snr_db_x4, battery_level)
        elif cid in _SETTERS:
            changed = _SETTERS[cid](link, body) or changed
        else:
            changed = link.plan.take(link, cid, body) or changed
    if changed:
        events.append(SettingsChanged())
    return events


def _answer_status(link, snr_db_x4, battery_level):
    snr_db = max(-32, min(31, (snr_db_x4 + 2) // 4))
    battery = battery_level() if battery_level else _BATTERY_UNKNOWN
    link.answer(DEV_STATUS, battery, snr_db & 0x3F)


def _link_adr(link, block):
    """A block of LinkADRReq (without its first CID), atomic: masks in order, the rest from the last one (5.2)."""
    count = (len(block) + 1) // 5
    mask = link.plan.mask
    for i in range(count):
        if mask is not None:
            mask = link.plan.masked(mask, (block[5 * i + 3] >> 4) & 0x07, block[5 * i + 1] | block[5 * i + 2] << 8)
    last = 5 * (count - 1)
    data_rate = block[last] >> 4
    power = block[last] & 0x0F
    nb_trans = block[last + 3] & 0x0F
    if not link.adr:
        # The device manages its data rate itself: only the channels are the network's (5.2).
        good = mask is not None and link.plan.usable(mask, link.data_rate)
        if good:
            link.plan.mask = mask
        for _ in range(count):
            link.answer(LINK_ADR, 0x01 if good else 0x00)
        return good
    if data_rate == _KEEP:
        data_rate = link.data_rate
    if power == _KEEP:
        power = link.power
    mask_good = bool(mask)
    rate_good = link.plan.usable(mask or link.plan.mask, data_rate)
    power_good = power <= link.region.TX_POWER_LOWEST
    for _ in range(count):
        link.answer(LINK_ADR, mask_good | rate_good << 1 | power_good << 2)
    if not (mask_good and rate_good and power_good):
        return False
    link.plan.mask = mask
    link.data_rate = data_rate
    link.power = power
    link.nb_trans = nb_trans or 1
    return True


def _duty_cycle(link, body):
    link.max_duty = body[0] & 0x0F
    link.answer(DUTY_CYCLE)
    return True


def _rx_param_setup(link, body):
    offset = (body[0] >> 4) & 0x07
    data_rate = body[0] & 0x0F
    freq_hz = 100 * u24(body, 1)
    channel_good = link.plan.allows(freq_hz)
    rate_good = link.hears(data_rate)
    offset_good = offset < link.region.RX1_OFFSETS
    link.answer(RX_PARAM_SETUP, channel_good | rate_good << 1 | offset_good << 2)
    if not (channel_good and rate_good and offset_good):
        return False
    link.rx1_dr_offset = offset
    link.rx2_dr = data_rate
    link.rx2_hz = freq_hz
    return True


def _rx_timing_setup(link, body):
    link.rx_delay_s = (body[0] & 0x0F) or 1
    link.answer(RX_TIMING_SETUP)
    return True


_SETTERS = {
    LINK_ADR: _link_adr,
    DUTY_CYCLE: _duty_cycle,
    RX_PARAM_SETUP: _rx_param_setup,
    RX_TIMING_SETUP: _rx_timing_setup,
}
