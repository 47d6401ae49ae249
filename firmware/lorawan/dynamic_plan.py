"""Channels of a dynamic plan (EU868 and its like): up to 16, which the network may add, move and mask (RP002-1.0.4).

A plan also knows the limits that the region, or the network in its name, sets now: `payload_bytes` (largest application
payload by data rate), `lowest_dr`, `lowest_rx1_dr` and `max_eirp_dbm`.
"""

from array import array

from .errors import PayloadTooLong
from .fields import u24

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

SIZE = 16
_NEW_CHANNEL = const(0x07)  # identifiers of MAC commands
_DL_CHANNEL = const(0x0A)
_STEP_HZ = const(100)  # frequencies travel in units of 100 Hz
_HALF_CHANNEL_HZ = const(62_500)
_GOOD = const(0x03)  # both bits of the answer


class DynamicPlan:
    """Frequencies, data rate ranges and the mask of enabled channels; chooses the channel of each uplink."""

    lowest_dr = 0
    lowest_rx1_dr = 0

    def __init__(self, region):
        self._region = region
        self._freq_hz = array("I", [0] * SIZE)  # 0: not defined
        self._downlink_hz = array("I", [0] * SIZE)  # RX1 frequency, 0: as the uplink
        self._drs = bytearray(SIZE)  # max << 4 | min
        self.payload_bytes = region.MAX_PAYLOAD_BYTES
        self.max_eirp_dbm = region.MAX_EIRP_DBM
        self.wait_ms = 0  # after `ready` and `choose`
        self._unused = 0  # channels not yet used in this round; 0 begins a new one
        self._default_mask = (1 << len(region.DEFAULT_CHANNELS_HZ)) - 1
        self.mask = 0
        self.reset()

    def reset(self):
        """Only the region's default channels, all enabled."""
        for index in range(SIZE):
            self._freq_hz[index] = self._downlink_hz[index] = 0
        for index, freq_hz in enumerate(self._region.DEFAULT_CHANNELS_HZ):
            self._freq_hz[index] = freq_hz
            self._drs[index] = self._region.DEFAULT_CHANNEL_DRS
        self.mask = self._default_mask
        self._unused = 0

    def enable_defaults(self):
        """Last step of the ADR back-off: the default channels on again, the others as they are."""
        self.mask |= self._default_mask

    def frequency_hz(self, channel):
        """Uplink frequency of `channel`."""
        return self._freq_hz[channel]

    def rx1_hz(self, channel, joining):
        """RX1 frequency after an uplink on `channel`."""
        return (not joining and self._downlink_hz[channel]) or self._freq_hz[channel]

    def overlong(self, link, size, max_now, max_alone):
        """What becomes of `size` bytes that the data rate does not take: the data rate to use instead, or a refusal."""
        raise PayloadTooLong(max_now, max_alone)

    def limit(self, exchange):
        """What the region demands of a transmission beyond channel, data rate and power index: here nothing."""

    def ready(self, data_rate, joining, duty, airtime_us, now_ms):
        """The mask of channels on which `duty` lets `airtime_us` be sent now. `wait_ms` tells how long until one is.

        It is None when waiting does not help.
        """
        usable = 0
        soonest = None
        allowed = self._default_mask if joining else self.mask
        for channel in range(SIZE):
            if not self._carries(channel, data_rate, allowed):
                continue
            ms = duty.wait_ms(self._freq_hz[channel], airtime_us, now_ms)
            if ms == 0:
                usable |= 1 << channel
            elif ms is not None and (soonest is None or ms < soonest):
                soonest = ms
        self.wait_ms = 0 if usable else soonest
        return usable

    def choose(self, data_rate, joining, duty, airtime_us, now_ms, random_u32):
        """A random one of the `ready` channels, or None.

        Each usable channel has its turn before any is used again (RP002-1.0.4 section 3.3).
        """
        usable = self.ready(data_rate, joining, duty, airtime_us, now_ms)
        if not usable:
            return None
        fresh = usable & self._unused
        if not fresh:
            self._unused = 0xFFFF
            fresh = usable
        turn = random_u32() % _ones(fresh)
        for channel in range(SIZE):
            if fresh & (1 << channel):
                if turn == 0:
                    break
                turn -= 1
        self._unused &= ~(1 << channel)
        return channel

    def masked(self, mask, control, channel_mask):
        """`mask` after one LinkADRReq, or None when it asks for something undefined (RP002-1.0.4 2.5.5).

        A mask is the plan's own business; others only know that one without channels is false.
        """
        defined = self._defined_mask()
        if control == 0 and not channel_mask & ~defined:
            return channel_mask
        if control == 6:
            return defined
        return None

    def usable(self, mask, data_rate):
        """Whether `mask` leaves a channel for `data_rate`."""
        for channel in range(SIZE):
            if self._carries(channel, data_rate, mask):
                return True
        return False

    def take(self, link, cid, body):
        """NewChannelReq (define and enable a channel, or remove it with frequency 0) and DlChannelReq (RX1 of a channel
        moves): carried out and answered; whether something changed.
        """
        if cid not in (_NEW_CHANNEL, _DL_CHANNEL):
            return False
        channel = body[0]
        freq_hz = _STEP_HZ * u24(body, 1)
        freq_good = self.allows(freq_hz)
        if cid == _DL_CHANNEL:
            good = freq_good | (channel < SIZE and self._freq_hz[channel] != 0) << 1
        elif len(self._region.DEFAULT_CHANNELS_HZ) <= channel < SIZE:
            rates = body[4]
            rates_good = rates & 0x0F <= rates >> 4 < len(self._region.SPREADING_FACTORS)
            good = freq_good | rates_good << 1 if freq_hz else _GOOD
        else:
            good = 0  # the region fixes it
        link.answer(cid, good)
        if good != _GOOD:
            return False
        if cid == _DL_CHANNEL:
            self._downlink_hz[channel] = freq_hz
        else:
            self._set_channel(channel, freq_hz, body[4])
        return True

    def _set_channel(self, channel, freq_hz, drs):
        self._freq_hz[channel] = freq_hz
        self._downlink_hz[channel] = 0
        self._drs[channel] = drs
        if freq_hz:
            self.mask |= 1 << channel
        else:
            self.mask &= ~(1 << channel)
            if not self.mask:
                self.mask = self._default_mask

    def allows(self, freq_hz):
        """Whether a 125 kHz channel at `freq_hz` lies inside one of the region's sub-bands."""
        for band in self._region.BANDS:
            if band[0] <= freq_hz - _HALF_CHANNEL_HZ and freq_hz + _HALF_CHANNEL_HZ <= band[1]:
                return True
        return False

    def apply_cflist(self, cflist):
        """CFList type 0: five frequencies for the channels after the default ones. Other types change nothing."""
        if len(cflist) != 16 or cflist[15] != 0:
            return
        channel = len(self._region.DEFAULT_CHANNELS_HZ)
        for at in range(0, 15, 3):
            freq_hz = _STEP_HZ * u24(cflist, at)
            if freq_hz == 0 or self.allows(freq_hz):
                self._set_channel(channel, freq_hz, self._region.DEFAULT_CHANNEL_DRS)
            channel += 1

    def pack(self):
        """The channels for storage (the mask apart): seven bytes each, up to the last one in use."""
        used = SIZE
        while not self._freq_hz[used - 1]:
            used -= 1
        packed = bytearray()
        for channel in range(used):
            for freq_hz in (self._freq_hz[channel], self._downlink_hz[channel]):
                packed.extend((freq_hz // _STEP_HZ).to_bytes(3, "little"))
            packed.append(self._drs[channel])
        return packed

    def unpack(self, packed):
        """Take back what `pack` gave; all of them are enabled until the mask is taken back too."""
        packed = bytes(packed) + bytes(7 * SIZE - len(packed))
        for channel in range(SIZE):
            at = 7 * channel
            self._freq_hz[channel] = _STEP_HZ * u24(packed, at)
            self._downlink_hz[channel] = _STEP_HZ * u24(packed, at + 3)
            self._drs[channel] = packed[at + 6]
        self.mask = self._defined_mask()

    def pack_mask(self):
        """The mask for storage."""
        return bytes((self.mask & 0xFF, self.mask >> 8))

    def unpack_mask(self, packed):
        """Take back what `pack_mask` gave."""
        self.mask = packed[0] | packed[1] << 8

    def _carries(self, channel, data_rate, mask):
        drs = self._drs[channel]
        return bool(mask & (1 << channel) and self._freq_hz[channel] and drs & 0x0F <= data_rate <= drs >> 4)

    def _defined_mask(self):
        mask = 0
        for channel in range(SIZE):
            if self._freq_hz[channel]:
                mask |= 1 << channel
        return mask


def _ones(mask):
    count = 0
    while mask:
        mask &= mask - 1
        count += 1
    return count
