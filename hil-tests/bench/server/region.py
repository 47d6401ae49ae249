"""EU868 as a page of facts. Source: RP002-1.0.4 section 2.4 (EU863-870); powers as ChirpStack's `lrwn` gives them.

Covered: LoRa data rates DR0..DR6. Not covered: FSK (DR7), LR-FHSS (DR8..DR11), DR12/13 of RP002-1.0.5; an uplink
at one of them is dropped with a log line.
"""

from __future__ import annotations

from dataclasses import dataclass

from bench.server.errors import Dropped

REQUIRED_SNR_DB = {6: -5.0, 7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
"""Demodulation floor of the SX1276 family per spreading factor (datasheet table 13), as ChirpStack's ADR uses it."""


@dataclass(frozen=True, slots=True)
class DataRate:
    """One LoRa data rate of the plan."""

    sf: int
    bandwidth_hz: int
    payload_bytes_max: int
    """N: application payload without FOpts; the repeater-compatible table does not apply."""


@dataclass(frozen=True, slots=True)
class Region:
    """What the server has to know of a channel plan."""

    config_id: str
    """ChirpStack's region_config_id, and its default MQTT topic prefix."""
    common_name: str
    description: str
    data_rates: tuple[DataRate, ...]
    join_channels_hz: tuple[int, ...]
    rx1_dr_offset_max: int
    tx_power_index_max: int

    def data_rate_index(self, sf: int, bandwidth_hz: int) -> int:
        """DR of an uplink's modulation."""
        for index, rate in enumerate(self.data_rates):
            if (rate.sf, rate.bandwidth_hz) == (sf, bandwidth_hz):
                return index
        raise Dropped(f"SF{sf} at {bandwidth_hz} Hz is no data rate of {self.common_name}")

    def rx1_data_rate(self, uplink_dr: int, rx1_dr_offset: int) -> int:
        """Data rate of RX1: the uplink's, lowered by the offset, never below DR0 (RP002 2.4.7)."""
        return max(uplink_dr - rx1_dr_offset, 0)

    def downlink_power_dbm(self, frequency_hz: int) -> int:
        """EIRP for a gateway: 29 in the 500 mW band 869.4..869.65 MHz, 16 elsewhere."""
        return 29 if 869_400_000 <= frequency_hz <= 869_650_000 else 16

    def required_snr_db(self, dr: int) -> float:
        """SNR below which this data rate is no longer received."""
        return REQUIRED_SNR_DB[self.data_rates[dr].sf]


EU868 = Region(
    config_id="eu868",
    common_name="EU868",
    description="EU868",
    data_rates=(
        DataRate(12, 125_000, 51),
        DataRate(11, 125_000, 51),
        DataRate(10, 125_000, 51),
        DataRate(9, 125_000, 115),
        DataRate(8, 125_000, 242),
        DataRate(7, 125_000, 242),
        DataRate(7, 250_000, 242),
    ),
    join_channels_hz=(868_100_000, 868_300_000, 868_500_000),
    rx1_dr_offset_max=5,
    tx_power_index_max=7,
)
