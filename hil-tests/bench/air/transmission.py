"""What travels through the air, what a receiver is tuned to, and the record of what became of each frame."""

from __future__ import annotations

from dataclasses import dataclass, field

from bench.air import lora

PUBLIC_SYNC_WORD = 0x34
"""LoRaWAN; other LoRa networks use 0x12."""


@dataclass(frozen=True, slots=True)
class Transmission:
    """One frame in the air. Times are bench microseconds; `power_dbm` is what the antenna radiates (EIRP)."""

    start_us: int
    end_us: int
    freq_hz: int
    sf: int
    bw_hz: int
    coding_rate: int
    """1..4 for 4/5..4/8."""
    preamble: int
    sync_word: int
    iq_inverted: bool
    crc_on: bool
    power_dbm: float
    payload: bytes
    sender: str
    implicit_header: bool = False
    low_data_rate: bool | None = None
    """None: as the length of the symbol asks for it."""

    @property
    def optimised(self) -> bool:
        """Whether the low-data-rate optimisation is on."""
        return lora.low_data_rate(self.sf, self.bw_hz) if self.low_data_rate is None else self.low_data_rate

    @property
    def preamble_end_us(self) -> int:
        """When the programmed preamble is over and the sync word begins."""
        return self.start_us + lora.symbols_us(self.preamble, self.sf, self.bw_hz)

    @property
    def header_end_us(self) -> int:
        """When an explicit header is complete."""
        return self.start_us + lora.header_end_us(self.sf, self.bw_hz, self.preamble)


def on_air(
    start_us: int,
    payload: bytes,
    sender: str,
    freq_hz: int,
    sf: int,
    bw_hz: int = 125_000,
    *,
    coding_rate: int = 1,
    preamble: int = 8,
    sync_word: int = PUBLIC_SYNC_WORD,
    iq_inverted: bool = False,
    crc_on: bool = True,
    power_dbm: float = 14.0,
) -> Transmission:
    """A transmission of `payload` with its true airtime; the defaults are those of a LoRaWAN uplink."""
    airtime_us = lora.airtime_us(len(payload), sf, bw_hz, coding_rate=coding_rate, preamble=preamble, crc_on=crc_on)
    return Transmission(
        start_us=start_us,
        end_us=start_us + airtime_us,
        freq_hz=freq_hz,
        sf=sf,
        bw_hz=bw_hz,
        coding_rate=coding_rate,
        preamble=preamble,
        sync_word=sync_word,
        iq_inverted=iq_inverted,
        crc_on=crc_on,
        power_dbm=power_dbm,
        payload=payload,
        sender=sender,
    )


@dataclass(frozen=True, slots=True)
class Tuning:
    """What a single-channel receiver is set to."""

    freq_hz: int
    sf: int
    bw_hz: int
    sync_word: int
    iq_inverted: bool
    low_data_rate: bool
    implicit_header: bool = False

    def mismatch(self, frame: Transmission) -> str | None:
        """Why this receiver cannot follow `frame`; None when it can."""
        if abs(self.freq_hz - frame.freq_hz) * 4 > frame.bw_hz:  # tolerance of a quarter of the bandwidth
            return f"tuned to {self.freq_hz} Hz, sent on {frame.freq_hz} Hz"
        if (self.sf, self.bw_hz) != (frame.sf, frame.bw_hz):
            return f"tuned to SF{self.sf}/{self.bw_hz}, sent with SF{frame.sf}/{frame.bw_hz}"
        if self.iq_inverted != frame.iq_inverted:
            return "polarity (IQ) differs"
        if self.sync_word != frame.sync_word:
            return f"sync word {self.sync_word:02x}, sent with {frame.sync_word:02x}"
        if self.implicit_header != frame.implicit_header:
            return "header mode differs"
        if self.low_data_rate != frame.optimised:
            return "low-data-rate optimisation differs"
        return None


@dataclass(frozen=True, slots=True)
class Received:
    """A frame as one receiver got it."""

    frame: Transmission
    payload: bytes
    crc_ok: bool
    rssi_dbm: float
    snr_db: float


@dataclass(slots=True)
class FrameRecord:
    """One frame and what became of it at every antenna that could have heard it."""

    number: int
    frame: Transmission
    heard: dict[str, Received] = field(default_factory=dict)
    unheard: dict[str, str] = field(default_factory=dict)
    """Antenna to the reason in words."""

    def as_dict(self) -> dict[str, object]:
        """The record as plain values, for a line of JSON."""
        frame = self.frame
        return {
            "number": self.number,
            "time_us": frame.start_us,
            "airtime_us": frame.end_us - frame.start_us,
            "sender": frame.sender,
            "freq_hz": frame.freq_hz,
            "sf": frame.sf,
            "bw_hz": frame.bw_hz,
            "downlink": frame.iq_inverted,
            "payload": frame.payload.hex(),
            "heard": {
                name: {"rssi_dbm": round(received.rssi_dbm, 1), "snr_db": round(received.snr_db, 1)}
                for name, received in self.heard.items()
            },
            "unheard": self.unheard,
        }
