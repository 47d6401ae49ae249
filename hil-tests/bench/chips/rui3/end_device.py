"""The LoRaWAN stack inside the modem: a 1.0.4 class A device for EU868, on the server's frames and cryptography.

It knows nothing of `firmware.lorawan`: the two meet only in the air. Left out, because no scenario of the bench asks
for it: FSK, DlChannelReq, DeviceTime, the ADR back-off beyond its bit, and the long-term back-off of joins (the duty
cycle holds them like all else).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from bench.air import lora
from bench.air.air import Air
from bench.air.transmission import PUBLIC_SYNC_WORD, Received, Transmission, Tuning, on_air
from bench.schedule import Event, Schedule
from bench.server.crypto import SessionKeys, join_mic, session_keys
from bench.server.errors import FrameError
from bench.server.frames import DataFrame, FType, JoinAccept, frame_type
from bench.server.maccommands import Cid
from bench.server.regions import EU868

SECOND_US = 1_000_000
JOIN_DELAY_US = 5 * SECOND_US
RX2_HZ = 869_525_000
EARLY_US = 5_000
"""Windows open so much before the delay is over."""
WINDOW_SYMBOLS = 12
MAX_EIRP_DBM = 16
CREDIT_US = 36 * SECOND_US
"""Airtime of a sub-band with 1 % in an hour; it comes back at 1 %."""
BAND_SHARE = 100
ADR_ACK_LIMIT = 64
RETRY_US = (1 * SECOND_US, 3 * SECOND_US)
FOPTS_MAX = 15
REQUEST_BYTES = {
    Cid.LINK_CHECK: 2,
    Cid.LINK_ADR: 4,
    Cid.DUTY_CYCLE: 1,
    Cid.RX_PARAM_SETUP: 4,
    Cid.DEV_STATUS: 0,
    Cid.NEW_CHANNEL: 5,
    Cid.RX_TIMING_SETUP: 1,
    Cid.TX_PARAM_SETUP: 1,
    Cid.DL_CHANNEL: 4,
    Cid.DEVICE_TIME: 5,
}
"""Bytes after the identifier, server to device (TS001-1.0.4 section 5)."""


@dataclass(slots=True)
class Session:
    """What a join opened."""

    dev_addr: str
    keys: SessionKeys
    rx1_dr_offset: int
    rx2_dr: int
    rx_delay_s: int
    channels_hz: list[int]
    rx2_hz: int = RX2_HZ
    f_cnt_up: int = 0
    f_cnt_down: int | None = None
    tx_power: int = 0
    nb_trans: int = 1


@dataclass(slots=True)
class Memory:
    """The part of the modem's flash that the stack writes."""

    dev_nonce: int = 0
    session: Session | None = None
    credits_us: dict[int, tuple[int, int]] = field(default_factory=dict)
    """Sub-band to (airtime left, when that was so)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A downlink that was for us; `port` and `data` are None when it had none."""

    window: int
    rssi_dbm: float
    snr_db: float
    port: int | None = None
    data: bytes | None = None
    acknowledged: bool = False
    link_check: tuple[int, int] | None = None
    """Margin in dB and number of gateways."""


@dataclass(slots=True)
class Exchange:
    """One frame under way, its windows, and what becomes of it."""

    frame: bytes
    dr: int
    rx1_us: int
    tries: int
    accept: Callable[[Received, int], Heard | None]
    done: Callable[[Heard | None], None]
    freq_hz: int = 0
    window: int = 0
    locked: bool = False


class EndDevice:
    """A device with the antenna `name`. `memory` outlives it."""

    def __init__(self, schedule: Schedule, air: Air, name: str, memory: Memory, seed: int | str) -> None:
        self.name = name
        self._schedule = schedule
        self._air = air
        self.memory = memory
        self._random = random.Random(f"rui3/{name}/{seed}")
        self._exchange: Exchange | None = None
        self._events: list[Event] = []
        self._answers = b""
        self._ack_due = False
        self._unanswered = 0
        self.duty_cycle = True
        self.data_rate = 0
        self.link_check_wanted = False

    @property
    def busy(self) -> bool:
        """Whether a frame or one of its windows is under way."""
        return self._exchange is not None

    @property
    def payload_max(self) -> int:
        """Largest application payload now."""
        limit = EU868.data_rates[self.data_rate].payload_bytes_max
        return limit - len(self._answers) - self.link_check_wanted

    def stop(self) -> None:
        """Power or clock is gone."""
        for event in self._events:
            event.cancel()
        self._events.clear()
        if self._exchange is not None:
            self._air.fall_silent(self.name)
            self._air.close_window(self)
        self._exchange = None
        self._answers, self._ack_due, self._unanswered = b"", False, 0

    # Transmitting

    def wait_us(self, size: int) -> int:
        """How long the duty cycle forbids a frame of `size` bytes; 0 when it may go out now."""
        return min(self._band_wait_us(freq_hz, size) for freq_hz in self._channels())

    def join(self, dev_eui: str, join_eui: str, app_key: bytes, done: Callable[[bool], None]) -> None:
        """Send a Join-Request; `done(joined)` is called at the end of it."""
        nonce = self.memory.dev_nonce
        self.memory.dev_nonce += 1  # in flash before the radio transmits
        self.memory.session = None
        body = (
            bytes((FType.JOIN_REQUEST << 5,))
            + bytes.fromhex(join_eui)[::-1]
            + bytes.fromhex(dev_eui)[::-1]
            + nonce.to_bytes(2, "little")
        )

        def accept(received: Received, window: int) -> Heard | None:
            answer = JoinAccept.open(received.payload, app_key)
            self._open_session(answer, app_key, nonce)
            return Heard(window, received.rssi_dbm, received.snr_db)

        frame = body + join_mic(app_key, body)
        self._begin(Exchange(frame, self.data_rate, JOIN_DELAY_US, 1, accept, lambda heard: done(heard is not None)))

    def send(self, port: int, data: bytes, confirmed: bool, retries: int, done: Callable[[Heard | None], None]) -> None:
        """Send an uplink; `done(heard)` is called after its windows and repetitions."""
        session = self.memory.session
        assert session is not None
        f_opts = self._answers[:FOPTS_MAX] + (bytes((Cid.LINK_CHECK,)) if self.link_check_wanted else b"")
        frame = DataFrame(
            FType.CONFIRMED_UP if confirmed else FType.UNCONFIRMED_UP,
            session.dev_addr,
            session.f_cnt_up & 0xFFFF,
            adr=True,
            adr_ack_req=self._unanswered >= ADR_ACK_LIMIT,
            ack=self._ack_due,
            f_opts=f_opts[:FOPTS_MAX],
            f_port=port,
            payload=data,
        ).build(session.keys, session.f_cnt_up)
        session.f_cnt_up += 1
        self._answers, self._ack_due, self.link_check_wanted = b"", False, False
        self._unanswered += 1
        tries = max(session.nb_trans, retries + 1 if confirmed else 1)
        self._begin(Exchange(frame, self.data_rate, session.rx_delay_s * SECOND_US, tries, self._accept_data, done))

    def _begin(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._transmit()

    def _transmit(self) -> None:
        exchange = self._exchange
        assert exchange is not None
        rate = EU868.data_rates[exchange.dr]
        free = [freq_hz for freq_hz in self._channels() if not self._band_wait_us(freq_hz, len(exchange.frame))]
        exchange.freq_hz = self._random.choice(free or self._channels())
        exchange.window, exchange.locked = 0, False
        power = self.memory.session.tx_power if self.memory.session is not None else 0
        frame = on_air(
            self._schedule.now_us,
            exchange.frame,
            self.name,
            exchange.freq_hz,
            rate.sf,
            rate.bandwidth_hz,
            power_dbm=MAX_EIRP_DBM - 2 * power,
        )
        self._spend(exchange.freq_hz, frame.end_us - frame.start_us)
        exchange.tries -= 1
        self._air.transmit(frame)
        for window, delay_us in ((1, exchange.rx1_us), (2, exchange.rx1_us + SECOND_US)):
            self._at(frame.end_us + delay_us - EARLY_US, lambda window=window: self._listen(window))  # type: ignore[misc]

    def _channels(self) -> list[int]:
        session = self.memory.session
        return session.channels_hz if session is not None else list(EU868.join_channels_hz)

    def _band_wait_us(self, freq_hz: int, size: int) -> int:
        if not self.duty_cycle:
            return 0
        rate = EU868.data_rates[self.data_rate]
        missing_us = lora.airtime_us(size, rate.sf, rate.bandwidth_hz) - self._credit_us(_band(freq_hz))
        return max(missing_us, 0) * BAND_SHARE

    def _credit_us(self, band: int) -> int:
        left_us, since_us = self.memory.credits_us.get(band, (CREDIT_US, 0))
        return min(CREDIT_US, left_us + (self._schedule.now_us - since_us) // BAND_SHARE)

    def _spend(self, freq_hz: int, airtime_us: int) -> None:
        band = _band(freq_hz)
        self.memory.credits_us[band] = (self._credit_us(band) - airtime_us, self._schedule.now_us)

    def _at(self, when_us: int, action: Callable[[], None]) -> None:
        self._events = [event for event in self._events if event.action is not None]
        self._events.append(self._schedule.at(when_us, action))

    # Receiving

    def _listen(self, window: int) -> None:
        exchange = self._exchange
        if exchange is None or exchange.locked:
            return
        exchange.window = window
        freq_hz, dr = self._window(exchange, window)
        rate = EU868.data_rates[dr]
        slow = lora.low_data_rate(rate.sf, rate.bandwidth_hz)
        self._air.open_window(self, Tuning(freq_hz, rate.sf, rate.bandwidth_hz, PUBLIC_SYNC_WORD, True, slow))
        length_us = EARLY_US + lora.symbols_us(WINDOW_SYMBOLS, rate.sf, rate.bandwidth_hz)
        self._at(self._schedule.now_us + length_us, lambda: self._time_out(window))

    def _window(self, exchange: Exchange, window: int) -> tuple[int, int]:
        """Frequency and data rate of a window; a join uses the region's own settings."""
        session = self.memory.session
        if window == 1:
            return exchange.freq_hz, max(exchange.dr - (session.rx1_dr_offset if session is not None else 0), 0)
        return (session.rx2_hz, session.rx2_dr) if session is not None else (RX2_HZ, 0)

    def _time_out(self, window: int) -> None:
        exchange = self._exchange
        if exchange is not None and exchange.window == window and not exchange.locked:
            self._air.close_window(self)
            if window == 2:
                self._conclude(None)

    def on_preamble(self, frame: Transmission) -> None:
        """The receiver has locked."""
        if self._exchange is not None:
            self._exchange.locked = True

    def on_header(self, frame: Transmission, whole: bool) -> None:
        """A damaged header: nothing more comes of the frame."""
        if not whole:
            self._missed()

    def on_received(self, received: Received) -> None:
        """The frame is over."""
        exchange = self._exchange
        if exchange is None:
            return
        heard = None
        if received.crc_ok:
            try:
                heard = exchange.accept(received, exchange.window)
            except FrameError:
                heard = None  # somebody else's, or forged
        if heard is None:
            self._missed()
        else:
            self._air.close_window(self)
            self._conclude(heard)

    def _missed(self) -> None:
        """What was being received is of no use; RX2 is still to come, unless it is over or has been slept through."""
        exchange = self._exchange
        if exchange is None:
            return
        self._air.close_window(self)
        exchange.locked = False
        if exchange.window == 2 or not any(event.action is not None for event in self._events):
            self._conclude(None)

    def _conclude(self, heard: Heard | None) -> None:
        exchange = self._exchange
        assert exchange is not None
        for event in self._events:
            event.cancel()
        self._events.clear()
        if heard is None and exchange.tries > 0:
            self._at(self._schedule.now_us + self._random.randint(*RETRY_US), self._transmit)
            return
        self._exchange = None
        exchange.done(heard)

    # Frames

    def _open_session(self, answer: JoinAccept, app_key: bytes, nonce: int) -> None:
        channels = list(EU868.join_channels_hz)
        if len(answer.cf_list) == 16 and answer.cf_list[15] == 0:  # type 0: five frequencies
            steps = (int.from_bytes(answer.cf_list[at : at + 3], "little") for at in range(0, 15, 3))
            channels += [step * 100 for step in steps if step]
        self.memory.session = Session(
            dev_addr=answer.dev_addr,
            keys=session_keys(app_key, join_nonce=answer.join_nonce, net_id=answer.net_id, dev_nonce=nonce),
            rx1_dr_offset=answer.rx1_dr_offset,
            rx2_dr=answer.rx2_dr,
            rx_delay_s=answer.rx_delay_s or 1,
            channels_hz=channels,
        )
        self._unanswered = 0

    def _accept_data(self, received: Received, window: int) -> Heard | None:
        session = self.memory.session
        if session is None or frame_type(received.payload) not in (FType.UNCONFIRMED_DOWN, FType.CONFIRMED_DOWN):
            return None
        frame = DataFrame.parse(received.payload)
        if frame.dev_addr != session.dev_addr or (frame.f_opts and frame.f_port == 0):
            return None
        last = session.f_cnt_down
        f_cnt = frame.f_cnt16 if last is None else last + ((frame.f_cnt16 - last) & 0xFFFF)
        if f_cnt == last or not frame.mic_valid(session.keys.nwk_s_key, f_cnt):
            return None
        session.f_cnt_down = f_cnt
        self._unanswered = 0
        self._ack_due = frame.confirmed
        heard = Heard(window, received.rssi_dbm, received.snr_db, acknowledged=frame.ack)
        plain = frame.plaintext(session.keys, f_cnt) if frame.payload else b""
        link_check = self._commands(session, plain if frame.f_port == 0 else frame.f_opts)
        if frame.f_port:
            heard = replace(heard, port=frame.f_port, data=plain)
        return replace(heard, link_check=link_check)

    def _commands(self, session: Session, data: bytes) -> tuple[int, int] | None:
        """Carry MAC commands out and keep their answers for the next uplink; gives a link check's answer."""
        link_check = None
        at = 0
        while at < len(data):
            try:
                cid = Cid(data[at])
            except ValueError:
                break
            value = data[at + 1 : at + 1 + REQUEST_BYTES[cid]]
            at += 1 + len(value)
            if len(value) < REQUEST_BYTES[cid]:
                break
            if cid is Cid.LINK_CHECK:
                link_check = value[0], value[1]
            elif (answer := self._command(session, cid, value)) is not None:
                self._answers += bytes((cid,)) + answer
        return link_check

    def _command(self, session: Session, cid: Cid, value: bytes) -> bytes | None:
        if cid is Cid.LINK_ADR:
            rate, power, nb_trans = value[0] >> 4, value[0] & 15, value[3] & 15
            self.data_rate = self.data_rate if rate == 15 else min(rate, len(EU868.data_rates) - 1)
            session.tx_power = session.tx_power if power == 15 else min(power, EU868.tx_power_index_max)
            session.nb_trans = nb_trans or 1
            return b"\x07"
        if cid is Cid.RX_PARAM_SETUP:
            session.rx1_dr_offset, session.rx2_dr = value[0] >> 4 & 7, value[0] & 15
            session.rx2_hz = int.from_bytes(value[1:4], "little") * 100
            return b"\x07"
        if cid is Cid.NEW_CHANNEL:
            freq_hz = int.from_bytes(value[1:4], "little") * 100
            if freq_hz and freq_hz not in session.channels_hz:
                session.channels_hz.append(freq_hz)
            return b"\x03"
        if cid is Cid.RX_TIMING_SETUP:
            session.rx_delay_s = value[0] & 15 or 1
            return b""
        if cid is Cid.DEV_STATUS:
            return b"\xff\x0a"  # battery not known, 10 dB
        return b"" if cid is Cid.DUTY_CYCLE else None


def _band(freq_hz: int) -> int:
    """The two sub-bands in which channels lie: from 868 MHz on, and below (ETSI EN 300 220-2)."""
    return 868_000_000 if freq_hz >= 868_000_000 else 865_000_000
