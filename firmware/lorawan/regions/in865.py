"""IN865-867, from RP002-1.0.4; values as in LoRaMac-node and ChirpStack's lrwn.

Covered: DR0 to DR5 (LoRa). Not covered: DR7 (FSK), class B. The region has neither duty cycle nor dwell time.
"""

from ..dynamic_plan import DynamicPlan as Plan  # noqa: F401

NAME = "IN865"
REVISION = "RP002-1.0.4"

# Index: data rate. Bandwidths in units of 125 kHz.
SPREADING_FACTORS = b"\x0c\x0b\x0a\x09\x08\x07"
BANDWIDTHS = b"\x01\x01\x01\x01\x01\x01"
# Largest application payload in bytes (N) without FOpts, no repeater.
MAX_PAYLOAD_BYTES = b"\x33\x33\x33\x73\xf2\xf2"
DEFAULT_DR = 0

DEFAULT_CHANNELS_HZ = (865_062_500, 865_402_500, 865_985_000)
DEFAULT_CHANNEL_DRS = 0x50  # max << 4 | min
JOIN_DRS = b"\x05\x04\x03\x02\x01\x00"

FIRST_RX_DR = 0
RX2_HZ = 866_550_000
RX2_DR = 2
# One row of RX1_OFFSETS columns for each uplink data rate; offsets 6 and 7 are one and two data rates up.
RX1_OFFSETS = 8
RX1_DR = (
    b"\x00\x00\x00\x00\x00\x00\x01\x02"
    b"\x01\x00\x00\x00\x00\x00\x02\x03"
    b"\x02\x01\x00\x00\x00\x00\x03\x04"
    b"\x03\x02\x01\x00\x00\x00\x04\x05"
    b"\x04\x03\x02\x01\x00\x00\x05\x05"
    b"\x05\x04\x03\x02\x01\x00\x05\x05"
)

MAX_EIRP_DBM = 30
TX_POWER_LOWEST = 10

# (from Hz, below Hz, airtime in ms of any hour; 0: no limit)
BANDS = ((865_000_000, 867_000_000, 0),)
