"""What a network server knows of a region: rates, channels, masks, windows. The regions themselves are in `regions`.

Written after RP002-1.0.4 and ChirpStack's `lrwn`, not after the node's own tables: the two check each other.
Covered: LoRa data rates. Not covered: FSK, LR-FHSS, SF5 and SF6; an uplink at one of them is dropped with a log line.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from bench.server.errors import Dropped

REQUIRED_SNR_DB = {6: -5.0, 7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
"""Demodulation floor of the SX1276 family per spreading factor (datasheet table 13), as ChirpStack's ADR uses it."""

MASK_BITS = 16
NARROW_CHANNELS = 64
"""Of a fixed plan; eight wide ones follow."""
DOWNLINK_CHANNELS = 8


@dataclass(frozen=True, slots=True)
class DataRate:
    """One LoRa data rate of the plan."""

    sf: int
    bandwidth_hz: int
    payload_bytes_max: int
    """N: application payload without FOpts; the repeater-compatible table does not apply."""
    uplink: bool = True


UNDEFINED = DataRate(0, 0, 0, uplink=False)
"""A number that means nothing in a plan, or a modulation that is not covered."""


@dataclass(frozen=True, slots=True)
class FixedDownlinks:
    """Windows of a fixed plan: eight downlink channels, and data rates that begin at another number."""

    first_hz: int
    step_hz: int
    dr_at_zero: int
    """RX1 after an uplink at DR0 with RX1DROffset 0."""
    dr_min: int
    dr_max: int


@dataclass(frozen=True, slots=True)
class Region:
    """A channel plan; frequencies in Hz."""

    config_id: str
    """ChirpStack's region_config_id, and its default MQTT topic prefix."""
    common_name: str
    description: str
    data_rates: tuple[DataRate, ...]
    join_channels_hz: tuple[int, ...]
    """The channels that every device has: default channels, or all 72 of a fixed plan."""
    rx1_dr_offset_max: int
    tx_power_index_max: int
    rx2_hz: int
    rx2_dr: int
    extra_channels_hz: tuple[int, ...] = ()
    """What a network of this bench adds, in the CFList of a dynamic plan."""
    enabled_channels: tuple[int, ...] | None = None
    """What a network of this bench uses of a fixed plan: eight channels and the wide one; None: all there are."""
    fixed: FixedDownlinks | None = None
    tx_params: int | None = None
    """What a TxParamSetupReq would say to a device that has just joined; None where the region does not know it."""
    downlink_dbm: int = 16
    quiet_hz: tuple[int, int] = (0, 0)
    """Below the first frequency a gateway sends with so many dBm only (KR920)."""
    adr_dr_min: int = 0
    adr_dr_max: int = 5

    def data_rate_index(self, sf: int, bandwidth_hz: int) -> int:
        """DR of an uplink's modulation."""
        for index, rate in enumerate(self.data_rates):
            if rate.uplink and (rate.sf, rate.bandwidth_hz) == (sf, bandwidth_hz):
                return index
        raise Dropped(f"SF{sf} at {bandwidth_hz} Hz is no data rate of {self.common_name}")

    def rx1_data_rate(self, uplink_dr: int, rx1_dr_offset: int, *, downlink_dwell: bool = False) -> int:
        """Data rate of RX1 by the rule of the region (RP002, "RX1 receive window"); 6 and 7 count as -1 and -2."""
        if self.fixed is not None:
            wanted = uplink_dr + self.fixed.dr_at_zero - rx1_dr_offset
            return min(max(wanted, self.fixed.dr_min), self.fixed.dr_max)
        offset = rx1_dr_offset if rx1_dr_offset <= 5 else 5 - rx1_dr_offset
        return min(max(uplink_dr - offset, 2 if downlink_dwell else 0), len(self.data_rates) - 1)

    def rx1_frequency_hz(self, uplink_hz: int) -> int:
        """Where RX1 is after an uplink."""
        if self.fixed is None:
            return uplink_hz
        return self.downlink_channels_hz()[self.join_channels_hz.index(uplink_hz) % DOWNLINK_CHANNELS]

    def downlink_channels_hz(self) -> tuple[int, ...]:
        """The downlink channels of a fixed plan; a dynamic one has none of its own."""
        if self.fixed is None:
            return ()
        return tuple(self.fixed.first_hz + self.fixed.step_hz * channel for channel in range(DOWNLINK_CHANNELS))

    def downlink_power_dbm(self, frequency_hz: int) -> int:
        """EIRP for a gateway."""
        if self.common_name == "EU868" and 869_400_000 <= frequency_hz <= 869_650_000:
            return 29  # the 500 mW band
        quiet_below_hz, quiet_dbm = self.quiet_hz
        return quiet_dbm if frequency_hz < quiet_below_hz else self.downlink_dbm

    def required_snr_db(self, dr: int) -> float:
        """SNR below which this data rate is no longer received."""
        return REQUIRED_SNR_DB[self.data_rates[dr].sf]

    def mask_blocks(self, enabled: Iterable[int]) -> list[tuple[int, int]]:
        """(ChMaskCntl, ChMask) of the LinkADRReq that leave exactly these channels on."""
        channels = set(enabled)
        if self.fixed is None:
            return [(0, _bits(channels, 0))]
        first = [(7, _bits(channels, NARROW_CHANNELS))]  # all narrow ones off, then some of them on
        masks = ((block, _bits(channels, MASK_BITS * block)) for block in range(NARROW_CHANNELS // MASK_BITS))
        return first + [(block, mask) for block, mask in masks if mask]

    def masked(self, enabled: Iterable[int], defined: Iterable[int], control: int, mask: int) -> list[int]:
        """The enabled channels after a device has accepted one LinkADRReq (RP002-1.0.4 2.4.5, 2.5.5)."""
        bits = [bit for bit in range(MASK_BITS) if mask >> bit & 1]
        if self.fixed is None:
            return bits if control == 0 else list(defined)
        narrow = [channel for channel in enabled if channel < NARROW_CHANNELS]
        wide = [channel for channel in enabled if channel >= NARROW_CHANNELS]
        if control < 4:
            narrow = [channel for channel in narrow if channel // MASK_BITS != control]
            narrow += [MASK_BITS * control + bit for bit in bits]
        else:
            wide = [NARROW_CHANNELS + bit for bit in bits if bit < DOWNLINK_CHANNELS]
            if control == 5:
                narrow = [8 * bit + place for bit in bits if bit < 8 for place in range(8)]
            elif control > 5:
                narrow = list(range(NARROW_CHANNELS)) if control == 6 else []
        return sorted(narrow) + wide


def _bits(channels: set[int], first: int) -> int:
    return sum(1 << bit for bit in range(MASK_BITS) if first + bit in channels)
