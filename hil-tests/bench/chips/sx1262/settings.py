"""All that an SX1262 forgets at a cold start: registers, buffer and the settings made by commands."""

from __future__ import annotations

from collections.abc import Callable

from bench.air.transmission import Tuning
from bench.chips.ports import ForbiddenUse
from bench.chips.sx1262 import codes, modem
from bench.chips.sx1262.codes import DeviceError, Irq, Mode

_FALLBACK_MODES = {0x20: Mode.STDBY_RC, 0x30: Mode.STDBY_XOSC, 0x40: Mode.FS}  # table 13-23


class Settings:
    """Values after reset; `apply` carries out the commands that only change settings."""

    def __init__(self, *, low_power: bool = False) -> None:
        self._low_power = low_power
        self.registers = dict(codes.RESET_REGISTERS)
        self.buffer = bytearray(256)
        self.irq = Irq(0)
        self.irq_mask = Irq(0)
        self.dio1_mask = Irq(0)
        self.errors = DeviceError(0)
        self.packet_type = 0
        self.freq_hz: int | None = None
        self.modulation: modem.Modulation | None = None
        self.packet: modem.Packet | None = None
        self.pa_config: bytes | None = None
        self.tx_params: tuple[int, int] | None = None
        """(power of SetTxParams in dBm, ramp in microseconds)."""
        self.cad_symbols: int | None = None
        """Of SetCadParams."""
        self.tx_base = self.rx_base = 0
        self.fallback = Mode.STDBY_RC
        self.stop_on_preamble = False
        self.dio2_switch = False
        self.dcdc = False
        self.tcxo: tuple[int, int] | None = None
        """(millivolts, start-up delay in microseconds) of SetDIO3AsTCXOCtrl."""

    def apply(self, name: str, arguments: bytes) -> bool:
        """Carry out a command; False when it is not a mere setting."""
        handlers: dict[str, Callable[[bytes], None]] = {
            "SetRegulatorMode": self._regulator_mode,
            "SetPaConfig": self._pa_config,
            "SetRxTxFallbackMode": self._fallback_mode,
            "StopTimerOnPreamble": self._stop_timer_on_preamble,
            "SetDIO2AsRfSwitchCtrl": self._dio2_as_rf_switch,
            "SetDIO3AsTCXOCtrl": self._dio3_as_tcxo,
            "SetRfFrequency": self._rf_frequency,
            "SetPacketType": self._packet_type,
            "SetTxParams": self._tx_params,
            "SetModulationParams": self._modulation_params,
            "SetPacketParams": self._packet_params,
            "SetCadParams": self._cad_params,
            "SetBufferBaseAddress": self._buffer_base,
            "SetLoRaSymbNumTimeout": self._symbol_timeout,
            "ClearDeviceErrors": self._clear_device_errors,
        }
        handler = handlers.get(name)
        if handler is None:
            return False
        handler(arguments)
        return True

    def for_radio(self, name: str) -> tuple[modem.Modulation, modem.Packet, int]:
        """(modulation, packet, frequency) for a mode that uses the radio; ForbiddenUse names what is missing."""
        self.require_packet_type(name)
        if self.modulation is None or self.packet is None or self.freq_hz is None:
            raise ForbiddenUse(f"SX1262: {name} before SetRfFrequency, SetModulationParams and SetPacketParams (14.2)")
        standard = bool(self.registers[codes.REG_IQ_POLARITY] & 0x04)
        if standard == self.packet.iq_inverted:
            raise ForbiddenUse(f"SX1262: {name} without the remedy for inverted IQ in register 0736 (15.4)")
        return self.modulation, self.packet, self.freq_hz

    def for_transmitter(self) -> tuple[int, int]:
        """(power at the pin in dBm, ramp in microseconds)."""
        if self.pa_config is None or self.tx_params is None:
            raise ForbiddenUse("SX1262: SetTx before SetPaConfig and SetTxParams (14.2)")
        power, ramp_us = self.tx_params
        return modem.output_dbm(self.pa_config, power, low_power=self._low_power), ramp_us

    def for_detection(self) -> int:
        """Symbols to look at for channel activity."""
        if self.cad_symbols is None:
            raise ForbiddenUse("SX1262: SetCad before SetCadParams (13.4.5: peak and minimum have no useful defaults)")
        return self.cad_symbols

    def require_packet_type(self, name: str) -> None:
        """Raise unless the radio has been told to speak LoRa."""
        if self.packet_type != modem.LORA_PACKETS:
            raise ForbiddenUse(f"SX1262: {name} before SetPacketType (13.4.2: it must be the first)")

    def tuning(self, freq_hz: int, modulation: modem.Modulation, packet: modem.Packet) -> Tuning:
        """What the receiver can follow now."""
        return modem.tuning(freq_hz, modulation, packet, self.sync_word)

    @property
    def sync_word(self) -> int:
        """The classic one-byte sync word."""
        return modem.sync_word(self.registers[codes.REG_SYNC_WORD_MSB], self.registers[codes.REG_SYNC_WORD_LSB])

    @property
    def symbol_timeout(self) -> int:
        """Symbols without a preamble after which a single reception gives up; 0 is never."""
        return modem.symbol_timeout(self.registers.get(codes.REG_SYMBOL_TIMEOUT, 0))

    def remarks(self) -> list[str]:
        """Errata of which the remedy is missing for a transmission."""
        found = []
        wide = self.modulation is not None and self.modulation.bw_hz == 500_000
        if bool(self.registers[codes.REG_TX_MODULATION] & 0x04) == wide:
            found.append("15.1: bit 2 of register 0889 does not fit the bandwidth")
        if not self._low_power and self.registers[codes.REG_TX_CLAMP] & 0x1E != 0x1E:
            found.append("15.2: TX clamp in register 08D8 left at its reset value")
        return found

    # Commands

    def _regulator_mode(self, arguments: bytes) -> None:
        self.dcdc = bool(arguments[0])

    def _pa_config(self, arguments: bytes) -> None:
        modem.output_dbm(arguments, 0, low_power=self._low_power)  # refuses what endangers the PA
        self.pa_config = arguments
        self.registers[codes.REG_OCP] = 0x18 if self._low_power else 0x38  # 13.1.14: the command sets 60 or 140 mA

    def _fallback_mode(self, arguments: bytes) -> None:
        if arguments[0] not in _FALLBACK_MODES:
            raise ForbiddenUse(f"SX1262: SetRxTxFallbackMode {arguments[0]:02X} (table 13-23)")
        self.fallback = _FALLBACK_MODES[arguments[0]]

    def _stop_timer_on_preamble(self, arguments: bytes) -> None:
        self.stop_on_preamble = bool(arguments[0])

    def _dio2_as_rf_switch(self, arguments: bytes) -> None:
        self.dio2_switch = bool(arguments[0])

    def _dio3_as_tcxo(self, arguments: bytes) -> None:
        delay_us = int.from_bytes(arguments[1:], "big") * codes.TIMER_STEP_NS // 1000
        self.tcxo = (codes.TCXO_MILLIVOLTS[arguments[0] & 7], delay_us)

    def _rf_frequency(self, arguments: bytes) -> None:
        self.freq_hz = modem.frequency_hz(arguments)
        if not 150_000_000 <= self.freq_hz <= 960_000_000:
            raise ForbiddenUse(f"SX1262: {self.freq_hz} Hz is outside 150..960 MHz (chapter 1)")

    def _packet_type(self, arguments: bytes) -> None:
        if arguments[0] != modem.LORA_PACKETS:
            raise ForbiddenUse(f"SX1262: packet type {arguments[0]:02X}; this model speaks LoRa (13.4.2)")
        self.packet_type = arguments[0]
        self.modulation = self.packet = None  # 13.4.2: the parameters of the former type are not kept

    def _tx_params(self, arguments: bytes) -> None:
        if arguments[1] >= len(codes.PA_RAMP_US):
            raise ForbiddenUse(f"SX1262: ramp time {arguments[1]:02X} (table 13-41)")
        self.tx_params = (arguments[0] - (arguments[0] >> 7 << 8), codes.PA_RAMP_US[arguments[1]])

    def _modulation_params(self, arguments: bytes) -> None:
        self.require_packet_type("SetModulationParams")
        self.modulation = modem.Modulation.parse(arguments)

    def _packet_params(self, arguments: bytes) -> None:
        self.require_packet_type("SetPacketParams")
        self.packet = modem.Packet.parse(arguments)

    def _cad_params(self, arguments: bytes) -> None:
        self.require_packet_type("SetCadParams")
        symbols, peak, least, exit_mode = arguments[:4]
        if symbols > 4:
            raise ForbiddenUse(f"SX1262: cadSymbolNum {symbols:02X} (table 13-73: 1, 2, 4, 8 or 16 symbols are 0 to 4)")
        if not (0 < least < peak):
            raise ForbiddenUse(f"SX1262: cadDetMin {least} is no lower bound to cadDetPeak {peak} (13.4.5)")
        if exit_mode != 0:
            raise ForbiddenUse(f"SX1262: cadExitMode {exit_mode:02X}; this model has CAD_ONLY (table 13-74)")
        self.cad_symbols = 1 << symbols

    def _buffer_base(self, arguments: bytes) -> None:
        self.tx_base, self.rx_base = arguments

    def _symbol_timeout(self, arguments: bytes) -> None:
        self.require_packet_type("SetLoRaSymbNumTimeout")
        self.registers[codes.REG_SYMBOL_TIMEOUT] = modem.encode_symbol_timeout(arguments[0])

    def _clear_device_errors(self, _arguments: bytes) -> None:
        self.errors = DeviceError(0)
