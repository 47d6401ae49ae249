"""The SX1262's modes: oscillator, sleeping, transmitting, receiving, interrupts.

    power/NRESET -> STDBY_RC <-> STDBY_XOSC, FS
    STDBY, FS -SetTx-> TX -airtime-> fallback mode          (TxDone)
    STDBY, FS -SetRx-> RX -frame---> fallback mode          (RxDone; stays in RX when continuous)
                       RX -time-out-> STDBY_RC              (Timeout)
    STDBY -SetSleep-> SLEEP -NSS falls-> STDBY_RC           (cold: settings forgotten)

BUSY is high while a command is worked on, in SLEEP, and until the chip has started. What the data sheet
forbids raises `ForbiddenUse`: a command while BUSY, a command in a mode that does not take it, transmitting or
receiving before the radio was set up. What it asks for without forbidding is noted in `remarks`.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from bench.air.transmission import Received, Transmission
from bench.chips.antenna import Antenna
from bench.chips.ports import Line
from bench.chips.sx1262 import codes, modem
from bench.chips.sx1262.codes import DeviceError, Irq, Mode
from bench.chips.sx1262.interface import Interface
from bench.schedule import Event, Schedule

_DATA_AVAILABLE, _TX_DONE = 2, 6  # status bits 3:1 (table 13-76)


class SX1262(Interface):
    """One radio of a board. `name` is its sender's name in the air.

    `tcxo_mv` is the board's TCXO on DIO3, None for a crystal. `needs_dio2_switch` and `rf_power` tell how the board
    feeds its antenna switch: while either is not as it must be, the radio is deaf and mute. With `low_power` it is an
    SX1261, which differs in its amplifier only.

    Faults: `bus` (SPI dead, MISO high), `stuck-busy`, `lost-dio1` (the interrupt line is broken).
    """

    def __init__(
        self,
        schedule: Schedule,
        air: Antenna,
        name: str,
        *,
        tcxo_mv: int | None = None,
        tcxo_start_us: int = 2_000,
        needs_dio2_switch: bool = True,
        rf_power: Line | None = None,
        antenna_gain_dbi_x10: int = 0,
        seed: int | str = 0,
        low_power: bool = False,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, tcxo_mv=tcxo_mv, low_power=low_power, powered=powered)
        self.name = name
        self.remarks: set[str] = set()
        self._air = air
        self._tcxo_start_us = tcxo_start_us
        self._needs_dio2_switch = needs_dio2_switch
        self._rf_power = rf_power
        self._antenna_gain_dbi = antenna_gain_dbi_x10 / 10
        self._random = random.Random(f"sx1262/{name}/{seed}")
        self._timer: Event | None = None
        self._symbol_timer: Event | None = None
        self._start()

    def _on_cold_start(self) -> None:
        self._command_status = 0
        self._continuous = False
        self._rx_pointer = 0
        self._rx_status = (0, 0)
        self._packet_status = (0, 0, 0)
        self._stats = [0, 0, 0]  # received, CRC errors, header errors

    # Answers

    def _status(self) -> int:
        return self.mode.value << 4 | self._command_status << 1

    def _read_out(self, name: str) -> bytes:
        answers: dict[str, Callable[[], bytes]] = {
            "GetIrqStatus": lambda: int(self._settings.irq).to_bytes(2, "big"),
            "GetPacketType": lambda: bytes((self._settings.packet_type,)),
            "GetRssiInst": self._rssi,
            "GetRxBufferStatus": lambda: bytes(self._rx_status),
            "GetPacketStatus": lambda: bytes(self._packet_status),
            "GetDeviceErrors": lambda: int(self._settings.errors).to_bytes(2, "big"),
            "GetStats": lambda: b"".join(count.to_bytes(2, "big") for count in self._stats),
        }
        return answers[name]() if name in answers else b""

    def _rssi(self) -> bytes:
        """The level where the receiver is open (13.5.4), otherwise nothing."""
        settings = self._settings
        if self.mode is not Mode.RX or settings.modulation is None or settings.freq_hz is None:
            return b"\xff"
        level_dbm = self._air.rssi_dbm(settings.freq_hz, settings.modulation.bw_hz, self.name)
        return bytes((min(max(round(-2 * level_dbm), 0), 255),))

    def _read_register(self, address: int) -> int:
        if codes.REG_RANDOM_0 <= address <= codes.REG_RANDOM_3:
            return self._random.randrange(256) if self.mode is Mode.RX else 0  # 6.1.5: runs with the receiver
        return self._settings.registers.get(address, 0)

    # Modes

    def _change_mode(self, name: str, arguments: bytes) -> None:
        handlers: dict[str, Callable[[bytes], None]] = {
            "SetSleep": self._sleep,
            "SetStandby": self._standby,
            "SetFs": self._frequency_synthesis,
            "Calibrate": self._calibrate,
            "CalibrateImage": self._calibrate,
            "SetTx": self._transmit,
            "SetRx": self._receive,
            "SetCad": self._detect_activity,
            "SetDioIrqParams": self._irq_params,
            "ClearIrqStatus": self._clear_irq,
            "ResetStats": self._reset_stats,
        }
        handlers[name](arguments)

    def _sleep(self, arguments: bytes) -> None:
        self._sleeps_warm = bool(arguments[0] & 0x04)
        self._cancel_ready()
        self.busy.set(1)
        self.mode = Mode.SLEEP
        self._slept_us = self._schedule.now_us
        self._settings.buffer = bytearray(256)  # 7.1: the data buffer is not kept

    def _standby(self, arguments: bytes) -> None:
        self._abort()
        if arguments[0] == 0:
            self.mode = Mode.STDBY_RC
        elif self._oscillator_starts():
            self._occupy(codes.STANDBY_XOSC_US + self._oscillator_us())
            self.mode = Mode.STDBY_XOSC

    def _frequency_synthesis(self, _arguments: bytes) -> None:
        self._abort()
        if self._oscillator_starts():
            self._occupy(codes.TO_FS_US + self._oscillator_us())
            self.mode = Mode.FS

    def _calibrate(self, _arguments: bytes) -> None:
        if self._oscillator_starts():
            self._occupy(codes.CALIBRATE_US + self._oscillator_us())
        else:
            self._settings.errors |= DeviceError.PLL_CALIB | DeviceError.IMG_CALIB

    def _reset_stats(self, _arguments: bytes) -> None:
        self._stats = [0, 0, 0]

    def _oscillator_us(self) -> int:
        """Waiting for the TCXO when it is off, i.e. in STDBY_RC."""
        tcxo = self._settings.tcxo
        return tcxo[1] if tcxo is not None and self.mode is Mode.STDBY_RC else 0

    def _oscillator_starts(self) -> bool:
        """Whether the 32 MHz clock runs; if not, the error 0x20 is set and the chip stays in STDBY_RC."""
        tcxo = self._settings.tcxo
        if self._tcxo_mv is None:
            running = tcxo is None
        else:
            running = tcxo is not None and tcxo[0] >= self._tcxo_mv and tcxo[1] >= self._tcxo_start_us
        if not running:
            self._settings.errors |= DeviceError.XOSC_START
            self.mode = Mode.STDBY_RC
        return running

    # Transmitting

    def _transmit(self, arguments: bytes) -> None:
        settings = self._settings
        modulation, packet, freq_hz = settings.for_radio("SetTx")
        power_dbm, ramp_us = settings.for_transmitter()
        self.remarks.update(settings.remarks())
        if not self._oscillator_starts():
            return
        switch_us = codes.TO_TX_US[self.mode] + self._oscillator_us()
        payload = bytes(settings.buffer[(settings.tx_base + offset) & 0xFF] for offset in range(packet.length))
        timeout_us = modem.timer_us(arguments)
        airtime_us = modem.airtime_us(modulation, packet)
        self.mode = Mode.TX
        self._command_status = 0

        def begin() -> None:
            start_us = self._schedule.now_us
            frame = Transmission(
                start_us=start_us,
                end_us=start_us + airtime_us,
                freq_hz=freq_hz,
                sf=modulation.sf,
                bw_hz=modulation.bw_hz,
                coding_rate=modulation.coding_rate,
                preamble=packet.preamble,
                sync_word=settings.sync_word,
                iq_inverted=packet.iq_inverted,
                crc_on=packet.crc_on,
                power_dbm=power_dbm + self._antenna_gain_dbi,
                payload=payload,
                sender=self.name,
                implicit_header=packet.implicit_header,
                low_data_rate=modulation.low_data_rate,
            )
            if self._antenna_connected():
                self._air.transmit(frame)
            if timeout_us is not None and timeout_us < airtime_us:
                self._timer = self._schedule.after(timeout_us, self._timed_out)
            else:
                self._timer = self._schedule.after(airtime_us, self._transmitted)

        self._occupy(switch_us + ramp_us, begin)

    def _transmitted(self) -> None:
        self._timer = None
        self._command_status = _TX_DONE
        self.mode = self._settings.fallback
        self._raise(Irq.TX_DONE)

    # Receiving

    def _receive(self, arguments: bytes) -> None:
        settings = self._settings
        modulation, packet, freq_hz = settings.for_radio("SetRx")
        if not self._oscillator_starts():
            return
        switch_us = codes.TO_RX_US[self.mode] + self._oscillator_us()
        timeout_us = modem.timer_us(arguments)
        symbols_us = settings.symbol_timeout * (1 << modulation.sf) * 1_000_000 // modulation.bw_hz
        tuning = settings.tuning(freq_hz, modulation, packet)
        self._continuous = int.from_bytes(arguments, "big") == codes.RX_CONTINUOUS
        self._rx_pointer = settings.rx_base
        self.mode = Mode.RX
        self._command_status = 0

        def begin() -> None:
            if timeout_us is not None:
                self._timer = self._schedule.after(timeout_us, self._timed_out)
            if symbols_us and not self._continuous:
                self._symbol_timer = self._schedule.after(symbols_us, self._timed_out)
            if self._antenna_connected():
                self._air.open_window(self, tuning)

        self._occupy(switch_us, begin)

    def on_preamble(self, _frame: Transmission) -> None:
        """Locked onto a preamble (port of the air)."""
        self._stop_symbol_timer()
        if self._settings.stop_on_preamble:
            self._stop_timer()
        self._raise(Irq.PREAMBLE_DETECTED)

    def on_header(self, _frame: Transmission, whole: bool) -> None:
        """A header is over (port of the air); a good one is what stops the timer by default (13.1.9)."""
        if whole:
            self._stop_timer()
            self._raise(Irq.HEADER_VALID)
            return
        self._stats[2] += 1
        if not self._continuous:
            self._abort()
            self.mode = Mode.STDBY_RC
        self._raise(Irq.HEADER_ERR)

    def on_received(self, received: Received) -> None:
        """A frame is complete (port of the air)."""
        payload = received.payload
        for offset, value in enumerate(payload):
            self._settings.buffer[(self._rx_pointer + offset) & 0xFF] = value
        rssi = min(max(round(-2 * received.rssi_dbm), 0), 255)
        self._rx_status = (len(payload), self._rx_pointer)
        self._packet_status = (rssi, round(received.snr_db * 4) & 0xFF, rssi)
        self._command_status = _DATA_AVAILABLE
        if self._continuous:
            self._rx_pointer = (self._rx_pointer + len(payload)) & 0xFF
        else:
            self._abort()
            self.mode = self._settings.fallback
        spoilt = received.frame.crc_on and not received.crc_ok
        self._stats[0] += 1
        self._stats[1] += spoilt
        self._raise(Irq.RX_DONE | (Irq.CRC_ERR if spoilt else Irq(0)))

    def _detect_activity(self, _arguments: bytes) -> None:
        modulation, packet, freq_hz = self._settings.for_radio("SetCad")
        symbols = self._settings.for_detection()
        if not self._oscillator_starts():
            return
        tuning = self._settings.tuning(freq_hz, modulation, packet)
        switch_us = codes.TO_RX_US[self.mode] + self._oscillator_us()
        # AN1200.48: half a symbol of computing follows the symbols that were asked for.
        symbols_us = (2 * symbols + 1) * (1 << modulation.sf) * 500_000 // modulation.bw_hz
        self.mode = Mode.RX

        def judge() -> None:
            self._timer = None
            self.mode = Mode.STDBY_RC
            detected = self._antenna_connected() and self._air.active(tuning, self.name)
            self._raise(Irq.CAD_DONE | (Irq.CAD_DETECTED if detected else Irq(0)))

        def begin() -> None:
            self._timer = self._schedule.after(symbols_us, judge)

        self._occupy(switch_us, begin)

    def _timed_out(self) -> None:
        self._abort()
        self.mode = Mode.STDBY_RC
        self._raise(Irq.TIMEOUT)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop_symbol_timer(self) -> None:
        if self._symbol_timer is not None:
            self._symbol_timer.cancel()
            self._symbol_timer = None

    def _antenna_connected(self) -> bool:
        switched = self._settings.dio2_switch or not self._needs_dio2_switch
        return switched and (self._rf_power is None or self._rf_power.level == 1)

    def _abort(self) -> None:
        if self.mode is Mode.TX:
            self._air.fall_silent(self.name)
        self._stop_timer()
        self._stop_symbol_timer()
        self._air.close_window(self)

    # Interrupts

    def _irq_params(self, arguments: bytes) -> None:
        self._settings.irq_mask = Irq(int.from_bytes(arguments[0:2], "big") & 0x3FF)
        self._settings.dio1_mask = Irq(int.from_bytes(arguments[2:4], "big") & 0x3FF)
        self._update_dio1()

    def _clear_irq(self, arguments: bytes) -> None:
        self._settings.irq &= ~Irq(int.from_bytes(arguments, "big") & 0x3FF)
        self._update_dio1()

    def _raise(self, what: Irq) -> None:
        self._settings.irq |= what & self._settings.irq_mask
        self._update_dio1()

    def _update_dio1(self) -> None:
        level = int(bool(self._settings.irq & self._settings.dio1_mask))
        self.dio1.set(0 if "lost-dio1" in self.faults else level)
