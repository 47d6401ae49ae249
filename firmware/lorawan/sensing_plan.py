"""A dynamic plan in which a device senses the channel before it speaks, and has to be quieter on some (KR920)."""

from .dynamic_plan import DynamicPlan


class SensingPlan(DynamicPlan):
    """As `DynamicPlan`, on the region's raster, with `exchange.sense_first`."""

    def limit(self, exchange):
        """Sense first; no more power than the region allows on this frequency."""
        region = self._region
        exchange.sense_first = region.SENSE_FIRST
        if exchange.freq_hz < region.QUIET_BELOW_HZ:
            exchange.power_dbm = min(exchange.power_dbm, region.QUIET_EIRP_DBM)

    def allows(self, freq_hz):
        """Whether `freq_hz` is one of the region's channels."""
        region = self._region
        return (freq_hz - region.RASTER_HZ) % region.RASTER_STEP_HZ == 0 and super().allows(freq_hz)
