"""SX1261, SX1262, SX1268 over SPI: LoRa as LoRaWAN needs it (Semtech data sheet DS.SX1261-2.W.APP Rev 2.1).

Between two calls the radio sleeps with its settings kept. An exchange:

    wake, TCXO on, SetTx .. TxDone, standby .. TCXO on, SetRx at RX1 .. [RxDone | Timeout] .. SetRx at RX2 .. sleep

The end of the transmission, from which both windows count, is computed: instant of SetTx + switching time + ramp + time
on air. The interrupt of TxDone may only correct it to an earlier instant, because a handler can be late, never early.
Garbage is collected while the chip transmits, and before both windows are closed again only if the heap is full.

Not used: FSK, LR-FHSS, implicit header (so erratum 15.3 does not apply), SetLoRaSymbNumTimeout (it cannot count beyond
63 symbols exactly; the 24-bit timer, stopped by a preamble, can).
"""

from .port import Heard
from .sx126x_bus import CommandBus
from .transceiver import Transceiver

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


# Commands (tables 11-1 to 11-5)
_SET_SLEEP = const(0x84)
_SET_STANDBY = const(0x80)
_SET_TX = const(0x83)
_SET_RX = const(0x82)
_STOP_TIMER_ON_PREAMBLE = const(0x9F)
_SET_REGULATOR_MODE = const(0x96)
_CALIBRATE = const(0x89)
_CALIBRATE_IMAGE = const(0x98)
_SET_PA_CONFIG = const(0x95)
_SET_DIO_IRQ_PARAMS = const(0x08)
_CLEAR_IRQ_STATUS = const(0x02)
_GET_IRQ_STATUS = const(0x12)
_SET_DIO2_AS_RF_SWITCH = const(0x9D)
_SET_DIO3_AS_TCXO = const(0x97)
_SET_RF_FREQUENCY = const(0x86)
_SET_PACKET_TYPE = const(0x8A)
_SET_TX_PARAMS = const(0x8E)
_SET_MODULATION_PARAMS = const(0x8B)
_SET_PACKET_PARAMS = const(0x8C)
_SET_BUFFER_BASE = const(0x8F)
_GET_RX_BUFFER_STATUS = const(0x13)
_GET_PACKET_STATUS = const(0x14)
_GET_RSSI_INST = const(0x15)
_GET_DEVICE_ERRORS = const(0x17)
_CLEAR_DEVICE_ERRORS = const(0x07)

# Registers (table 12-1, chapter 15)
_REG_IQ_POLARITY = const(0x0736)
_REG_SYNC_WORD = const(0x0740)
_REG_RANDOM = const(0x0819)
_REG_TX_MODULATION = const(0x0889)
_REG_RX_GAIN = const(0x08AC)
_REG_TX_CLAMP = const(0x08D8)
_SYNC_WORD_MSB = const(0x34)  # LoRaWAN's 0x34
_SYNC_WORD_LSB = const(0x44)
_RX_GAIN_BOOSTED = const(0x96)  # section 9.6

# Interrupts (table 13-29)
_IRQ_TX_DONE = const(0x001)
_IRQ_RX_DONE = const(0x002)
_IRQ_PREAMBLE = const(0x004)
_IRQ_HEADER = const(0x010)
_IRQ_HEADER_ERR = const(0x020)
_IRQ_CRC_ERR = const(0x040)
_IRQ_TIMEOUT = const(0x200)
_IRQ_ALL = const(0x3FF)
_IRQ_END = const(0x263)  # TxDone, RxDone, HeaderErr, CrcErr, Timeout

_STANDBY_RC = const(0)
_STANDBY_XOSC = const(1)
_SLEEP_WARM = const(0x04)
_PACKET_LORA = const(1)
_RX_CONTINUOUS = const(0xFFFFFF)  # 13.1.5
_CALIBRATE_ALL = const(0x7F)
_XOSC_START_ERR = const(0x20)

_RAMP_40_US = const(2)  # table 13-41
_XOSC_TO_TX_US = const(145)  # table 8-2: 105 us, and the ramp
_SLEEP_ENTRY_US = const(600)  # 13.1.1: 500 us before it may be woken
_XOSC_TO_RX_US = const(500)  # SetRx over SPI and 62 us of switching (table 8-2)

# Maximum in dBm, then paDutyCycle and hpMax of SetPaConfig for SX1262 (table 13-21); the least that does saves most.
_PA_SETTINGS = ((14, b"\x02\x02"), (17, b"\x02\x03"), (20, b"\x03\x05"), (22, b"\x04\x07"))
# Millivolts of table 13-35.
_TCXO_MV = (1600, 1700, 1800, 2200, 2400, 2700, 3000, 3300)
# Image calibration (table 9-2): up to MHz, then the bytes freq1 and freq2.
_IMAGE_BANDS = (
    (446, b"\x6b\x6f"),
    (734, b"\x75\x81"),
    (828, b"\xc1\xc5"),
    (877, b"\xd7\xdb"),
    (1100, b"\xe1\xe9"),
)
_BANDWIDTH_CODES = {125_000: 4, 250_000: 5, 500_000: 6}  # table 13-48
_FIRST_HZ = const(868_300_000)  # until the first exchange, for `random_u32`


class SX1262(Transceiver, CommandBus):
    """One radio. `spi` and pins as in `machine`; `clock` as the node's; `radio_facts`: RADIO of the board's facts."""

    _TX_START_US = _XOSC_TO_TX_US
    _RX_START_US = _XOSC_TO_RX_US
    _SENT = _IRQ_TX_DONE
    _FAILED = _IRQ_TIMEOUT
    _BEGUN = _IRQ_PREAMBLE | _IRQ_HEADER
    _HEADER = _IRQ_HEADER
    _FRAME = _IRQ_RX_DONE
    _SPOILT = _IRQ_CRC_ERR | _IRQ_HEADER_ERR
    _OVER = _IRQ_END

    def __init__(self, spi, cs, busy, dio1, reset, clock, radio_facts):
        Transceiver.__init__(self, clock, radio_facts)
        CommandBus.__init__(self, spi, cs, busy, clock)
        self._dio1 = dio1
        self._reset = reset
        self._image_band = -1

    # The port

    def start(self):
        """Reset and set up (section 14.1); raises `RadioError`."""
        self._cs.value(1)
        self._reset.value(0)
        self._clock.sleep_ms(1)
        self._reset.value(1)
        self._clock.sleep_ms(5)
        self._asleep = False
        self._image_band = -1
        facts = self._facts
        self._set(_SET_STANDBY, 1, _STANDBY_RC)
        self._write_register(_REG_SYNC_WORD, _SYNC_WORD_MSB)
        self._write_register(_REG_SYNC_WORD + 1, _SYNC_WORD_LSB)
        if self._read_register(_REG_SYNC_WORD) != _SYNC_WORD_MSB:
            from .errors import RadioSilent  # here and below: loaded only by a node that needs them

            raise RadioSilent("SX126x does not answer on SPI")
        self._set(_SET_REGULATOR_MODE, 1, 1 if facts["dcdc"] else 0)
        if facts["tcxo_mv"]:
            # Without its TCXO the chip could not start its clock at power-on; that error is expected (13.3.6).
            delay = facts["tcxo_start_us"] * 64 // 1000  # steps of 15.625 us
            code = _TCXO_MV.index(facts["tcxo_mv"])
            self._set(_SET_DIO3_AS_TCXO, 4, code, delay >> 16, (delay >> 8) & 0xFF, delay & 0xFF)
        self._set(_CLEAR_DEVICE_ERRORS, 2)
        self._set(_CALIBRATE, 1, _CALIBRATE_ALL)
        self._ready()
        if self._get(_GET_DEVICE_ERRORS, 2) & _XOSC_START_ERR:
            from .errors import OscillatorFailed

            raise OscillatorFailed("32 MHz clock does not start; TCXO in the board facts: %s mV" % facts["tcxo_mv"])
        self._set(_SET_DIO2_AS_RF_SWITCH, 1, 1 if facts["dio2_rf_switch"] else 0)
        self._set(_SET_PACKET_TYPE, 1, _PACKET_LORA)
        self._set(_SET_BUFFER_BASE, 2, 0, 0)
        self._set(_STOP_TIMER_ON_PREAMBLE, 1, 1)
        irq, dio1 = _IRQ_ALL, _IRQ_END
        self._set(_SET_DIO_IRQ_PARAMS, 8, irq >> 8, irq & 0xFF, dio1 >> 8, dio1 & 0xFF)
        self._after_cold_start()
        self._dio1.irq(self._on_done, self._dio1.IRQ_RISING)
        self._tune(_FIRST_HZ, 7, 125_000, 255, 0, 1)
        self.sleep()

    def sleep(self):
        """Sleep with the settings kept (section 9.3); 600 nA instead of 600 uA."""
        if not self._asleep:
            self._set(_SET_STANDBY, 1, _STANDBY_RC)
            self._set(_SET_SLEEP, 1, _SLEEP_WARM)
            self._asleep = True
            self._clock.sleep_us(_SLEEP_ENTRY_US)

    def random_u32(self):
        """32 bits of receiver noise (section 6.1.5)."""
        self._wake()
        self._ready()
        self._receive(0, 0)
        self._clock.sleep_ms(1)
        number = 0
        for i in range(4):
            number = number << 8 | self._read_register(_REG_RANDOM + i)
        self.sleep()
        return number

    # Receiving

    def _receive(self, length_us, _symbol_us):
        """SetRx; the timer counts steps of 15.625 us and stops at a preamble."""
        self._clear_irq()
        timer = length_us * 8 // 125 if length_us else _RX_CONTINUOUS
        self._set(_SET_RX, 3, timer >> 16, (timer >> 8) & 0xFF, timer & 0xFF)

    def _rssi_dbm(self):
        return -(self._get(_GET_RSSI_INST, 1) >> 1)

    def _read_frame(self, number):
        status = self._get(_GET_RX_BUFFER_STATUS, 2)
        length = status >> 8
        levels = self._get(_GET_PACKET_STATUS, 3)
        frame = self._read_buffer(status & 0xFF, length)
        snr_db_x4 = (levels >> 8) & 0xFF
        if snr_db_x4 > 127:
            snr_db_x4 -= 256
        return Heard(frame, -(levels >> 17), snr_db_x4, number)

    # Settings

    def _after_cold_start(self):
        """Registers that are lost in a cold start; written also after a warm one, at little cost."""
        self._write_register(_REG_RX_GAIN, _RX_GAIN_BOOSTED)
        # Erratum 15.2: the clamp of the power amplifier is too tight for a mismatched antenna.
        self._write_register(_REG_TX_CLAMP, self._read_register(_REG_TX_CLAMP) | 0x1E)

    def _tune(self, freq_hz, sf, bw_hz, length, crc, inverted):
        """Frequency, modulation, packet, and the remedies of errata 15.1 and 15.4."""
        mhz = freq_hz // 1_000_000
        band = 0
        while mhz > _IMAGE_BANDS[band][0]:
            band += 1
        if self._image_band != band:
            edges = _IMAGE_BANDS[band][1]
            self._set(_CALIBRATE_IMAGE, 2, edges[0], edges[1])
            self._image_band = band
        # freq * 2^25 / 32 MHz = freq * 2^14 / 15625, in two parts so that no product exceeds 30 bits.
        steps = (freq_hz // 15_625) * 16_384 + ((freq_hz % 15_625) * 16_384 + 7_812) // 15_625
        self._set(_SET_RF_FREQUENCY, 4, steps >> 24, (steps >> 16) & 0xFF, (steps >> 8) & 0xFF, steps & 0xFF)
        optimise = (1 << sf) * 1_000 // (bw_hz // 1_000) >= 16_000
        self._set(_SET_MODULATION_PARAMS, 4, sf, _BANDWIDTH_CODES[bw_hz], 1, 1 if optimise else 0)
        preamble = 12 if sf < 7 else 8
        self._set(_SET_PACKET_PARAMS, 6, 0, preamble, 0, length, crc, inverted)
        self._change_bit(_REG_IQ_POLARITY, 0x04, not inverted)
        self._change_bit(_REG_TX_MODULATION, 0x04, bw_hz != 500_000)

    # Transmitting

    def _set_power(self, power_dbm):
        power_dbm = max(-9, power_dbm)
        setting = 0
        while power_dbm > _PA_SETTINGS[setting][0]:
            setting += 1
        limit_dbm, amplifier = _PA_SETTINGS[setting]
        self._set(_SET_PA_CONFIG, 4, amplifier[0], amplifier[1], 0, 1)
        self._set(_SET_TX_PARAMS, 2, (power_dbm + 22 - limit_dbm) & 0xFF, _RAMP_40_US)

    def _send(self, patience_ms):
        self._clear_irq()
        patience = patience_ms * 64
        self._set(_SET_TX, 3, patience >> 16, (patience >> 8) & 0xFF, patience & 0xFF)

    # Bus

    def _wake(self):
        if self._asleep:
            self._nudge()
            self._asleep = False
            self._after_cold_start()

    def _ready(self):
        """Standby with the 32 MHz clock running, so that transmitting and receiving start at once."""
        self._set(_SET_STANDBY, 1, _STANDBY_XOSC)
        if self._facts["tcxo_mv"]:
            self._clock.sleep_us(self._facts["tcxo_start_us"])

    def _irq(self):
        return self._get(_GET_IRQ_STATUS, 2)

    def _clear_irq(self):
        self._set(_CLEAR_IRQ_STATUS, 2, _IRQ_ALL >> 8, _IRQ_ALL & 0xFF)
