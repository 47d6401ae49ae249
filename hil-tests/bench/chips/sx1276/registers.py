"""What an SX1276 keeps: two pages of registers, the FIFO, and what they mean to the modem.

What the data sheet forbids raises `ForbiddenUse` here when it is a matter of values; what depends on the instant is
in `chip`.
"""

from __future__ import annotations

from bench.air import lora
from bench.air.transmission import Tuning
from bench.chips.ports import ForbiddenUse
from bench.chips.sx1276 import codes
from bench.chips.sx1276.codes import LONG_RANGE, Irq, Mode


class Registers:
    """Values after reset."""

    def __init__(self) -> None:
        self.common = dict(codes.COMMON_RESET)
        self.lora = dict(codes.LORA_RESET)
        self.fsk = dict(codes.FSK_RESET)
        self.fifo = bytearray(256)

    def page(self, address: int) -> dict[int, int]:
        """The page on which an address lies now (sections 4.4 and 6.4)."""
        if address not in codes.PAGED:
            return self.common
        op_mode = self.common[codes.OP_MODE]
        if op_mode & LONG_RANGE and not op_mode & codes.ACCESS_SHARED:
            return self.lora
        return self.fsk

    def read(self, address: int) -> int:
        """The value that was written or is there after a reset."""
        return self.page(address).get(address, 0)

    @property
    def long_range(self) -> bool:
        """Whether the LoRa modem is chosen."""
        return bool(self.common[codes.OP_MODE] & LONG_RANGE)

    def show_mode(self, mode: Mode) -> None:
        """Let RegOpMode show the mode that the chip has gone into."""
        self.common[codes.OP_MODE] = self.common[codes.OP_MODE] & ~7 | mode.value

    # Interrupts

    @property
    def irq(self) -> Irq:
        """Interrupts that are not masked."""
        return Irq(self.lora.get(codes.IRQ_FLAGS, 0))

    @irq.setter
    def irq(self, flags: Irq) -> None:
        self.lora[codes.IRQ_FLAGS] = int(flags)

    def dio0(self) -> int:
        """Level of DIO0 by table 18."""
        choices = (Irq.RX_DONE, Irq.TX_DONE, Irq.CAD_DONE, Irq(0))
        return int(bool(self.irq & choices[self.common.get(codes.DIO_MAPPING_1, 0) >> 6]))

    def dio1(self) -> int:
        """Level of DIO1 by table 18."""
        choices = (Irq.RX_TIMEOUT, Irq.FHSS_CHANGE_CHANNEL, Irq.CAD_DETECTED, Irq(0))
        return int(bool(self.irq & choices[self.common.get(codes.DIO_MAPPING_1, 0) >> 4 & 3]))

    # Frequency and modem

    @property
    def freq_hz(self) -> int:
        """Frf * 32 MHz / 2^19 (section 4.1.4), to the nearest hertz."""
        frf = int.from_bytes(bytes(self.common[codes.FRF_MSB + place] for place in range(3)), "big")
        return (frf * 32_000_000 + (1 << 18)) >> 19

    @property
    def high_port(self) -> bool:
        """Whether the frequency belongs to the port for high frequencies (table 32)."""
        return self.freq_hz >= codes.HF_FROM_HZ

    @property
    def sf(self) -> int:
        """Spreading factor."""
        return self.lora[codes.MODEM_CONFIG_2] >> 4

    @property
    def bw_hz(self) -> int:
        """Bandwidth."""
        code = self.lora[codes.MODEM_CONFIG_1] >> 4
        if code not in codes.BANDWIDTHS_HZ:
            raise ForbiddenUse(
                f"SX1276: bandwidth code {code}; this model has those of LoRaWAN, 7 to 9 (RegModemConfig1)"
            )
        return codes.BANDWIDTHS_HZ[code]

    @property
    def coding_rate(self) -> int:
        """1..4 for 4/5..4/8."""
        return self.lora[codes.MODEM_CONFIG_1] >> 1 & 7

    @property
    def implicit_header(self) -> bool:
        """Whether frames have no header."""
        return bool(self.lora[codes.MODEM_CONFIG_1] & 1)

    @property
    def crc_on(self) -> bool:
        """Whether what is sent carries a check sum."""
        return bool(self.lora[codes.MODEM_CONFIG_2] & 4)

    @property
    def low_data_rate(self) -> bool:
        """LowDataRateOptimize."""
        return bool(self.lora[codes.MODEM_CONFIG_3] & 8)

    @property
    def preamble(self) -> int:
        """Programmed symbols."""
        return self.lora.get(codes.PREAMBLE_MSB, 0) << 8 | self.lora[codes.PREAMBLE_MSB + 1]

    @property
    def symbol_timeout(self) -> int:
        """Symbols without a preamble after which a single reception gives up."""
        return (self.lora[codes.MODEM_CONFIG_2] & 3) << 8 | self.lora[codes.SYMB_TIMEOUT_LSB]

    @property
    def sends_inverted(self) -> bool:
        """Polarity when sending. Bit 0 of RegInvertIQ is 1 for the normal one, against the data sheet's words."""
        return not self.lora[codes.INVERT_IQ] & 0x01

    @property
    def receives_inverted(self) -> bool:
        """Polarity when receiving."""
        return bool(self.lora[codes.INVERT_IQ] & 0x40)

    def check(self, what: str) -> None:
        """Refuse to send or receive with settings that the data sheet excludes; `what` for the message."""
        op_mode = self.common[codes.OP_MODE]
        if not any(low <= self.freq_hz <= high for low, high in codes.BANDS_HZ):
            raise ForbiddenUse(f"SX1276: {what} at {self.freq_hz} Hz, outside its bands (table 32)")
        if self.high_port == bool(op_mode & codes.LOW_FREQUENCY):
            raise ForbiddenUse(
                f"SX1276: {what} at {self.freq_hz} Hz with the registers of the other port (RegOpMode bit 3)"
            )
        if not 7 <= self.sf <= 12:
            raise ForbiddenUse(
                f"SX1276: {what} with SF{self.sf}; SF6 needs implicit headers (4.1.1.2), others do not exist"
            )
        if not 1 <= self.coding_rate <= 4:
            raise ForbiddenUse(f"SX1276: {what} with coding rate {self.coding_rate} (RegModemConfig1)")
        if self.lora[codes.DETECT_OPTIMIZE] & 7 != 3 or self.lora[codes.DETECTION_THRESHOLD] != 0x0A:
            raise ForbiddenUse(f"SX1276: {what}: detection set for SF6 (registers 31 and 37)")
        if self.low_data_rate != lora.low_data_rate(self.sf, self.bw_hz):
            raise ForbiddenUse(f"SX1276: {what}: LowDataRateOptimize is mandated from 16 ms a symbol on (4.1.1.6)")

    def check_polarity(self, inverted: bool) -> None:
        """Register 3B belongs to the polarity."""
        expected = 0x19 if inverted else 0x1D
        if self.lora[codes.INVERT_IQ_2] != expected:
            raise ForbiddenUse(f"SX1276: RegInvertIQ2 has to be {expected:02x} with this polarity of RegInvertIQ")

    def remarks(self, receiving: bool) -> list[str]:
        """Errata of which the remedy is missing."""
        found = []
        wide = self.bw_hz == 500_000
        expected = (
            0x02 if wide and (self.freq_hz >= 862_000_000 or 410_000_000 <= self.freq_hz <= 525_000_000) else 0x03
        )
        optimised = not wide or self.lora[codes.HIGH_BW_2] == (0x64 if self.high_port else 0x7F)
        if self.lora[codes.HIGH_BW_1] != expected or not optimised:
            found.append("2.1: registers 36 and 3a do not fit the bandwidth")
        automatic = bool(self.lora[codes.DETECT_OPTIMIZE] & 0x80)
        offset = (self.lora[codes.IF_FREQ_2], self.lora.get(codes.IF_FREQ_1, 0))
        if receiving and (automatic != wide or (not wide and offset != (0x40, 0x00))):
            found.append("2.3: bit 7 of register 31 and the registers 2f, 30 do not fit the bandwidth")
        return found

    def tuning(self) -> Tuning:
        """What the receiver can follow now."""
        return Tuning(
            freq_hz=self.freq_hz,
            sf=self.sf,
            bw_hz=self.bw_hz,
            sync_word=self.lora[codes.SYNC_WORD],
            iq_inverted=self.receives_inverted,
            low_data_rate=self.low_data_rate,
            implicit_header=self.implicit_header,
        )

    # Transmitter

    def output_dbm(self) -> tuple[float, bool]:
        """(power at the pin, whether that is PA_BOOST), by RegPaConfig and RegPaDac (3.4.2, 3.4.3)."""
        config, dac = self.common[codes.PA_CONFIG], self.common[codes.PA_DAC]
        boost, output = bool(config & 0x80), config & 0x0F
        if dac not in {0x84, 0x87}:
            raise ForbiddenUse(f"SX1276: RegPaDac {dac:02x}; it is 84, or 87 for +20 dBm (3.4.3)")
        if dac == 0x87:
            if not boost:
                raise ForbiddenUse("SX1276: the high power setting of RegPaDac must be off with RFO (3.4.3)")
            if self.current_limit_ma() is not None and (self.current_limit_ma() or 0) < 120:
                raise ForbiddenUse(f"SX1276: +20 dBm takes 120 mA, RegOcp allows {self.current_limit_ma()} (3.4.4)")
            return float(output + 5), True
        if boost:
            return float(output + 2), True
        return 10.8 + 0.6 * (config >> 4 & 7) - (15 - output), False

    def current_limit_ma(self) -> int | None:
        """Limit of RegOcp (3.4.4); None when it is off."""
        ocp = self.common[codes.OCP]
        trim = ocp & 0x1F
        if not ocp & 0x20:
            return None
        return 45 + 5 * trim if trim <= 15 else min(-30 + 10 * trim, 240)

    def airtime_us(self) -> int:
        """Time on air of the frame that is set up."""
        return lora.airtime_us(
            self.lora[codes.PAYLOAD_LENGTH],
            self.sf,
            self.bw_hz,
            coding_rate=self.coding_rate,
            preamble=self.preamble,
            crc_on=self.crc_on,
            implicit_header=self.implicit_header,
            low_data_rate_on=self.low_data_rate,
        )
