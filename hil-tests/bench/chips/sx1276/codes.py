"""Tables of the SX1276 data sheet: modes, interrupts, registers with their reset values, times."""

from __future__ import annotations

from enum import Enum, IntFlag


class Mode(Enum):
    """Operating modes; the value is that of RegOpMode bits 2..0 with the LoRa modem (table 16)."""

    SLEEP = 0
    STDBY = 1
    FSTX = 2
    TX = 3
    FSRX = 4
    RX_CONTINUOUS = 5
    RX_SINGLE = 6
    CAD = 7


class Irq(IntFlag):
    """RegIrqFlags (section 6.4)."""

    CAD_DETECTED = 1 << 0
    FHSS_CHANGE_CHANNEL = 1 << 1
    CAD_DONE = 1 << 2
    TX_DONE = 1 << 3
    VALID_HEADER = 1 << 4
    PAYLOAD_CRC_ERROR = 1 << 5
    RX_DONE = 1 << 6
    RX_TIMEOUT = 1 << 7


class Stat(IntFlag):
    """RegModemStat (section 6.4)."""

    SIGNAL_DETECTED = 1 << 0
    SIGNAL_SYNCHRONIZED = 1 << 1
    RX_ONGOING = 1 << 2
    HEADER_INFO_VALID = 1 << 3
    MODEM_CLEAR = 1 << 4


RECEIVING = frozenset({Mode.RX_CONTINUOUS, Mode.RX_SINGLE})
CONFIGURABLE = frozenset({Mode.SLEEP, Mode.STDBY, Mode.FSTX})
"""Section 4.1.5: static configuration registers are written in these modes."""

LONG_RANGE, ACCESS_SHARED, LOW_FREQUENCY = 0x80, 0x40, 0x08  # RegOpMode

# Registers of both modems
FIFO = 0x00
OP_MODE = 0x01
FRF_MSB = 0x06
PA_CONFIG = 0x09
OCP = 0x0B
LNA = 0x0C
DIO_MAPPING_1, DIO_MAPPING_2 = 0x40, 0x41
VERSION = 0x42
TCXO = 0x4B
PA_DAC = 0x4D

# Registers of the LoRa modem, 0x0D to 0x3F
FIFO_ADDR_PTR = 0x0D
FIFO_TX_BASE = 0x0E
FIFO_RX_BASE = 0x0F
FIFO_RX_CURRENT = 0x10
IRQ_FLAGS_MASK = 0x11
IRQ_FLAGS = 0x12
RX_NB_BYTES = 0x13
MODEM_STAT = 0x18
PKT_SNR = 0x19
PKT_RSSI = 0x1A
RSSI = 0x1B
HOP_CHANNEL = 0x1C
MODEM_CONFIG_1 = 0x1D
MODEM_CONFIG_2 = 0x1E
SYMB_TIMEOUT_LSB = 0x1F
PREAMBLE_MSB = 0x20
PAYLOAD_LENGTH = 0x22
MAX_PAYLOAD_LENGTH = 0x23
FIFO_RX_BYTE_ADDR = 0x25
MODEM_CONFIG_3 = 0x26
RSSI_WIDEBAND = 0x2C
IF_FREQ_2, IF_FREQ_1 = 0x2F, 0x30
DETECT_OPTIMIZE = 0x31
INVERT_IQ = 0x33
HIGH_BW_1 = 0x36
DETECTION_THRESHOLD = 0x37
SYNC_WORD = 0x39
HIGH_BW_2 = 0x3A
INVERT_IQ_2 = 0x3B

# Registers of the FSK modem that matter here
FSK_IMAGE_CAL = 0x3B
IMAGE_CAL_START, IMAGE_CAL_RUNNING = 0x40, 0x20

PAGED = range(0x0D, 0x40)
"""Addresses that mean another register with the other modem (section 4.4)."""

COMMON_RESET = {
    OP_MODE: 0x09,
    FRF_MSB: 0x6C,
    FRF_MSB + 1: 0x80,
    FRF_MSB + 2: 0x00,
    PA_CONFIG: 0x4F,
    0x0A: 0x09,
    OCP: 0x2B,
    LNA: 0x20,
    VERSION: 0x12,
    0x44: 0x2D,
    TCXO: 0x09,
    PA_DAC: 0x84,
    0x70: 0xD0,
}
LORA_RESET = {
    FIFO_TX_BASE: 0x80,
    MODEM_STAT: 0x10,
    MODEM_CONFIG_1: 0x72,
    MODEM_CONFIG_2: 0x70,
    SYMB_TIMEOUT_LSB: 0x64,
    PREAMBLE_MSB + 1: 0x08,
    PAYLOAD_LENGTH: 0x01,
    MAX_PAYLOAD_LENGTH: 0xFF,
    MODEM_CONFIG_3: 0x04,
    IF_FREQ_2: 0x20,
    DETECT_OPTIMIZE: 0xC3,  # errata 2.3: AutomaticIFOn is set after a reset
    INVERT_IQ: 0x27,
    HIGH_BW_1: 0x03,
    DETECTION_THRESHOLD: 0x0A,
    SYNC_WORD: 0x12,
    HIGH_BW_2: 0x65,
    INVERT_IQ_2: 0x1D,
}
FSK_RESET = {FSK_IMAGE_CAL: 0x82}

READ_ONLY = frozenset(
    {VERSION, FIFO_RX_CURRENT, PKT_SNR, PKT_RSSI, RSSI, HOP_CHANNEL, MODEM_STAT, FIFO_RX_BYTE_ADDR, RSSI_WIDEBAND}
    | set(range(RX_NB_BYTES, MODEM_STAT))
)
DYNAMIC = frozenset({FIFO, OP_MODE, FIFO_ADDR_PTR, IRQ_FLAGS_MASK, IRQ_FLAGS, DIO_MAPPING_1, DIO_MAPPING_2})
"""May be written in every mode (except the FIFO, which sleep takes away)."""

BANDWIDTHS_HZ = {7: 125_000, 8: 250_000, 9: 500_000}  # RegModemConfig1, those that LoRaWAN uses
PA_RAMP_US = (3400, 2000, 1000, 500, 250, 125, 100, 62, 50, 40, 31, 25, 20, 15, 12, 10)  # RegPaRamp
HF_FROM_HZ = 779_000_000
LF_TO_HZ = 525_000_000
BANDS_HZ = ((137_000_000, 175_000_000), (410_000_000, 525_000_000), (862_000_000, 1_020_000_000))  # table 32, SX1276

# Times
POWER_ON_US = 10_000  # 7.2.1
RESET_US = 5_000
OSCILLATOR_US = 250  # TS_OSC (table 7)
SYNTHESIS_US = 60  # TS_FS
TRANSMITTER_US = 120  # TS_TR
RECEIVER_US = 71  # TS_RE, at 125 kHz
CALIBRATION_US = 9_000  # 2.1.3.8: "less than 10 ms"
