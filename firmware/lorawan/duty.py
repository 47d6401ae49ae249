"""Duty cycle: airtime of each sub-band in any hour, and the limit over all bands that DutyCycleReq may set.

Airtime is booked in slots of about five minutes; thirteen slots always cover the last hour, whenever it begins. So the
limit holds in every sliding hour, and a quiet node may spend it in one burst.

The books survive a reset as a reserve: what the stored record says has been spent is a step ahead of what really was,
and the record is rewritten before the reserve is overdrawn. After a reset the whole reserve counts as spent just now.
"""

from array import array

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

_SLOT_MS = const(304_000)  # twelve of them are an hour, by a clock that is 1 % fast too
_SLOTS = const(13)
_STEP_US = const(1_000_000)  # the reserve runs ahead by so much; each reset costs at most as much of the budget
_UNIT_US = const(10_000)  # the stored reserve counts 10 ms


class DutyCycle:
    """The books of one region's sub-bands, `region.BANDS`."""

    def __init__(self, region):
        self._bands = region.BANDS
        self._spent = [None] * len(region.BANDS)  # airtime in us by slot, for bands that were used
        self._reserve = array("I", [0] * len(region.BANDS))
        self._slot = 0
        self.free_at_ms = 0  # before this instant the aggregated limit forbids everything

    def limit_to(self, bands):
        """Other budgets than the region's; the books stay."""
        self._bands = bands

    def band_of(self, freq_hz):
        """Index of the sub-band of `freq_hz`, or None where transmitting is forbidden."""
        for band in range(len(self._bands)):
            if self._bands[band][0] <= freq_hz < self._bands[band][1]:
                return band
        return None

    def wait_ms(self, freq_hz, airtime_us, now_ms):
        """How long until `airtime_us` may be sent on `freq_hz`; 0: now. None: never."""
        band = self.band_of(freq_hz)
        if band is None:
            return None
        aggregated = self.free_at_ms - now_ms if now_ms < self.free_at_ms else 0
        budget = self._budget_us(band)
        if not budget:
            return aggregated
        if airtime_us > budget:
            return None
        self._advance(now_ms)
        slots = self._spent[band]
        if slots is None:
            return aggregated
        left = self._total(band) + airtime_us - budget
        slot = self._slot - _SLOTS
        while left > 0:
            slot += 1
            left -= slots[slot % _SLOTS]
        if slot == self._slot - _SLOTS:
            return aggregated
        return max(aggregated, (slot + _SLOTS) * _SLOT_MS - now_ms)

    def charge(self, freq_hz, airtime_us, now_ms, max_duty=0):
        """Book a transmission that ended at `now_ms`; `max_duty`: exponent of the aggregated limit, 0 for none."""
        self._advance(now_ms)
        band = self.band_of(freq_hz)
        if self._budget_us(band):
            self._book(band, airtime_us)
        if max_duty:
            self.free_at_ms = now_ms + (airtime_us * ((1 << max_duty) - 1)) // 1000 + 1

    def covered(self, freq_hz, airtime_us, now_ms):
        """Whether the stored reserve already answers for this transmission."""
        self._advance(now_ms)
        band = self.band_of(freq_hz)
        return not self._budget_us(band) or self._total(band) + airtime_us <= self._reserve[band]

    def reserve_for(self, freq_hz, airtime_us, now_ms):
        """A reserve to be stored, two bytes a band; it covers `airtime_us` on `freq_hz` (or None) and a step beyond."""
        self._advance(now_ms)
        coming = None if freq_hz is None else self.band_of(freq_hz)
        packed = bytearray(2 * len(self._bands))
        for band in range(len(self._bands)):
            need = self._total(band)
            budget = self._budget_us(band)
            if band == coming:
                need += airtime_us
            if need:
                need += _STEP_US
            units = min(-(-need // _UNIT_US), budget // _UNIT_US, 0xFFFF)
            packed[2 * band] = units & 0xFF
            packed[2 * band + 1] = units >> 8
        return packed

    def stored(self, packed):
        """`packed` is on flash now, so transmissions may draw on it."""
        for band in range(min(len(self._bands), len(packed) // 2)):
            self._reserve[band] = (packed[2 * band] | packed[2 * band + 1] << 8) * _UNIT_US

    def restore(self, packed, now_ms):
        """After a reset: all of the stored reserve counts as spent now."""
        self._slot = now_ms // _SLOT_MS
        self.stored(packed)
        for band in range(len(self._bands)):
            if self._reserve[band]:
                self._book(band, self._reserve[band])

    def _budget_us(self, band):
        """Airtime of any hour; 0: no limit."""
        return self._bands[band][2] * 1000

    def _book(self, band, airtime_us):
        slots = self._spent[band]
        if slots is None:
            slots = self._spent[band] = array("I", [0] * _SLOTS)
        slots[self._slot % _SLOTS] += airtime_us

    def _total(self, band):
        slots = self._spent[band]
        return 0 if slots is None else sum(slots)

    def _advance(self, now_ms):
        """Empty the slots that have become older than an hour."""
        slot = now_ms // _SLOT_MS
        passed = min(slot - self._slot, _SLOTS)
        if passed > 0:
            for slots in self._spent:
                for back in range(passed if slots else 0):
                    slots[(slot - back) % _SLOTS] = 0
            self._slot = slot
