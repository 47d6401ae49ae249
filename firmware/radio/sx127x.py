"""SX1276, SX1277, SX1278, SX1279 over SPI: LoRa as LoRaWAN needs it (Semtech data sheet DS_SX1276-7-8-9, Rev. 7).

Between two calls the radio sleeps with its registers kept. The order of an exchange is in `transceiver.py`.

A receive window is RX single with the chip's own time-out in symbols; windows beyond 1023 symbols (an error budget
beyond 120 ms at 500 kHz) are continuous reception that we end ourselves. Only DIO0 is needed, for the instant of
TxDone; DIO1 shows RxTimeout, for those who look at it.

Silicon: errata note SX1276/77/78 Rev. 1.1, 2.1 (sensitivity at 500 kHz) and 2.3 (spurious reception); bit 0 of
RegInvertIQ means the opposite of what the data sheet says, and register 0x3B belongs to it (both as in LoRaMac-node).

Not used: FSK except for calibration, SF6 (it needs implicit headers, LoRaWAN has explicit ones), frequency hopping.
"""

from .errors import OscillatorFailed, RadioSilent
from .port import Heard
from .sx127x_bus import RegisterBus
from .transceiver import Transceiver

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


# Registers (tables 41 and 42; section 6.4 for LoRa)
_REG_OP_MODE = const(0x01)
_REG_FRF = const(0x06)
_REG_PA_CONFIG = const(0x09)
_REG_OCP = const(0x0B)
_REG_LNA = const(0x0C)
_REG_FIFO_TX_BASE = const(0x0E)
_REG_FIFO_RX_BASE = const(0x0F)
_REG_FIFO_RX_CURRENT = const(0x10)
_REG_IRQ_FLAGS = const(0x12)
_REG_RX_BYTES = const(0x13)
_REG_MODEM_STAT = const(0x18)
_REG_PACKET_SNR = const(0x19)
_REG_PACKET_RSSI = const(0x1A)
_REG_RSSI = const(0x1B)
_REG_MODEM_CONFIG_1 = const(0x1D)
_REG_MODEM_CONFIG_2 = const(0x1E)
_REG_SYMBOL_TIMEOUT = const(0x1F)
_REG_PAYLOAD_LENGTH = const(0x22)
_REG_MODEM_CONFIG_3 = const(0x26)
_REG_RSSI_WIDEBAND = const(0x2C)
_REG_IF_FREQ_2 = const(0x2F)
_REG_IF_FREQ_1 = const(0x30)
_REG_DETECT_OPTIMIZE = const(0x31)
_REG_INVERT_IQ = const(0x33)
_REG_HIGH_BW_1 = const(0x36)
_REG_SYNC_WORD = const(0x39)
_REG_HIGH_BW_2 = const(0x3A)
_REG_INVERT_IQ_2 = const(0x3B)
_REG_IMAGE_CAL = const(0x3B)  # FSK page
_REG_DIO_MAPPING_1 = const(0x40)
_REG_VERSION = const(0x42)
_REG_TCXO = const(0x4B)
_REG_PA_DAC = const(0x4D)

# RegOpMode
_LORA = const(0x80)
_LOW_FREQUENCY = const(0x08)
_SLEEP = const(0)
_STANDBY = const(1)
_TX = const(3)
_RX_CONTINUOUS = const(5)
_RX_SINGLE = const(6)

# RegIrqFlags; the highest is ours: the receiver follows a preamble
_IRQ_TIMEOUT = const(0x80)
_IRQ_RX_DONE = const(0x40)
_IRQ_CRC_ERROR = const(0x20)
_IRQ_HEADER = const(0x10)
_IRQ_TX_DONE = const(0x08)
_IRQ_END = const(0xE8)
_IRQ_BEGUN = const(0x100)
_STAT_SIGNAL = const(0x0B)  # RegModemStat: detected, synchronised, header

_DIO0_TX_DONE = const(0x40)  # table 18
_DIO0_RX_DONE = const(0x00)  # ... and DIO1 RxTimeout

_VERSION = const(0x12)
_SYNC_WORD = const(0x34)  # LoRaWAN's
_TCXO_INPUT = const(0x19)
_LNA_BOOST_HF = const(0x23)
_LNA_LF = const(0x20)  # its boost does nothing there
_IMAGE_CAL_START = const(0x42)  # and no automatic one at a bad moment
_IMAGE_CAL_RUNNING = const(0x20)
_IMAGE_CAL_PATIENCE_MS = const(20)  # 2.1.3.8: less than 10 ms
_AGC_ON = const(0x04)
_OPTIMIZE_ON = const(0x08)
_SYMBOLS_MIN = const(4)  # section 4.1.5
_SYMBOLS_MAX = const(1023)
_HF_FROM_HZ = const(779_000_000)  # table 32; below 525 MHz the other port

_FIRST_HZ = const(868_300_000)  # until the first exchange: for calibration and `random_u32`
_FIRST_LF_HZ = const(433_175_000)  # SX1278 has no other port

_PA_BOOST = const(0x80)
_MAX_POWER_15_DBM = const(0x70)  # RFO: 10.8 + 0.6 * 7
_PA_DAC_NORMAL = const(0x84)
_PA_DAC_20_DBM = const(0x87)  # section 3.4.3; only for PA_BOOST, 1 % of the time
_OCP_100_MA = const(0x2B)  # PA_BOOST at 17 dBm takes 87 mA (table 6)
_OCP_140_MA = const(0x31)  # ... at 20 dBm 120 mA; section 3.4.4

_OSCILLATOR_US = const(300)  # TS_OSC 250 us (table 7)
_FS_TO_TX_US = const(220)  # TS_FS 60 us, TS_TR 120 us (table 7), ramp 40 us
_FS_TO_RX_US = const(500)  # RegOpMode over SPI, TS_FS and TS_RE


class SX1276(Transceiver, RegisterBus):
    """One radio. `spi` and pins as in `machine`; `clock` as the node's; `radio_facts`: RADIO of the board's facts.

    Beside what all radios have, the facts say `pa_boost` (the antenna hangs on PA_BOOST, not on RFO) and `tcxo_input`
    (the clock comes from a TCXO at XTA).
    """

    _TX_START_US = _FS_TO_TX_US
    _RX_START_US = _FS_TO_RX_US
    _SENT = _IRQ_TX_DONE
    _BEGUN = _IRQ_BEGUN
    _HEADER = _IRQ_HEADER
    _FRAME = _IRQ_RX_DONE
    _SPOILT = _IRQ_CRC_ERROR
    _OVER = _IRQ_END

    def __init__(self, spi, cs, dio0, reset, clock, radio_facts):
        Transceiver.__init__(self, clock, radio_facts)
        RegisterBus.__init__(self, spi, cs)
        self._dio0 = dio0
        self._reset = reset
        self._port_bits = -1  # of RegOpMode, for the port that the frequency needs
        self._single = False

    # The port

    def start(self):
        """Reset and set up; raises `RadioError`."""
        self._cs.value(1)
        self._reset.value(0)
        self._clock.sleep_ms(1)
        self._reset.value(1)
        self._clock.sleep_ms(6)  # 7.2.2: 5 ms
        self._asleep = False
        self._port_bits = -1
        if self._read(_REG_VERSION) != _VERSION:
            raise RadioSilent("SX127x does not answer on SPI")
        self._write(_REG_OP_MODE, _SLEEP)
        if self._facts.get("tcxo_input"):
            self._write(_REG_TCXO, _TCXO_INPUT)
        self._write(_REG_OP_MODE, _LORA | _SLEEP)  # the modem can be chosen in sleep only
        self._write(_REG_SYNC_WORD, _SYNC_WORD)
        self._write(_REG_FIFO_TX_BASE, 0)
        self._write(_REG_FIFO_RX_BASE, 0)
        self._dio0.irq(self._on_done, self._dio0.IRQ_RISING)
        self._tune(_FIRST_LF_HZ if self._facts["chip"] == "sx1278" else _FIRST_HZ, 7, 125_000, 255, 0, 1)
        self.sleep()

    def sleep(self):
        """Sleep with the registers kept; 0.2 uA instead of 1.6 mA."""
        if not self._asleep:
            self._write(_REG_OP_MODE, _LORA | _SLEEP)
            self._asleep = True

    def random_u32(self):
        """32 bits of receiver noise, at the frequency used last (Semtech AN1200.24)."""
        self._wake()
        self._ready()
        self._receive(0, 0)
        number = 0
        for _ in range(32):
            self._clock.sleep_ms(1)
            number = number << 1 | self._read(_REG_RSSI_WIDEBAND) & 1
        self.sleep()
        return number

    # Transmitting

    def _set_power(self, power_dbm):
        """Section 3.4.2: OutputPower counts from the maximum of the amplifier that is used."""
        dac, limit = _PA_DAC_NORMAL, _OCP_100_MA
        if not self._facts["pa_boost"]:
            if power_dbm < 0:
                config = max(power_dbm, -4) + 4  # MaxPower 0: 10.8 dBm - 15 dB + OutputPower
            else:
                config = _MAX_POWER_15_DBM | min(power_dbm, 14)
        elif power_dbm <= 17:
            config = _PA_BOOST | max(power_dbm, 2) - 2
        else:
            config = _PA_BOOST | min(power_dbm, 20) - 5
            dac, limit = _PA_DAC_20_DBM, _OCP_140_MA
        self._write(_REG_PA_DAC, dac)
        self._write(_REG_OCP, limit)
        self._write(_REG_PA_CONFIG, config)

    def _send(self, _patience_ms):
        """The chip has no time-out of its own here; `transmit` watches."""
        self._clear_irq()
        self._write(_REG_DIO_MAPPING_1, _DIO0_TX_DONE)
        self._mode(_TX)

    # Receiving

    def _receive(self, length_us, symbol_us):
        self._clear_irq()
        self._write(_REG_DIO_MAPPING_1, _DIO0_RX_DONE)
        symbols = max(-(-length_us // symbol_us), _SYMBOLS_MIN) if length_us else 0
        self._single = 0 < symbols <= _SYMBOLS_MAX
        if self._single:
            self._write(_REG_MODEM_CONFIG_2, self._read(_REG_MODEM_CONFIG_2) & 0xFC | symbols >> 8)
            self._write(_REG_SYMBOL_TIMEOUT, symbols & 0xFF)
            self._mode(_RX_SINGLE)
        else:
            self._mode(_RX_CONTINUOUS)

    def _irq(self):
        irq = self._read(_REG_IRQ_FLAGS)
        # A single reception ends by itself when no preamble comes; a continuous one shows what it follows.
        if self._single or self._read(_REG_MODEM_STAT) & _STAT_SIGNAL:
            irq |= _IRQ_BEGUN
        return irq

    def _clear_irq(self):
        self._write(_REG_IRQ_FLAGS, 0xFF)

    def _rssi_dbm(self):
        return self._read(_REG_RSSI) - (164 if self._port_bits else 157)  # section 5.5.5

    def _read_frame(self, number):
        snr_db_x4 = self._read(_REG_PACKET_SNR)
        rssi_dbm = self._read(_REG_PACKET_RSSI)
        # Section 5.5.5: below the noise the register shows noise and signal together, above it the slope is corrected.
        if snr_db_x4 > 127:
            snr_db_x4 -= 256
            rssi_dbm += (snr_db_x4 + 2) // 4
        else:
            rssi_dbm = (16 * rssi_dbm + 7) // 15
        rssi_dbm -= 164 if self._port_bits else 157
        frame = self._read_buffer(self._read(_REG_FIFO_RX_CURRENT), self._read(_REG_RX_BYTES))
        return Heard(frame, rssi_dbm, snr_db_x4, number)

    # Settings

    def _tune(self, freq_hz, sf, bw_hz, length, crc, inverted):
        """Frequency, modulation, packet, polarity, and the remedies of errata 2.1 and 2.3."""
        port_bits = 0 if freq_hz >= _HF_FROM_HZ else _LOW_FREQUENCY
        if port_bits != self._port_bits:
            self._calibrate(freq_hz, port_bits)
        self._set_frequency(freq_hz)
        bandwidth = bw_hz // 125_000  # 1, 2, 4: codes 7, 8, 9
        self._write(_REG_MODEM_CONFIG_1, (7 + bandwidth // 2) << 4 | 1 << 1)  # coding rate 4/5, explicit header
        self._write(_REG_MODEM_CONFIG_2, sf << 4 | crc << 2)
        optimise = (1 << sf) * 1_000 // (bw_hz // 1_000) >= 16_000
        self._write(_REG_MODEM_CONFIG_3, _AGC_ON | (_OPTIMIZE_ON if optimise else 0))
        self._write(_REG_PAYLOAD_LENGTH, length)
        self._write(_REG_INVERT_IQ, 0x67 if inverted else 0x27)
        self._write(_REG_INVERT_IQ_2, 0x19 if inverted else 0x1D)
        if bandwidth == 4:
            self._write(_REG_HIGH_BW_1, 0x02)
            self._write(_REG_HIGH_BW_2, 0x7F if port_bits else 0x64)
            self._write(_REG_DETECT_OPTIMIZE, 0xC3)
        else:
            self._write(_REG_HIGH_BW_1, 0x03)
            self._write(_REG_DETECT_OPTIMIZE, 0x43)
            self._write(_REG_IF_FREQ_2, 0x40)
            self._write(_REG_IF_FREQ_1, 0x00)

    def _set_frequency(self, freq_hz):
        # freq * 2^19 / 32 MHz = freq * 2^8 / 15625, in two parts so that no product exceeds 30 bits.
        steps = (freq_hz // 15_625) * 256 + ((freq_hz % 15_625) * 256 + 7_812) // 15_625
        self._write(_REG_FRF, steps >> 16)
        self._write(_REG_FRF + 1, (steps >> 8) & 0xFF)
        self._write(_REG_FRF + 2, steps & 0xFF)

    def _calibrate(self, freq_hz, port_bits):
        """Image and RSSI calibration at a frequency of this port (2.1.3.8): in standby of the FSK modem."""
        self._port_bits = port_bits
        self._write(_REG_OP_MODE, _LORA | _SLEEP)
        self._write(_REG_OP_MODE, port_bits | _SLEEP)
        self._write(_REG_OP_MODE, port_bits | _STANDBY)
        self._clock.sleep_us(_OSCILLATOR_US)
        self._write(_REG_LNA, _LNA_LF if port_bits else _LNA_BOOST_HF)
        self._set_frequency(freq_hz)
        self._write(_REG_IMAGE_CAL, _IMAGE_CAL_START)
        for _ in range(_IMAGE_CAL_PATIENCE_MS):
            self._clock.sleep_ms(1)
            if not self._read(_REG_IMAGE_CAL) & _IMAGE_CAL_RUNNING:
                break
        else:
            raise OscillatorFailed("image calibration does not end; TCXO in the board facts?")
        self._write(_REG_OP_MODE, port_bits | _SLEEP)
        self._write(_REG_OP_MODE, _LORA | port_bits | _SLEEP)
        self._ready()
        self._clock.sleep_us(_OSCILLATOR_US)

    # Modes

    def _mode(self, mode):
        self._write(_REG_OP_MODE, _LORA | max(self._port_bits, 0) | mode)

    def _wake(self):
        if self._asleep:
            self._asleep = False
            self._mode(_STANDBY)
            self._clock.sleep_us(_OSCILLATOR_US)

    def _ready(self):
        """Standby; it keeps the clock running."""
        self._mode(_STANDBY)


SX1277 = SX1278 = SX1279 = SX1276
"""The same registers; they differ in bands and spreading factors."""
