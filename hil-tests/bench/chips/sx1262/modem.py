"""What the argument bytes of the SX1262's radio commands mean: frequency, modulation, packets, power, time-outs."""

from __future__ import annotations

from dataclasses import dataclass

from bench.air import lora
from bench.air.transmission import Tuning
from bench.chips.ports import ForbiddenUse
from bench.chips.sx1262.codes import BANDWIDTHS_HZ, RX_CONTINUOUS, TIMER_STEP_NS

LORA_PACKETS = 0x01


def frequency_hz(arguments: bytes) -> int:
    """RF frequency = value * 32 MHz / 2^25 (13.4.1), to the nearest hertz."""
    value = int.from_bytes(arguments, "big")
    return (value * 32_000_000 + (1 << 24)) >> 25


@dataclass(frozen=True, slots=True)
class Modulation:
    """LoRa modulation parameters (13.4.5.2)."""

    sf: int
    bw_hz: int
    coding_rate: int
    low_data_rate: bool

    @classmethod
    def parse(cls, arguments: bytes) -> Modulation:
        """From the bytes after SetModulationParams."""
        sf, bandwidth, coding_rate, low_data_rate = arguments[:4]
        if not 5 <= sf <= 12 or bandwidth not in BANDWIDTHS_HZ or not 1 <= coding_rate <= 4 or low_data_rate > 1:
            raise ForbiddenUse(
                f"SX1262: SetModulationParams {arguments.hex(' ')} is no LoRa modulation (tables 13-47 to 13-50)"
            )
        return cls(sf, BANDWIDTHS_HZ[bandwidth], coding_rate, bool(low_data_rate))


@dataclass(frozen=True, slots=True)
class Packet:
    """LoRa packet parameters (13.4.6.2)."""

    preamble: int
    implicit_header: bool
    length: int
    crc_on: bool
    iq_inverted: bool

    @classmethod
    def parse(cls, arguments: bytes) -> Packet:
        """From the bytes after SetPacketParams."""
        preamble = int.from_bytes(arguments[:2], "big")
        header, length, crc_on, iq_inverted = arguments[2:6]
        if preamble == 0 or max(header, crc_on, iq_inverted) > 1:
            raise ForbiddenUse(f"SX1262: SetPacketParams {arguments.hex(' ')} are no LoRa packets (table 13-66)")
        return cls(preamble, bool(header), length, bool(crc_on), bool(iq_inverted))


def sync_word(msb: int, lsb: int) -> int:
    """The classic one-byte sync word of the two registers: 0x3444 is 0x34 (table 12-1)."""
    return msb & 0xF0 | lsb >> 4


def tuning(freq_hz: int, modulation: Modulation, packet: Packet, word: int) -> Tuning:
    """What a receiver with these settings can follow."""
    return Tuning(
        freq_hz=freq_hz,
        sf=modulation.sf,
        bw_hz=modulation.bw_hz,
        sync_word=word,
        iq_inverted=packet.iq_inverted,
        low_data_rate=modulation.low_data_rate,
        implicit_header=packet.implicit_header,
    )


def airtime_us(modulation: Modulation, packet: Packet) -> int:
    """Time on air of a packet with these settings."""
    return lora.airtime_us(
        packet.length,
        modulation.sf,
        modulation.bw_hz,
        coding_rate=modulation.coding_rate,
        preamble=packet.preamble,
        crc_on=packet.crc_on,
        implicit_header=packet.implicit_header,
        low_data_rate_on=modulation.low_data_rate,
    )


def timer_us(arguments: bytes) -> int | None:
    """A 24-bit time-out in microseconds; None for the endless ones (13.1.4, 13.1.5)."""
    value = int.from_bytes(arguments, "big")
    return None if value in {0, RX_CONTINUOUS} else value * TIMER_STEP_NS // 1000


def output_dbm(pa_config: bytes, power: int, *, low_power: bool = False) -> int:
    """Power at the pin: the value of SetTxParams counts from the PA's maximum of 22, 20, 17 or 14 dBm (table 13-21).

    `low_power`: the chip is an SX1261, whose amplifier has maxima of 15, 14 or 10 dBm.
    """
    duty_cycle, hp_max, device, lut = pa_config
    if low_power:
        return _low_output_dbm(pa_config, power)
    if device != 0 or lut != 1 or duty_cycle > 4 or hp_max > 7:
        raise ForbiddenUse(f"SX1262: SetPaConfig {pa_config.hex(' ')} endangers the PA (13.1.14: device 0, duty <= 4)")
    if not -9 <= power <= 22:
        raise ForbiddenUse(f"SX1262: {power} dBm, the high-power PA takes -9..22 (13.4.4)")
    maximum = {(4, 7): 22, (3, 5): 20, (2, 3): 17, (2, 2): 14}.get((duty_cycle, hp_max))
    if maximum is None:
        raise ForbiddenUse(f"SX1262: SetPaConfig {pa_config.hex(' ')} is no setting of table 13-21")
    return power - (22 - maximum)


def _low_output_dbm(pa_config: bytes, power: int) -> int:
    duty_cycle, hp_max, device, lut = pa_config
    if device != 1 or lut != 1 or hp_max != 0 or duty_cycle > 7:
        raise ForbiddenUse(f"SX1261: SetPaConfig {pa_config.hex(' ')} endangers the PA (13.1.14: device 1, duty <= 7)")
    if not -17 <= power <= 14:
        raise ForbiddenUse(f"SX1261: {power} dBm, the low-power PA takes -17..14 (13.4.4)")
    maximum = {6: 15, 4: 14, 1: 10}.get(duty_cycle)
    if maximum is None:
        raise ForbiddenUse(f"SX1261: SetPaConfig {pa_config.hex(' ')} is no setting of table 13-21")
    # 15 and 14 dBm are asked for by 14, 10 dBm by 13.
    return power - (13 if maximum == 10 else 14) + maximum


def encode_symbol_timeout(argument: int) -> int:
    """Register 0x0706 after SetLoRaSymbNumTimeout: five bits of mantissa, so numbers above 63 do not fit."""
    mantissa = (argument + 1) >> 1
    exponent = 0
    while argument <= 63 and mantissa > 31:
        mantissa = (mantissa + 3) >> 2
        exponent += 1
    return (mantissa & 0x1F) << 3 | exponent


def symbol_timeout(register: int) -> int:
    """Symbols of register 0x0706: mantissa * 2^(2 * exponent + 1); 0 is no time-out."""
    return (register >> 3) << (2 * (register & 7) + 1)
