"""EU863-870, from RP002-1.0.4 section 2.5; sub-bands from ETSI EN 300 220-2 as LoRaMac-node groups them.

Covered: DR0 to DR6 (LoRa). Not covered: DR7 (FSK), DR8 to DR11 (LR-FHSS), class B.
"""

from ..dynamic_plan import DynamicPlan as Plan  # noqa: F401

NAME = "EU868"
REVISION = "RP002-1.0.4"

# Index: data rate. Bandwidths in units of 125 kHz.
SPREADING_FACTORS = b"\x0c\x0b\x0a\x09\x08\x07\x07"
BANDWIDTHS = b"\x01\x01\x01\x01\x01\x01\x02"
# Largest application payload in bytes (N) without FOpts, no repeater.
MAX_PAYLOAD_BYTES = b"\x33\x33\x33\x73\xf2\xf2\xf2"
DEFAULT_DR = 0

DEFAULT_CHANNELS_HZ = (868_100_000, 868_300_000, 868_500_000)
DEFAULT_CHANNEL_DRS = 0x50  # max << 4 | min
# Tried in turn at successive Join-Requests: the quickest first, then with more and more reach.
JOIN_DRS = b"\x05\x04\x03\x02\x01\x00"

FIRST_RX_DR = 0
RX2_HZ = 869_525_000
RX2_DR = 0
# One row of RX1_OFFSETS columns for each uplink data rate; column: RX1DROffset.
RX1_OFFSETS = 6
RX1_DR = (
    b"\x00\x00\x00\x00\x00\x00"
    b"\x01\x00\x00\x00\x00\x00"
    b"\x02\x01\x00\x00\x00\x00"
    b"\x03\x02\x01\x00\x00\x00"
    b"\x04\x03\x02\x01\x00\x00"
    b"\x05\x04\x03\x02\x01\x00"
    b"\x06\x05\x04\x03\x02\x01"
)

MAX_EIRP_DBM = 16
TX_POWER_LOWEST = 7

# (from Hz, below Hz, airtime in ms of any hour). What lies in none of them is never used: the alarm bands.
BANDS = (
    (863_000_000, 865_000_000, 3_600),
    (865_000_000, 868_000_000, 36_000),
    (868_000_000, 868_600_000, 36_000),
    (868_700_000, 869_200_000, 3_600),
    (869_400_000, 869_650_000, 360_000),
    (869_700_000, 870_000_000, 36_000),
)
