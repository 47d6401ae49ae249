"""A concentrator: eight channels up, one transmitter down, a 32-bit microsecond counter, and the queue before it.

It does what the HAL and the queue of `lora_pkt_fwd` do together. `forwarder.py` puts the Semtech protocol on top,
`direct.py` the server core.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from bench.air.air import Air
from bench.air.jit import COUNTER, TX_JIT_DELAY_US, JitError, JitQueue, Slot
from bench.air.transmission import PUBLIC_SYNC_WORD, Received, Transmission, on_air
from bench.schedule import Schedule

BW_125 = 125_000


@dataclass(frozen=True, slots=True)
class Channel:
    """A receive path: its number, its radio chain, its frequency, and its spreading factors."""

    number: int
    rf_chain: int
    freq_hz: int
    bw_hz: int = BW_125
    spreading_factors: tuple[int, ...] = (7, 8, 9, 10, 11, 12)


# global_conf.json for EU868: chain 1 around 868.5 MHz, chain 0 around 867.5 MHz, and one wide channel
EU868_CHANNELS = (
    Channel(0, 1, 868_100_000),
    Channel(1, 1, 868_300_000),
    Channel(2, 1, 868_500_000),
    Channel(3, 0, 867_100_000),
    Channel(4, 0, 867_300_000),
    Channel(5, 0, 867_500_000),
    Channel(6, 0, 867_700_000),
    Channel(7, 0, 867_900_000),
    Channel(8, 1, 868_300_000, 250_000, (7,)),
)
EU868_TX_HZ = (863_000_000, 870_000_000)
TX_POWERS_DBM = (12, 13, 14, 16, 20, 23, 25, 26, 27)  # the gain table of common EU868 hardware


@dataclass(frozen=True, slots=True)
class RxPacket:
    """A frame as the HAL hands it over."""

    received: Received
    channel: Channel
    count_us: int
    """The counter at the end of the frame."""
    ended_us: int
    """The same instant in bench time."""


@dataclass(frozen=True, slots=True)
class TxPacket:
    """A downlink to be sent. `count_us` None: as soon as possible."""

    payload: bytes
    freq_hz: int
    sf: int
    bw_hz: int
    power_dbm: int
    count_us: int | None
    coding_rate: int = 1
    iq_inverted: bool = True
    crc_on: bool = False
    preamble: int = 8


@dataclass(frozen=True, slots=True)
class TxOutcome:
    """What became of a request to transmit."""

    error: str | None
    """None when accepted; otherwise the word of TX_ACK."""
    power_dbm: int | None = None
    """The power used, when it is not the one asked for."""


class Concentrator:
    """One gateway's radio. `on_packet` is called for each frame with a good CRC."""

    def __init__(
        self,
        schedule: Schedule,
        air: Air,
        name: str = "gateway",
        *,
        seed: int = 0,
        channels: tuple[Channel, ...] = EU868_CHANNELS,
        tx_range_hz: tuple[int, int] = EU868_TX_HZ,
    ) -> None:
        self.name = name
        self.on_packet: Callable[[RxPacket], None] | None = None
        self.powered = True
        self.received = 0
        self.transmitted = 0
        self.dropped_while_emitting = 0
        """Downlinks accepted by the queue and then lost, because the radio was still sending another."""
        self._schedule = schedule
        self._air = air
        self._random = random.Random(f"concentrator/{name}/{seed}")
        self._channels = channels
        self._tx_range_hz = tx_range_hz
        self._queue = JitQueue()
        self._run = 0
        self._emitting_until_us = 0
        self._offset_us = self._random.randrange(COUNTER)
        air.add_gateway(self)

    @property
    def count_us(self) -> int:
        """The counter now; it wraps every 71 min 35 s."""
        return (self._schedule.now_us + self._offset_us) % COUNTER

    def set_count(self, count_us: int) -> None:
        """Let the counter show `count_us` now, for a run close to its overflow."""
        self._offset_us = count_us - self._schedule.now_us

    def restart(self) -> None:
        """Reset the concentrator: the counter starts elsewhere and what was queued is forgotten."""
        self._run += 1
        self._offset_us = self._random.randrange(COUNTER)
        self._queue.clear()

    def switch_off(self) -> None:
        """Take the power away: nothing is heard, what was queued is forgotten, requests are lost."""
        self.powered = False
        self.restart()
        self._air.remove(self.name)

    def switch_on(self) -> None:
        """Give the power back."""
        self.powered = True
        self._air.add_gateway(self)

    # Up

    def ignores(self, frame: Transmission) -> str | None:
        """Port of the air: why no channel takes the frame."""
        if frame.iq_inverted:
            return "polarity (IQ) differs"
        if frame.sync_word != PUBLIC_SYNC_WORD:
            return f"sync word {frame.sync_word:02x} is not that of LoRaWAN"
        if self._channel(frame) is None:
            return f"no channel at {frame.freq_hz} Hz for SF{frame.sf}/{frame.bw_hz}"
        return None

    def on_received(self, received: Received) -> None:
        """Port of the air: a frame is over. Frames with a bad CRC are counted and dropped, as configured by default."""
        self.received += 1
        channel = self._channel(received.frame)
        if channel is None or not received.crc_ok or self.on_packet is None:
            return
        self.on_packet(RxPacket(received, channel, self.count_us, self._schedule.now_us))

    def _channel(self, frame: Transmission) -> Channel | None:
        for channel in self._channels:
            near = abs(channel.freq_hz - frame.freq_hz) * 4 <= frame.bw_hz
            if near and channel.bw_hz == frame.bw_hz and frame.sf in channel.spreading_factors:
                return channel
        return None

    # Down

    def request(self, packet: TxPacket) -> TxOutcome:
        """Queue a downlink, or say at once why not."""
        lowest_hz, highest_hz = self._tx_range_hz
        if not lowest_hz <= packet.freq_hz <= highest_hz:
            return TxOutcome("TX_FREQ")
        power_dbm = max((power for power in TX_POWERS_DBM if power <= packet.power_dbm), default=TX_POWERS_DBM[0])
        frame = self._frame(packet, power_dbm, 0)
        duration_us = frame.end_us - frame.start_us
        now_us = self.count_us
        if packet.count_us is None:
            slot = self._queue.accept_soon(now_us, duration_us)
        else:
            slot = self._queue.accept(now_us, packet.count_us, duration_us)
        if isinstance(slot, JitError):
            return TxOutcome(slot.value)
        self._arm(slot, packet, power_dbm)
        return TxOutcome(None, None if power_dbm == packet.power_dbm else power_dbm)

    def _arm(self, slot: Slot, packet: TxPacket, power_dbm: int) -> None:
        run = self._run
        start_us = self._schedule.now_us + (slot.count_us - self.count_us) % COUNTER

        def program() -> None:
            if run != self._run:
                return  # forgotten by a restart
            self._queue.release(slot)
            if self._schedule.now_us < self._emitting_until_us:
                self.dropped_while_emitting += 1  # thread_jit: "concentrator is currently emitting"
                return
            self.transmitted += 1
            self._emitting_until_us = start_us + slot.duration_us
            self._air.transmit(self._frame(packet, power_dbm, start_us))

        self._schedule.at(start_us - TX_JIT_DELAY_US, program)

    def _frame(self, packet: TxPacket, power_dbm: int, start_us: int) -> Transmission:
        return on_air(
            start_us,
            packet.payload,
            self.name,
            packet.freq_hz,
            packet.sf,
            packet.bw_hz,
            coding_rate=packet.coding_rate,
            preamble=packet.preamble,
            iq_inverted=packet.iq_inverted,
            crc_on=packet.crc_on,
            power_dbm=power_dbm,
        )
