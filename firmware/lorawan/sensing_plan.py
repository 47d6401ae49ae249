"""A dynamic plan in which a device senses the channel before it speaks, and has to be quieter on some (KR920)."""

from .dynamic_plan import DynamicPlan

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

BUSY_TRIES = 4  # so often a frame may find its channel busy before it is given up
_PAUSE_MS = const(500)  # at least between two of them, and up to so much more at random
_GIVE_UP_FACTOR = const(16)  # a pause so much longer follows when a frame was given up


class SensingPlan(DynamicPlan):
    """As `DynamicPlan`, on the region's raster, with `exchange.sense_first`."""

    def __init__(self, region):
        self._busy = 0  # how often the channel was busy for the frame with this MIC
        self._mic = b""
        super().__init__(region)

    def limit(self, exchange):
        """Sense first; no more power than the region allows on this frequency."""
        region = self._region
        exchange.sense_first = region.SENSE_FIRST
        if exchange.freq_hz < region.QUIET_BELOW_HZ:
            exchange.power_dbm = min(exchange.power_dbm, region.QUIET_EIRP_DBM)

    def busy_pause_ms(self, frame, random_u32):
        """How long to wait before `frame` is tried again; negative when it is to be given up, and the next to wait."""
        mic = bytes(frame[-4:])
        if mic != self._mic:
            self._busy, self._mic = 0, mic
        self._busy += 1
        pause_ms = _PAUSE_MS + (random_u32() & 0xFFFF) % _PAUSE_MS
        return pause_ms if self._busy < BUSY_TRIES else -_GIVE_UP_FACTOR * pause_ms

    def allows(self, freq_hz):
        """Whether `freq_hz` is one of the region's channels."""
        region = self._region
        return (freq_hz - region.RASTER_HZ) % region.RASTER_STEP_HZ == 0 and super().allows(freq_hz)
