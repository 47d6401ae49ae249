"""The regions as pages of facts. Source: RP002-1.0.4; powers and network channels as ChirpStack's files give them.

`AS923-1` and so on are the names that nodes use; ChirpStack spells them AS923, AS923_2, AS923_3, AS923_4.
"""

from __future__ import annotations

from bench.server.region import UNDEFINED, DataRate, FixedDownlinks, Region

_KHZ = 1_000


def _rates(*rows: tuple[int, int, int], uplink: bool = True) -> tuple[DataRate, ...]:
    """(SF, kHz, N) for each."""
    return tuple(DataRate(sf, khz * _KHZ, size, uplink) for sf, khz, size in rows)


def _row(first_hz: int, step_hz: int, number: int) -> tuple[int, ...]:
    return tuple(first_hz + step_hz * index for index in range(number))


_SIX = _rates((12, 125, 51), (11, 125, 51), (10, 125, 51), (9, 125, 115), (8, 125, 242), (7, 125, 242))
_WIDE_DOWN = _rates(
    (12, 500, 53), (11, 500, 129), (10, 500, 242), (9, 500, 242), (8, 500, 242), (7, 500, 242), uplink=False
)

EU868 = Region(
    config_id="eu868",
    common_name="EU868",
    description="EU868",
    data_rates=(*_SIX, DataRate(7, 250_000, 242)),
    join_channels_hz=(868_100_000, 868_300_000, 868_500_000),
    rx1_dr_offset_max=5,
    tx_power_index_max=7,
    rx2_hz=869_525_000,
    rx2_dr=0,
    extra_channels_hz=_row(867_100_000, 200_000, 5),
)
IN865 = Region(
    config_id="in865",
    common_name="IN865",
    description="IN865",
    data_rates=_SIX,
    join_channels_hz=(865_062_500, 865_402_500, 865_985_000),
    rx1_dr_offset_max=7,
    tx_power_index_max=10,
    rx2_hz=866_550_000,
    rx2_dr=2,
    extra_channels_hz=(865_232_500, 865_572_500),
    downlink_dbm=27,
)
KR920 = Region(
    config_id="kr920",
    common_name="KR920",
    description="KR920",
    data_rates=_SIX,
    join_channels_hz=(922_100_000, 922_300_000, 922_500_000),
    rx1_dr_offset_max=5,
    tx_power_index_max=7,
    rx2_hz=921_900_000,
    rx2_dr=0,
    extra_channels_hz=_row(922_700_000, 200_000, 4),
    downlink_dbm=23,
    quiet_hz=(922_100_000, 10),
)
US915 = Region(
    config_id="us915_1",
    common_name="US915",
    description="US915, second sub-band",
    data_rates=(
        *_rates((10, 125, 11), (9, 125, 53), (8, 125, 125), (7, 125, 242), (8, 500, 242)),
        *(UNDEFINED,) * 3,
        *_WIDE_DOWN,
    ),
    join_channels_hz=(*_row(902_300_000, 200_000, 64), *_row(903_000_000, 1_600_000, 8)),
    rx1_dr_offset_max=3,
    tx_power_index_max=14,
    rx2_hz=923_300_000,
    rx2_dr=8,
    enabled_channels=(*range(8, 16), 65),
    fixed=FixedDownlinks(923_300_000, 600_000, dr_at_zero=10, dr_min=8, dr_max=13),
    downlink_dbm=26,
    adr_dr_max=3,
)
AU915 = Region(
    config_id="au915_1",
    common_name="AU915",
    description="AU915, second sub-band",
    data_rates=(*_SIX, DataRate(8, 500_000, 242), UNDEFINED, *_WIDE_DOWN),
    join_channels_hz=(*_row(915_200_000, 200_000, 64), *_row(915_900_000, 1_600_000, 8)),
    rx1_dr_offset_max=5,
    tx_power_index_max=14,
    rx2_hz=923_300_000,
    rx2_dr=8,
    enabled_channels=(*range(8, 16), 65),
    fixed=FixedDownlinks(923_300_000, 600_000, dr_at_zero=8, dr_min=8, dr_max=13),
    tx_params=0x1D,
    downlink_dbm=27,
)


def _as923(group: int, offset_hz: int) -> Region:
    name = "AS923" if group == 1 else f"AS923_{group}"
    return Region(
        config_id=name.lower(),
        common_name=name,
        description=f"AS923-{group}",
        data_rates=(*_SIX[:2], DataRate(10, 125_000, 115), *_SIX[3:], DataRate(7, 250_000, 242)),
        join_channels_hz=(923_200_000 + offset_hz, 923_400_000 + offset_hz),
        rx1_dr_offset_max=7,
        tx_power_index_max=7,
        rx2_hz=923_200_000 + offset_hz,
        rx2_dr=2,
        extra_channels_hz=_row(922_200_000 + offset_hz, 200_000, 5) if group < 3 else _row(918_000_000, 200_000, 5),
        tx_params=0x15,
    )


REGIONS: dict[str, Region] = {
    "EU868": EU868,
    "IN865": IN865,
    "KR920": KR920,
    "US915": US915,
    "AU915": AU915,
    "AS923-1": _as923(1, 0),
    "AS923-2": _as923(2, -1_800_000),
    "AS923-3": _as923(3, -6_600_000),
    "AS923-4": _as923(4, -5_900_000),
}
"""By the name that a node's configuration has."""
