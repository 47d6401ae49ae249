"""Tables of the SX1262 data sheet: commands, interrupts, registers, times."""

from __future__ import annotations

from enum import Enum, IntFlag
from typing import NamedTuple


class Mode(Enum):
    """Operating modes (chapter 9); the value is the code in the status byte (table 13-76)."""

    SLEEP = 0
    STDBY_RC = 2
    STDBY_XOSC = 3
    FS = 4
    RX = 5
    TX = 6


class Irq(IntFlag):
    """Interrupts (table 13-29)."""

    TX_DONE = 1 << 0
    RX_DONE = 1 << 1
    PREAMBLE_DETECTED = 1 << 2
    SYNC_WORD_VALID = 1 << 3
    HEADER_VALID = 1 << 4
    HEADER_ERR = 1 << 5
    CRC_ERR = 1 << 6
    CAD_DONE = 1 << 7
    CAD_DETECTED = 1 << 8
    TIMEOUT = 1 << 9


class DeviceError(IntFlag):
    """Device errors (table 13-86)."""

    RC64K_CALIB = 1 << 0
    RC13M_CALIB = 1 << 1
    PLL_CALIB = 1 << 2
    ADC_CALIB = 1 << 3
    IMG_CALIB = 1 << 4
    XOSC_START = 1 << 5
    PLL_LOCK = 1 << 6
    PA_RAMP = 1 << 8


class Command(NamedTuple):
    """One command: its name, how many argument bytes a write has, and in which modes it is allowed."""

    name: str
    arguments: range
    modes: frozenset[Mode]


STANDBY = frozenset({Mode.STDBY_RC, Mode.STDBY_XOSC})
SETTABLE = STANDBY | {Mode.FS}
AWAKE = frozenset(Mode) - {Mode.SLEEP}
RC_ONLY = frozenset({Mode.STDBY_RC})


def _exactly(count: int) -> range:
    return range(count, count + 1)


SET_COMMANDS = {
    # Operating modes (table 11-1)
    0x84: Command("SetSleep", _exactly(1), STANDBY),  # 13.1.1: only from standby
    0x80: Command("SetStandby", _exactly(1), AWAKE),
    0xC1: Command("SetFs", _exactly(0), AWAKE),
    0x83: Command("SetTx", _exactly(3), SETTABLE),
    0x82: Command("SetRx", _exactly(3), SETTABLE),
    0x9F: Command("StopTimerOnPreamble", _exactly(1), SETTABLE),
    0xC5: Command("SetCad", _exactly(0), SETTABLE),
    0x96: Command("SetRegulatorMode", _exactly(1), RC_ONLY),  # 13.1.11
    0x89: Command("Calibrate", _exactly(1), RC_ONLY),  # 13.1.12
    0x98: Command("CalibrateImage", _exactly(2), SETTABLE),
    0x95: Command("SetPaConfig", _exactly(4), SETTABLE),
    0x93: Command("SetRxTxFallbackMode", _exactly(1), SETTABLE),
    # Registers and interrupts (tables 11-2, 11-3)
    0x08: Command("SetDioIrqParams", _exactly(8), AWAKE),
    0x02: Command("ClearIrqStatus", _exactly(2), AWAKE),
    0x9D: Command("SetDIO2AsRfSwitchCtrl", _exactly(1), SETTABLE),
    0x97: Command("SetDIO3AsTCXOCtrl", _exactly(4), RC_ONLY),  # 13.3.6
    # RF, modulation, packet (table 11-4)
    0x86: Command("SetRfFrequency", _exactly(4), SETTABLE),
    0x8A: Command("SetPacketType", _exactly(1), STANDBY),
    0x8E: Command("SetTxParams", _exactly(2), SETTABLE),
    0x8B: Command("SetModulationParams", range(4, 9), SETTABLE),
    0x8C: Command("SetPacketParams", range(6, 10), SETTABLE),
    0x88: Command("SetCadParams", _exactly(7), SETTABLE),
    0x8F: Command("SetBufferBaseAddress", _exactly(2), SETTABLE),
    0xA0: Command("SetLoRaSymbNumTimeout", _exactly(1), SETTABLE),
    # Errors and statistics (table 11-5)
    0x07: Command("ClearDeviceErrors", _exactly(2), AWAKE),
    0x00: Command("ResetStats", _exactly(6), AWAKE),
}

GET_COMMANDS = {
    0x12: "GetIrqStatus",
    0x11: "GetPacketType",
    0xC0: "GetStatus",
    0x15: "GetRssiInst",
    0x13: "GetRxBufferStatus",
    0x14: "GetPacketStatus",
    0x17: "GetDeviceErrors",
    0x10: "GetStats",
}

WRITE_REGISTER, READ_REGISTER, WRITE_BUFFER, READ_BUFFER = 0x0D, 0x1D, 0x0E, 0x1E

# Registers (table 12-1 and chapter 15), with their values after reset
REG_SYMBOL_TIMEOUT = 0x0706
REG_IQ_POLARITY = 0x0736  # 15.4: bit 2 is to be 0 with inverted IQ, 1 otherwise
REG_SYNC_WORD_MSB, REG_SYNC_WORD_LSB = 0x0740, 0x0741
REG_RANDOM_0, REG_RANDOM_3 = 0x0819, 0x081C
REG_TX_MODULATION = 0x0889  # 15.1: bit 2 is to be 0 for LoRa at 500 kHz, 1 otherwise
REG_RX_GAIN = 0x08AC
REG_TX_CLAMP = 0x08D8  # 15.2: bits 4..1 are to be 1 on SX1262
REG_OCP = 0x08E7
REG_XTA_TRIM, REG_XTB_TRIM = 0x0911, 0x0912
RESET_REGISTERS = {
    REG_IQ_POLARITY: 0x0D,
    REG_SYNC_WORD_MSB: 0x14,
    REG_SYNC_WORD_LSB: 0x24,
    REG_TX_MODULATION: 0x01,
    REG_RX_GAIN: 0x94,
    REG_TX_CLAMP: 0xC8,
    REG_OCP: 0x18,
    REG_XTA_TRIM: 0x05,
    REG_XTB_TRIM: 0x05,
}

BANDWIDTHS_HZ = {0x04: 125_000, 0x05: 250_000, 0x06: 500_000}  # table 13-48, those that LoRaWAN uses
TCXO_MILLIVOLTS = (1600, 1700, 1800, 2200, 2400, 2700, 3000, 3300)  # table 13-35
PA_RAMP_US = (10, 20, 40, 80, 200, 800, 1700, 3400)  # table 13-41
TIMER_STEP_NS = 15_625  # 13.1.4: time-outs count 15.625 us
RX_CONTINUOUS = 0xFFFFFF

# Switching times (table 8-2), BUSY is high for their length
COMMAND_US = 1
POWER_ON_US = 3_500  # cold start; also after NRESET
WAKE_WARM_US = 340
WAKE_COLD_US = 3_500
CALIBRATE_US = 3_500  # 13.1.12: the whole calibration at most
STANDBY_XOSC_US = 31
TO_FS_US = 50
TO_RX_US = {Mode.STDBY_RC: 83, Mode.STDBY_XOSC: 62, Mode.FS: 41}
TO_TX_US = {Mode.STDBY_RC: 126, Mode.STDBY_XOSC: 105, Mode.FS: 76}
SLEEP_ENTRY_US = 500  # 13.1.1: no wake-up before this has passed
