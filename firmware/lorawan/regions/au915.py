"""AU915-928, from RP002-1.0.4; values as in LoRaMac-node and ChirpStack's lrwn.

Covered: DR0 to DR6 up, DR8 to DR13 down (LoRa); dwell time and power as the network sets them. Not covered: DR7
(LR-FHSS), DR9 and DR10 up of RP002-1.0.5 (SF5, SF6), class B. There is no duty cycle.
"""

from ..dwell import dwelling
from ..fixed_plan import FixedPlan

Plan = dwelling(FixedPlan)

NAME = "AU915"
REVISION = "RP002-1.0.4"

# Index: data rate; 0: not defined. Bandwidths in units of 125 kHz. From 8 on: downlinks only.
SPREADING_FACTORS = b"\x0c\x0b\x0a\x09\x08\x07\x08\x00\x0c\x0b\x0a\x09\x08\x07"
BANDWIDTHS = b"\x01\x01\x01\x01\x01\x01\x04\x00\x04\x04\x04\x04\x04\x04"
# Largest application payload in bytes (N) without FOpts, no repeater.
MAX_PAYLOAD_BYTES = b"\x33\x33\x33\x73\xf2\xf2\xf2\x00\x35\x81\xf2\xf2\xf2\xf2"
# The same with 400 ms of dwell time.
DWELL_PAYLOAD_BYTES = b"\x00\x00\x0b\x35\x7d\xf2\xf2"
DWELL_LOWEST_DR = 2
DWELL_LOWEST_RX1_DR = 0  # downlinks have 500 kHz: all of them are quick enough
DEFAULT_DR = 2

FIRST_NARROW_HZ = 915_200_000  # and 200 kHz on from each to the next
FIRST_WIDE_HZ = 915_900_000  # and 1.6 MHz on
WIDE_DR = 6  # of the 500 kHz channels; the data rates below it are those of 125 kHz
# At successive Join-Requests: one narrow channel of each octet, then a wide one.
JOIN_DRS = b"\x02\x02\x02\x02\x02\x02\x02\x02\x06"

# AT+MASK of an RUI3 modem, which does not probe octet after octet: the second one, as public networks have it.
MODEM_MASK = "0002"

FIRST_RX_DR = 8
RX2_HZ = 923_300_000
RX2_DR = 8
# One row of RX1_OFFSETS columns for each uplink data rate; column: RX1DROffset.
RX1_OFFSETS = 6
RX1_DR = (
    b"\x08\x08\x08\x08\x08\x08"
    b"\x09\x08\x08\x08\x08\x08"
    b"\x0a\x09\x08\x08\x08\x08"
    b"\x0b\x0a\x09\x08\x08\x08"
    b"\x0c\x0b\x0a\x09\x08\x08"
    b"\x0d\x0c\x0b\x0a\x09\x08"
    b"\x0d\x0d\x0c\x0b\x0a\x09"
)

MAX_EIRP_DBM = 30
TX_POWER_LOWEST = 14
FEW_CHANNELS = 0  # no less power on few narrow channels
FEW_EIRP_DBM = 30
WIDE_EIRP_DBM = 30
FEWEST_NARROW = 1
# What a TxParamSetupReq would say, until there is one: uplink dwell time on, 30 dBm.
TX_PARAMS = 0x1D

# (from Hz, below Hz, airtime in ms of any hour; 0: no limit)
BANDS = ((915_000_000, 928_000_000, 0),)
