"""What the operator of a network server can set. Defaults are ChirpStack's, unless a comment says otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from bench.server.region import Region
from bench.server.regions import EU868, REGIONS


@dataclass(frozen=True, slots=True)
class Settings:
    """One frozen value handed to the core; times in the unit of their name."""

    region: Region = EU868
    net_id: str = "000000"
    """`[network] net_id`: 000000 and 000001 are free for private networks."""
    deduplication_delay_us: int = 200_000
    """`[network] deduplication_delay`."""
    processing_us: int = 0
    """How long a data uplink may be on its way from de-duplication to the counter check: a time drawn anew for each.
    ChirpStack makes a task of every message (gateway/backend/mqtt.rs), so of two frames of one device the later one may
    be first, and the earlier is refused then. 300_000 is what facts allow for a busy server; 0 keeps runs repeatable
    whatever else draws."""
    downlink_data_delay_us: int = 100_000
    """`[network] get_downlink_data_delay`: time an application has to enqueue an answer to an uplink."""
    downlink_frame_life_us: int = 30_000_000
    """How long a sent downlink is remembered; a gateway's acknowledgement after that finds nothing."""
    rx_timestamp_max_drift_us: int = 30_000_000
    """`[gateway] rx_timestamp_max_drift`: a gateway's clock further off than this is not believed."""
    codec_max_execution_ms: int = 100
    """`[codec.js] max_execution_time`."""
    extra_channels_hz: tuple[int, ...] = (867_100_000, 867_300_000, 867_500_000, 867_700_000, 867_900_000)
    """`[[regions.network.extra_channels]]` of the shipped eu868 file; joining devices get them as CFList."""
    enabled_channels: tuple[int, ...] | None = None
    """`[regions.network] enabled_uplink_channels` of a fixed plan: what joining devices get as CFList; None: all."""
    tx_params: int | None = None
    """What devices are told by TxParamSetupReq (AS923, AU915); None: they stay as they begin."""
    rx1_delay_s: int = 1
    rx1_dr_offset: int = 0
    rx2_dr: int = 0
    rx2_frequency_hz: int = 869_525_000
    adr_disabled: bool = False
    adr_min_dr: int = 0
    adr_max_dr: int = 5
    installation_margin_db: float = 10.0
    """`installation_margin`: reserve kept by ADR."""
    allow_unknown_gateways: bool = True
    """`[gateway] allow_unknown_gateways`. ChirpStack's default is False (frames of gateways nobody registered are
    dropped); a bench has its own gateways only."""

    @classmethod
    def of(cls, region: str, **changes: Any) -> Self:
        """The settings of a network in a region, by the region's name on nodes; `changes` are further settings."""
        page = REGIONS[region]
        values: dict[str, Any] = {
            "region": page,
            "extra_channels_hz": page.extra_channels_hz,
            "enabled_channels": page.enabled_channels,
            "rx2_dr": page.rx2_dr,
            "rx2_frequency_hz": page.rx2_hz,
            "adr_min_dr": page.adr_dr_min,
            "adr_max_dr": page.adr_dr_max,
        }
        return cls(**(values | changes))

    def network_channels_hz(self) -> dict[int, int]:
        """All uplink channels, index to frequency: those of the plan, then the extra ones."""
        return dict(enumerate((*self.region.join_channels_hz, *self.extra_channels_hz)))

    def network_enabled_channels(self) -> list[int]:
        """The channels a device shall use."""
        return list(self.network_channels_hz() if self.enabled_channels is None else self.enabled_channels)
