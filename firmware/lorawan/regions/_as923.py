"""What the four groups of AS923 have in common, from RP002-1.0.4; values as in LoRaMac-node and ChirpStack's lrwn.

Covered: DR0 to DR6 (LoRa), dwell time and power as the network sets them. Not covered: DR7 (FSK), so a network that
answers with it (RX1DROffset 6 or 7 at the highest rates) is heard in RX2 only; sensing before transmitting, as Japan
demands for AS923-1; class B. The region has no duty cycle: dwell time is what its countries have in common.
"""

from ..dwell import dwelling
from ..dynamic_plan import DynamicPlan

Plan = dwelling(DynamicPlan)

REVISION = "RP002-1.0.4"

# Index: data rate. Bandwidths in units of 125 kHz.
SPREADING_FACTORS = b"\x0c\x0b\x0a\x09\x08\x07\x07"
BANDWIDTHS = b"\x01\x01\x01\x01\x01\x01\x02"
# Largest application payload in bytes (N) without FOpts, no repeater; and with 400 ms of dwell time.
MAX_PAYLOAD_BYTES = b"\x33\x33\x73\x73\xf2\xf2\xf2"
DWELL_PAYLOAD_BYTES = b"\x00\x00\x0b\x35\x7d\xf2\xf2"
DWELL_LOWEST_DR = 2
DWELL_LOWEST_RX1_DR = 2
DEFAULT_DR = 2

DEFAULT_CHANNEL_DRS = 0x50  # max << 4 | min
JOIN_DRS = b"\x05\x04\x03\x02"

FIRST_RX_DR = 0
RX2_DR = 2
# One row of RX1_OFFSETS columns for each uplink data rate; offsets 6 and 7 are one and two data rates up.
RX1_OFFSETS = 8
RX1_DR = (
    b"\x00\x00\x00\x00\x00\x00\x01\x02"
    b"\x01\x00\x00\x00\x00\x00\x02\x03"
    b"\x02\x01\x00\x00\x00\x00\x03\x04"
    b"\x03\x02\x01\x00\x00\x00\x04\x05"
    b"\x04\x03\x02\x01\x00\x00\x05\x06"
    b"\x05\x04\x03\x02\x01\x00\x06\x06"
    b"\x06\x05\x04\x03\x02\x01\x06\x06"
)

MAX_EIRP_DBM = 16
TX_POWER_LOWEST = 7
# What a TxParamSetupReq would say, until there is one: uplink dwell time on, 16 dBm.
TX_PARAMS = 0x15
