"""Channels of a fixed plan (US915, AU915): 64 of 125 kHz and 8 of 500 kHz, which the network can only mask.

Channel n < 64 is n-th of the narrow ones; 64 to 71 are the wide ones. A mask is 9 bytes, least significant bit first,
one byte for each octet of narrow channels and one for the wide ones; b"" when no channel is left. What the members mean
is told in `dynamic_plan`, whose place this takes. RP002-1.0.4 sections 2.5 (US915) and 2.8 (AU915).
"""

from .dwell import faster_rate

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

WIDE = 64  # first of the 500 kHz channels
_OCTETS = const(9)
_NARROW_HZ = const(125_000)
_NARROW_STEP_HZ = const(200_000)
_WIDE_STEP_HZ = const(1_600_000)
_DOWNLINK_HZ = const(923_300_000)
_DOWNLINK_STEP_HZ = const(600_000)
_DOWNLINKS = const(8)
_CFLIST_BYTES = const(16)
_ALL = b"\xff" * 9


class FixedPlan:
    """The mask of enabled channels; chooses the channel of each uplink. As `DynamicPlan` to those who use it."""

    lowest_dr = 0
    lowest_rx1_dr = 0

    def __init__(self, region):
        self._region = region
        self._used = bytearray(_OCTETS)  # channels that had their turn in this round
        self._tried = bytearray(_OCTETS)  # the same for Join-Requests
        self._octet = None  # of the last Join-Request
        self.payload_bytes = region.MAX_PAYLOAD_BYTES
        self.max_eirp_dbm = region.MAX_EIRP_DBM
        self.wait_ms = 0
        self.mask = _ALL
        self.reset()

    def reset(self):
        """All channels enabled."""
        self.mask = _ALL
        self._tried = bytearray(_OCTETS)

    def enable_defaults(self):
        """Last step of the ADR back-off: all channels on (RP002-1.0.4 sections 2.5.5, 2.8.5)."""
        self.mask = _ALL

    def frequency_hz(self, channel):
        """Uplink frequency of `channel`."""
        if channel < WIDE:
            return self._region.FIRST_NARROW_HZ + _NARROW_STEP_HZ * channel
        return self._region.FIRST_WIDE_HZ + _WIDE_STEP_HZ * (channel - WIDE)

    def rx1_hz(self, channel, joining):
        """RX1 frequency after an uplink on `channel`: downlink channel n mod 8."""
        return _DOWNLINK_HZ + _DOWNLINK_STEP_HZ * (channel % _DOWNLINKS)

    def overlong(self, link, size, max_now, max_alone):
        """What becomes of `size` bytes that the data rate does not take: the data rate to use instead, or a refusal."""
        return faster_rate(link, size, max_now, max_alone)

    def limit(self, exchange):
        """No more power than the region allows on a wide channel, or hopping over few narrow ones."""
        region = self._region
        if exchange.bw_hz > _NARROW_HZ:
            most_dbm = region.WIDE_EIRP_DBM
        elif _ones(self.mask[: _OCTETS - 1]) < region.FEW_CHANNELS:
            most_dbm = region.FEW_EIRP_DBM
        else:
            return
        exchange.power_dbm = min(exchange.power_dbm, most_dbm)

    def ready(self, data_rate, joining, duty, airtime_us, now_ms):
        """The mask of channels for `data_rate`, if `duty` lets `airtime_us` be sent now; all share one budget."""
        usable = self._part(_ALL if joining else self.mask, data_rate)
        ms = duty.wait_ms(self._region.FIRST_NARROW_HZ, airtime_us, now_ms) if usable else None
        self.wait_ms = ms
        return b"" if ms else usable

    def choose(self, data_rate, joining, duty, airtime_us, now_ms, random_u32):
        """A random one of the `ready` channels, or None; each has its turn before any is used again."""
        usable = self.ready(data_rate, joining, duty, airtime_us, now_ms)
        if not usable:
            return None
        if joining and data_rate < self._region.WIDE_DR:
            return self._probe(random_u32)
        used = self._tried if joining else self._used
        fresh = bytearray(_OCTETS)
        for octet in range(_OCTETS):
            fresh[octet] = usable[octet] & ~used[octet]
        if not any(fresh):
            for octet in range(_OCTETS):
                used[octet] &= ~usable[octet]
            fresh = usable
        return _draw(fresh, 0, _OCTETS, used, random_u32)

    def _probe(self, random_u32):
        """A Join-Request on 125 kHz: one octet of channels after the other, no channel twice before all were tried.

        So a network of eight channels anywhere hears one of eight in a row. The first octet is random: a device that is
        reset again and again must not try the same one each time.
        """
        tried = self._tried
        octet = self._octet = (random_u32() if self._octet is None else self._octet + 1) % (_OCTETS - 1)
        if tried[octet] == 0xFF:
            tried[octet] = 0
        return _draw(bytes((~tried[octet] & 0xFF,)), octet, 1, tried, random_u32)

    def masked(self, mask, control, channel_mask):
        """`mask` after one LinkADRReq, or None when it asks for something undefined. Bits without channels are RFU."""
        octets = bytearray(mask or _OCTETS)
        low, high = channel_mask & 0xFF, channel_mask >> 8
        if control < 4:
            octets[2 * control] = low
            octets[2 * control + 1] = high
        elif control == 5:  # a bit for an octet and the wide channel in it
            for octet in range(_OCTETS - 1):
                octets[octet] = 0xFF if low & 1 << octet else 0
            octets[_OCTETS - 1] = low
        else:  # 4: the wide ones alone; 6, 7: all narrow ones on or off, too
            if control > 4:
                for octet in range(_OCTETS - 1):
                    octets[octet] = 0xFF if control == 6 else 0
            octets[_OCTETS - 1] = low
        return bytes(octets) if any(octets) else b""

    def usable(self, mask, data_rate):
        """Whether `mask` leaves as many channels for `data_rate` as the region demands."""
        part = self._part(mask, data_rate)
        return bool(part) and (data_rate == self._region.WIDE_DR or _ones(part) >= self._region.FEWEST_NARROW)

    def take(self, link, cid, body):
        """MAC commands of this plan only: none. NewChannelReq and DlChannelReq are dropped without an answer."""
        return False

    def allows(self, freq_hz):
        """Whether `freq_hz` is one of the eight downlink channels."""
        step, rest = divmod(freq_hz - _DOWNLINK_HZ, _DOWNLINK_STEP_HZ)
        return rest == 0 and 0 <= step < _DOWNLINKS

    def apply_cflist(self, cflist):
        """CFList type 1: the mask of enabled channels. Other types, and an empty mask, change nothing."""
        if len(cflist) == _CFLIST_BYTES and cflist[15] == 1 and any(cflist[:_OCTETS]):
            self.mask = bytes(cflist[:_OCTETS])

    def pack(self):
        """The channels for storage: they are fixed."""
        return b""

    def unpack(self, packed):
        """Take back what `pack` gave."""

    def pack_mask(self):
        """The mask for storage."""
        return self.mask

    def unpack_mask(self, packed):
        """Take back what `pack_mask` gave."""
        self.mask = bytes(packed)

    def _part(self, mask, data_rate):
        """The channels of `mask` with the bandwidth of an uplink `data_rate`; b"" when there are none."""
        wide_dr = self._region.WIDE_DR
        if not mask or data_rate > wide_dr:
            return b""
        if data_rate == wide_dr:
            part = bytes(_OCTETS - 1) + mask[_OCTETS - 1 :]
        else:
            part = mask[: _OCTETS - 1] + b"\x00"
        return part if any(part) else b""


def _draw(octets, first, count, used, random_u32):
    """A random channel of the `count` octets, which begin at octet `first` of the plan; noted in `used`."""
    turn = random_u32() % _ones(octets)
    for octet in range(count):
        for bit in range(8):
            if octets[octet] & 1 << bit:
                if turn == 0:
                    used[first + octet] |= 1 << bit
                    return 8 * (first + octet) + bit
                turn -= 1
    return None


def _ones(octets):
    count = 0
    for octet in octets:
        while octet:
            octet &= octet - 1
            count += 1
    return count
