"""AS923-2: frequency offset -1.8 MHz. The rest is the same in all groups."""

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

NAME = "AS923-2"

DEFAULT_CHANNELS_HZ = (921_400_000, 921_600_000)
RX2_HZ = 921_400_000

# (from Hz, below Hz, airtime in ms of any hour; 0: no limit)
BANDS = ((920_000_000, 923_000_000, 0),)
