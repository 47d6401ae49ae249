"""KR920-923, from RP002-1.0.4; values as in LoRaMac-node and ChirpStack's lrwn.

Covered: DR0 to DR5 (LoRa), the whole of the region's plan. Not covered: class B. No duty cycle and no dwell time, but a
device senses the channel before it transmits.
"""

from ..sensing_plan import SensingPlan as Plan  # noqa: F401

NAME = "KR920"
REVISION = "RP002-1.0.4"

# Index: data rate. Bandwidths in units of 125 kHz.
SPREADING_FACTORS = b"\x0c\x0b\x0a\x09\x08\x07"
BANDWIDTHS = b"\x01\x01\x01\x01\x01\x01"
# Largest application payload in bytes (N) without FOpts, no repeater.
MAX_PAYLOAD_BYTES = b"\x33\x33\x33\x73\xf2\xf2"
DEFAULT_DR = 0

DEFAULT_CHANNELS_HZ = (922_100_000, 922_300_000, 922_500_000)
DEFAULT_CHANNEL_DRS = 0x50  # max << 4 | min
JOIN_DRS = b"\x05\x04\x03\x02\x01\x00"
RASTER_HZ = 920_900_000  # the first channel
RASTER_STEP_HZ = 200_000

FIRST_RX_DR = 0
RX2_HZ = 921_900_000
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
)

MAX_EIRP_DBM = 14
QUIET_BELOW_HZ = 922_100_000  # below it
QUIET_EIRP_DBM = 10  # is the most
TX_POWER_LOWEST = 7

# A transmission begins only if the channel was below so many dBm for so many ms.
SENSE_FIRST = (-65, 6)

# (from Hz, below Hz, airtime in ms of any hour; 0: no limit)
BANDS = ((920_800_000, 923_400_000, 0),)
