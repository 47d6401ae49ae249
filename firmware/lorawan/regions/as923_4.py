"""AS923-4: frequency offset -5.9 MHz. The rest is the same in all groups."""

from ._as923 import (  # noqa: F401
    BANDWIDTHS,
    DEFAULT_CHANNEL_DRS,
    DEFAULT_DR,
    DWELL_LOWEST_DR,
    DWELL_LOWEST_RX1_DR,
    DWELL_PAYLOAD_BYTES,
    FIRST_RX_DR,
    JOIN_DRS,
    MAX_EIRP_DBM,
    MAX_PAYLOAD_BYTES,
    REVISION,
    RX1_DR,
    RX1_OFFSETS,
    RX2_DR,
    SPREADING_FACTORS,
    TX_PARAMS,
    TX_POWER_LOWEST,
    Plan,
)

NAME = "AS923-4"

DEFAULT_CHANNELS_HZ = (917_300_000, 917_500_000)
RX2_HZ = 917_300_000

# (from Hz, below Hz, airtime in ms of any hour; 0: no limit)
BANDS = ((917_000_000, 920_000_000, 0),)
