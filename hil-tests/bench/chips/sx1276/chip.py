"""The SX1276's modes: oscillator, calibration, sleeping, transmitting, receiving, interrupts.

    power/NRESET -> STDBY of the FSK modem
    SLEEP <- LoRa or FSK modem is chosen here, and nowhere else
    STDBY, FSTX -TX-> airtime -> STDBY                      (TxDone)
    STDBY, FSRX -RX_SINGLE-> frame -> STDBY                 (RxDone, with PayloadCrcError when it is spoilt)
                RX_SINGLE -symbols without preamble-> STDBY (RxTimeout)
    STDBY, FSRX -RX_CONTINUOUS-> frame, and so on           (RxDone each)
    SLEEP keeps the registers and empties the FIFO

What the data sheet forbids raises `ForbiddenUse`; missing remedies of errata are noted in `remarks`.

Left out: the FSK modem but for its calibration, frequency hopping, implicit headers with SF6. After a spoilt header
the receiver searches on with the same time-out (the data sheet has no interrupt for it; unverified on silicon).
"""

from __future__ import annotations

import random

from bench.air.transmission import Received, Transmission
from bench.chips.antenna import Antenna
from bench.chips.ports import ForbiddenUse
from bench.chips.sx1276 import codes
from bench.chips.sx1276.codes import Irq, Mode, Stat
from bench.chips.sx1276.interface import Interface
from bench.schedule import Event, Schedule

_CAD_SYMBOLS = 2
_SYMBOLS = range(4, 1024)
"""RegSymbTimeout (4.1.5)."""


class SX1276(Interface):
    """One radio of a board. `name` is its sender's name in the air.

    `pa_boost` tells which amplifier the antenna hangs on; the other one is heard by nobody. With `tcxo` the clock comes
    from a TCXO at XTA, and does not run unless RegTcxo says so; with a crystal it is the other way round.

    Faults: `bus` (SPI dead, MISO high), `lost-dio0` (the interrupt line is broken), `dead-pa` (TxDone never comes).
    """

    def __init__(
        self,
        schedule: Schedule,
        air: Antenna,
        name: str,
        *,
        pa_boost: bool = True,
        tcxo: bool = False,
        antenna_gain_dbi_x10: int = 0,
        seed: int | str = 0,
        powered: bool = True,
    ) -> None:
        super().__init__(schedule, powered=powered)
        self.name = name
        self.remarks: set[str] = set()
        self._air = air
        self._pa_boost = pa_boost
        self._tcxo = tcxo
        self._antenna_gain_dbi = antenna_gain_dbi_x10 / 10
        self._random = random.Random(f"sx1276/{name}/{seed}")
        self._timer: Event | None = None
        self._start_event: Event | None = None
        self._woke_us = 0
        self._stat = Stat.MODEM_CLEAR
        self._calibrated: set[bool] = set()
        self._calibrating_until_us: int | None = None
        self._rx_pointer = 0
        self._start()

    def _cold_start(self, start_us: int) -> None:
        super()._cold_start(start_us)
        self._woke_us = self._schedule.now_us
        # 2.1.3.8: the calibration at power-on is one at 434 MHz, so it serves the port for low frequencies only.
        self._calibrated = {False}
        self._calibrating_until_us = None

    # Registers

    def _read(self, address: int) -> int:
        registers = self._registers
        if registers.page(address) is registers.lora:
            if address == codes.MODEM_STAT:
                return int(self._stat)
            if address == codes.RSSI:
                return self._rssi()
            if address == codes.RSSI_WIDEBAND:
                return self._random.randrange(256) if self.mode in codes.RECEIVING else 0
        elif address == codes.FSK_IMAGE_CAL:
            return self._image_cal()
        return registers.read(address)

    def _effect(self, address: int, value: int) -> None:
        registers = self._registers
        if address == codes.OP_MODE:
            self._op_mode(value)
            return
        page = registers.page(address)
        if page is registers.lora and address == codes.IRQ_FLAGS:
            registers.irq &= ~Irq(value)  # writing ones clears
        elif page is registers.fsk and address == codes.FSK_IMAGE_CAL:
            page[address] = value & ~(codes.IMAGE_CAL_START | codes.IMAGE_CAL_RUNNING)
            if value & codes.IMAGE_CAL_START:
                self._start_calibration()
        else:
            page[address] = value
        self._update_dio()

    def _image_cal(self) -> int:
        """RegImageCal: the running bit falls at the end, never without a clock."""
        running = self._calibrating_until_us is not None
        if self._calibrating_until_us is not None and self._schedule.now_us >= self._calibrating_until_us:
            self._calibrated.add(self._registers.high_port)
            self._calibrating_until_us = None
            running = False
        return self._registers.fsk[codes.FSK_IMAGE_CAL] | (codes.IMAGE_CAL_RUNNING if running else 0)

    def _start_calibration(self) -> None:
        if self.mode is not Mode.STDBY or self._schedule.now_us < self._awake_us():
            raise ForbiddenUse(f"SX1276: image calibration in {self.mode.name}; it starts from standby (2.1.3.8)")
        never_us = 1 << 62
        self._calibrating_until_us = self._schedule.now_us + codes.CALIBRATION_US if self._clock_runs() else never_us

    def _clock_runs(self) -> bool:
        return bool(self._registers.common[codes.TCXO] & 0x10) == self._tcxo

    def _awake_us(self) -> int:
        return self._woke_us + codes.OSCILLATOR_US

    def _rssi(self) -> int:
        """RegRssiValue (5.5.5): the level where the receiver is open, otherwise nothing."""
        if self.mode not in codes.RECEIVING:
            return 0
        registers = self._registers
        level_dbm = self._air.rssi_dbm(registers.freq_hz, registers.bw_hz, self.name)
        return min(max(round(level_dbm) + self._rssi_offset(), 0), 255)

    def _rssi_offset(self) -> int:
        """Section 5.5.5."""
        return 157 if self._registers.high_port else 164

    # Modes

    def _op_mode(self, value: int) -> None:
        registers = self._registers
        old, wanted = self.mode, Mode(value & 7)
        if (value ^ registers.common[codes.OP_MODE]) & codes.LONG_RANGE and old is not Mode.SLEEP:
            raise ForbiddenUse(f"SX1276: LongRangeMode changed in {old.name}; the modem is chosen in sleep (RegOpMode)")
        self._image_cal()
        if self._calibrating_until_us is not None and self._clock_runs():
            raise ForbiddenUse("SX1276: mode changed while the image calibration runs (2.1.3.8)")
        active = wanted not in {Mode.SLEEP, Mode.STDBY}
        if active and not registers.long_range:
            raise ForbiddenUse(f"SX1276: {wanted.name} of the FSK modem; this model has that of LoRa only")
        if active and old is Mode.SLEEP:
            raise ForbiddenUse(f"SX1276: {wanted.name} from sleep; from standby or synthesis only (figures 9 and 10)")
        if active and old not in {Mode.STDBY, Mode.FSTX, Mode.FSRX}:
            raise ForbiddenUse(f"SX1276: {wanted.name} from {old.name}; go to standby first (figures 9 and 10)")
        self._abort()
        registers.common[codes.OP_MODE] = value
        self.mode = wanted
        if old is Mode.SLEEP and wanted is not Mode.SLEEP:
            self._woke_us = self._schedule.now_us
        if wanted is Mode.SLEEP:
            registers.fifo = bytearray(256)
        elif wanted is Mode.TX:
            self._transmit()
        elif wanted in codes.RECEIVING:
            self._receive()
        elif wanted is Mode.CAD:
            self._detect_activity()

    def _to_standby(self) -> None:
        self._abort()
        self.mode = Mode.STDBY
        self._registers.show_mode(Mode.STDBY)

    def _switch_us(self, rest_us: int) -> int:
        waiting_us = max(self._awake_us() - self._schedule.now_us, 0)
        return waiting_us + codes.SYNTHESIS_US + rest_us

    # Transmitting

    def _transmit(self) -> None:
        registers = self._registers
        registers.check("TX")
        registers.check_polarity(registers.sends_inverted)
        length = registers.lora[codes.PAYLOAD_LENGTH]
        if length == 0:
            raise ForbiddenUse("SX1276: TX with a payload length of 0 (RegPayloadLength)")
        power_dbm, boost = registers.output_dbm()
        self._remark(receiving=False)
        base = registers.lora[codes.FIFO_TX_BASE]
        payload = bytes(registers.fifo[(base + offset) & 0xFF] for offset in range(length))
        airtime_us = registers.airtime_us()

        def begin() -> None:
            start_us = self._schedule.now_us
            if boost == self._pa_boost:
                self._air.transmit(
                    Transmission(
                        start_us=start_us,
                        end_us=start_us + airtime_us,
                        freq_hz=registers.freq_hz,
                        sf=registers.sf,
                        bw_hz=registers.bw_hz,
                        coding_rate=registers.coding_rate,
                        preamble=registers.preamble,
                        sync_word=registers.lora[codes.SYNC_WORD],
                        iq_inverted=registers.sends_inverted,
                        crc_on=registers.crc_on,
                        power_dbm=power_dbm + self._antenna_gain_dbi,
                        payload=payload,
                        sender=self.name,
                        implicit_header=registers.implicit_header,
                        low_data_rate=registers.low_data_rate,
                    )
                )
            self._timer = self._schedule.after(airtime_us, self._transmitted)

        if self._clock_runs() and "dead-pa" not in self.faults:
            ramp_us = codes.PA_RAMP_US[registers.common[0x0A] & 0x0F]
            self._start_event = self._schedule.after(self._switch_us(codes.TRANSMITTER_US + ramp_us), begin)

    def _transmitted(self) -> None:
        self._timer = None
        self._to_standby()
        self._raise(Irq.TX_DONE)

    # Receiving

    def _receive(self) -> None:
        registers = self._registers
        registers.check("RX")
        registers.check_polarity(registers.receives_inverted)
        single = self.mode is Mode.RX_SINGLE
        if single and registers.symbol_timeout not in _SYMBOLS:
            raise ForbiddenUse(f"SX1276: time-out of {registers.symbol_timeout} symbols, it takes 4 to 1023 (4.1.5)")
        self._remark(receiving=True)
        tuning = registers.tuning()
        self._rx_pointer = registers.lora.get(codes.FIFO_RX_BASE, 0)

        def begin() -> None:
            if single:
                self._start_symbol_timer()
            self._air.open_window(self, tuning)

        if self._clock_runs():
            self._start_event = self._schedule.after(self._switch_us(codes.RECEIVER_US), begin)

    def _start_symbol_timer(self) -> None:
        registers = self._registers
        length_us = registers.symbol_timeout * (1 << registers.sf) * 1_000_000 // registers.bw_hz
        self._timer = self._schedule.after(length_us, self._timed_out)

    def _timed_out(self) -> None:
        self._timer = None
        self._to_standby()
        self._raise(Irq.RX_TIMEOUT)

    def on_preamble(self, _frame: Transmission) -> None:
        """Locked onto a preamble (port of the air)."""
        self._stop_timer()
        self._stat = Stat.SIGNAL_DETECTED | Stat.SIGNAL_SYNCHRONIZED | Stat.RX_ONGOING

    def on_header(self, frame: Transmission, whole: bool) -> None:
        """A header is over (port of the air)."""
        if whole:
            self._stat |= Stat.HEADER_INFO_VALID
            self._registers.lora[codes.HOP_CHANNEL] = 0x40 if frame.crc_on else 0
            self._raise(Irq.VALID_HEADER)
            return
        self._stat = Stat.MODEM_CLEAR
        if self.mode is Mode.RX_SINGLE:
            self._start_symbol_timer()

    def on_received(self, received: Received) -> None:
        """A frame is complete (port of the air)."""
        registers = self._registers
        payload = received.payload
        for offset, value in enumerate(payload):
            registers.fifo[(self._rx_pointer + offset) & 0xFF] = value
        snr_db_x4 = max(round(received.snr_db * 4), -128)
        registers.lora |= {
            codes.FIFO_RX_CURRENT: self._rx_pointer,
            codes.RX_NB_BYTES: len(payload),
            codes.PKT_SNR: snr_db_x4 & 0xFF,
            codes.PKT_RSSI: self._packet_rssi(received.rssi_dbm, received.snr_db),
        }
        self._stat = Stat.MODEM_CLEAR
        spoilt = received.frame.crc_on and not received.crc_ok
        if self.mode is Mode.RX_SINGLE:
            self._to_standby()
        else:
            self._rx_pointer = (self._rx_pointer + len(payload)) & 0xFF
        self._raise(Irq.RX_DONE | (Irq.PAYLOAD_CRC_ERROR if spoilt else Irq(0)))

    def _packet_rssi(self, signal_dbm: float, snr_db: float) -> int:
        """RegPktRssiValue, from section 5.5.5 backwards: with a negative SNR it shows the noise above the signal."""
        if snr_db < 0:
            value = signal_dbm - snr_db + self._rssi_offset()
        else:
            value = (signal_dbm + self._rssi_offset()) * 15 / 16
        return min(max(round(value), 0), 255)

    def _detect_activity(self) -> None:
        registers = self._registers
        registers.check("CAD")
        registers.check_polarity(registers.receives_inverted)
        tuning = registers.tuning()
        symbols_us = _CAD_SYMBOLS * (1 << registers.sf) * 1_000_000 // registers.bw_hz

        def judge() -> None:
            self._start_event = None
            self._to_standby()
            detected = self._air.active(tuning, self.name)
            self._raise(Irq.CAD_DONE | (Irq.CAD_DETECTED if detected else Irq(0)))

        if self._clock_runs():
            self._start_event = self._schedule.after(self._switch_us(codes.RECEIVER_US) + symbols_us, judge)

    def _remark(self, *, receiving: bool) -> None:
        self.remarks.update(self._registers.remarks(receiving))
        if self._registers.high_port not in self._calibrated:
            self.remarks.add("2.1.3.8: no image calibration at a frequency of this port")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _abort(self) -> None:
        if self.mode is Mode.TX:
            self._air.fall_silent(self.name)
        self._stop_timer()
        if self._start_event is not None:
            self._start_event.cancel()
            self._start_event = None
        self._stat = Stat.MODEM_CLEAR
        self._air.close_window(self)

    # Interrupts

    def _raise(self, what: Irq) -> None:
        registers = self._registers
        registers.irq |= what & ~Irq(registers.lora.get(codes.IRQ_FLAGS_MASK, 0))
        self._update_dio()

    def _update_dio(self) -> None:
        self.dio0.set(0 if "lost-dio0" in self.faults else self._registers.dio0())
        self.dio1.set(self._registers.dio1())
