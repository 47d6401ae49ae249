"""The values every module of the gateway speaks: what came from the air, and what goes to it.

Units are in the names. Identifiers of gateways are 16 lower-case hex digits (the EUI as printed). Nothing here
opens a LoRaWAN payload; `gateway.header` looks at the few bytes in front of it.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TypeVar

import msgspec


class LoRa(msgspec.Struct, frozen=True, array_like=True, tag="l"):
    """LoRa modulation; `code_rate` as Semtech writes it ("4/5", "4/6LI", "" if unknown)."""

    spreading_factor: int
    bandwidth_hz: int
    code_rate: str = "4/5"


class Fsk(msgspec.Struct, frozen=True, array_like=True, tag="f"):
    """Frequency shift keying."""

    datarate_bps: int
    frequency_deviation_hz: int = 0


class LrFhss(msgspec.Struct, frozen=True, array_like=True, tag="h"):
    """Long-range frequency hopping; `channel_width_hz` is the operating channel width."""

    channel_width_hz: int
    code_rate: str
    grid_steps: int = 0


Modulation = LoRa | Fsk | LrFhss


class Crc(IntEnum):
    """State of the payload checksum; numbers as in chirpstack gw.CRCStatus."""

    NONE = 0
    BAD = 1
    OK = 2


class Moment(msgspec.Struct, frozen=True, array_like=True):
    """When something was received, by this machine's clocks.

    `boot` is the row number of this start of the machine in the spool; `mono_us` counts from that start and never
    steps; `wall_us` is the Unix time the machine believed in, right or wrong.
    """

    boot: int
    mono_us: int
    wall_us: int


class Uplink(msgspec.Struct, frozen=True, array_like=True):
    """One frame heard by one concentrator.

    `context` is what the concentrator needs to time an answer, opaque outside its source. `gps_us` is the reception
    in microseconds since the GPS epoch and `utc_us` the same instant as Unix time, each only if the concentrator
    itself told it (a locked GPS receiver); otherwise None.
    """

    gateway_id: str
    phy_payload: bytes
    frequency_hz: int
    modulation: Modulation
    rssi_dbm: int
    snr_db: float
    crc: Crc
    uplink_id: int
    channel: int = 0
    rf_chain: int = 0
    board: int = 0
    antenna: int = 0
    context: bytes = b""
    gps_us: int | None = None
    utc_us: int | None = None
    metadata: dict[str, str] = {}

    def to_bytes(self) -> bytes:
        """The stored form: MessagePack array, fields in the order above."""
        return _encode(self)

    @staticmethod
    def from_bytes(body: bytes) -> Uplink:
        """Read the stored form; raises `msgspec.MsgspecError` on damage. Fields added later take their defaults."""
        return _decode(body)


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Uplink).decode


class Immediately(msgspec.Struct, frozen=True):
    """Transmit as soon as possible (class C)."""


class Delay(msgspec.Struct, frozen=True):
    """Transmit `delay_us` after the end of the uplink that the context names (class A)."""

    delay_us: int


class GpsTime(msgspec.Struct, frozen=True):
    """Transmit at `gps_us` microseconds since the GPS epoch (class B)."""

    gps_us: int


Timing = Immediately | Delay | GpsTime


class DownlinkItem(msgspec.Struct, frozen=True):
    """One way to transmit a downlink; several are alternatives in order of preference (RX1, RX2)."""

    phy_payload: bytes
    frequency_hz: int
    power_dbm: int
    modulation: Modulation
    timing: Timing
    invert_polarity: bool = True
    preamble: int = 0
    no_crc: bool = False
    board: int = 0
    antenna: int = 0
    context: bytes = b""


class Downlink(msgspec.Struct, frozen=True):
    """An order of a network server; exactly one of `items` shall be transmitted."""

    downlink_id: int
    gateway_id: str
    items: tuple[DownlinkItem, ...]


class TxStatus(IntEnum):
    """What became of one item; numbers as in chirpstack gw.TxAckStatus."""

    IGNORED = 0
    OK = 1
    TOO_LATE = 2
    TOO_EARLY = 3
    COLLISION_PACKET = 4
    COLLISION_BEACON = 5
    TX_FREQ = 6
    TX_POWER = 7
    GPS_UNLOCKED = 8
    QUEUE_FULL = 9
    INTERNAL_ERROR = 10
    DUTY_CYCLE_OVERFLOW = 11


class DownlinkResult(msgspec.Struct, frozen=True):
    """Answer to a `Downlink`: one status an item, untried ones IGNORED, never more than there were items."""

    downlink_id: int
    gateway_id: str
    statuses: tuple[TxStatus, ...]


class Counts(msgspec.Struct, frozen=True):
    """Packets of one interval by frequency in Hz, by modulation, and by what became of a downlink; empty if untold."""

    rx_per_frequency: dict[int, int] = {}
    tx_per_frequency: dict[int, int] = {}
    rx_per_modulation: dict[Modulation, int] = {}
    tx_per_modulation: dict[Modulation, int] = {}
    tx_per_status: dict[str, int] = {}

    def plus(self, other: Counts) -> Counts:
        """The sum of both."""
        return Counts(
            rx_per_frequency=_sum(self.rx_per_frequency, other.rx_per_frequency),
            tx_per_frequency=_sum(self.tx_per_frequency, other.tx_per_frequency),
            rx_per_modulation=_sum(self.rx_per_modulation, other.rx_per_modulation),
            tx_per_modulation=_sum(self.tx_per_modulation, other.tx_per_modulation),
            tx_per_status=_sum(self.tx_per_status, other.tx_per_status),
        )


_Key = TypeVar("_Key")


def _sum(one: dict[_Key, int], two: dict[_Key, int]) -> dict[_Key, int]:
    return {key: one.get(key, 0) + two.get(key, 0) for key in {**one, **two}}


class GatewayReport(msgspec.Struct, frozen=True):
    """Counters of one interval as a packet forwarder tells them ("stat"). Position is None when unknown, and so is
    `acknowledged_percent`, the share of its datagrams that were acknowledged to it.
    """

    gateway_id: str
    rx_received: int = 0
    rx_ok: int = 0
    tx_received: int = 0
    tx_emitted: int = 0
    latitude: float | None = None
    longitude: float | None = None
    altitude_m: float = 0.0
    metadata: dict[str, str] = {}
    acknowledged_percent: float | None = None
    counts: Counts = Counts()
