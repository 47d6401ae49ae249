"""US902-928, from RP002-1.0.4; values as in LoRaMac-node and ChirpStack's lrwn.

Covered: DR0 to DR4 up, DR8 to DR13 down (LoRa); 400 ms of dwell time, kept by the payload sizes. Not covered:
DR5 and DR6 (LR-FHSS), DR7, DR0 and DR14 of RP002-1.0.5 (SF5, SF6), class B. There is no duty cycle.
"""

from ..fixed_plan import FixedPlan as Plan  # noqa: F401

NAME = "US915"
REVISION = "RP002-1.0.4"

# Index: data rate; 0: not defined. Bandwidths in units of 125 kHz. From 8 on: downlinks only.
SPREADING_FACTORS = b"\x0a\x09\x08\x07\x08\x00\x00\x00\x0c\x0b\x0a\x09\x08\x07"
BANDWIDTHS = b"\x01\x01\x01\x01\x04\x00\x00\x00\x04\x04\x04\x04\x04\x04"
# Largest application payload in bytes (N) without FOpts, no repeater.
MAX_PAYLOAD_BYTES = b"\x0b\x35\x7d\xf2\xf2\x00\x00\x00\x35\x81\xf2\xf2\xf2\xf2"
DEFAULT_DR = 0

FIRST_NARROW_HZ = 902_300_000  # and 200 kHz on from each to the next
FIRST_WIDE_HZ = 903_000_000  # and 1.6 MHz on
WIDE_DR = 4  # of the 500 kHz channels; the data rates below it are those of 125 kHz
# At successive Join-Requests: one narrow channel of each octet, then a wide one.
JOIN_DRS = b"\x00\x00\x00\x00\x00\x00\x00\x00\x04"

# AT+MASK of an RUI3 modem, which does not probe octet after octet: the second one, as public networks have it.
MODEM_MASK = "0002"

FIRST_RX_DR = 8
RX2_HZ = 923_300_000
RX2_DR = 8
# One row of RX1_OFFSETS columns for each uplink data rate; column: RX1DROffset.
RX1_OFFSETS = 4
# fmt: off
RX1_DR = (
    b"\x0a\x09\x08\x08"
    b"\x0b\x0a\x09\x08"
    b"\x0c\x0b\x0a\x09"
    b"\x0d\x0c\x0b\x0a"
    b"\x0d\x0d\x0c\x0b"
)
# fmt: on

MAX_EIRP_DBM = 30
TX_POWER_LOWEST = 14
# 47 CFR 15.247 as LoRaMac-node applies it: hopping over less than FEW_CHANNELS narrow channels, and on wide ones, less
# power; and no hopping over a single channel.
FEW_CHANNELS = 50
FEW_EIRP_DBM = 21
WIDE_EIRP_DBM = 26
FEWEST_NARROW = 2

# (from Hz, below Hz, airtime in ms of any hour; 0: no limit)
BANDS = ((902_000_000, 928_000_000, 0),)
