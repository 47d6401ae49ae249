"""The air: frames with real airtime, distance, noise and collisions.

Rules, and what they leave out:

* A receiver locks onto a frame only if it listens during `LOCK_SYMBOLS` of the preamble without a break. A
  window that opens too late or closes too early hears nothing, however near the sender is.
* Gateways hear frames of normal polarity, nodes those of inverted polarity: nodes do not hear nodes.
* Two frames on one channel with one spreading factor spoil each other unless one is `CAPTURE_DB` stronger. Different
  spreading factors, channels and polarities do not touch.
* A gateway hears nothing while it transmits, and follows at most `DEMODULATORS` frames at once.
* Path loss is what was configured for a pair, or follows from positions; each frame fades a little,
  repeatably from the seed.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Protocol

from bench.air import lora
from bench.air.transmission import FrameRecord, Received, Transmission, Tuning
from bench.schedule import Schedule

LOCK_SYMBOLS = 5
"""Preamble symbols a receiver needs; Semtech's own stack never opens for fewer than 6."""
CAPTURE_DB = 6.0
DEMODULATORS = 8
"""Of an SX1301; an SX1302 has 16."""
MAX_REPORTED_SNR_DB = 13.0
"""SX126x and SX130x cannot tell higher ones."""
DEFAULT_LOSS_DB = 105.0
"""Between antennas of which nothing is known: a node some hundred metres from its gateway."""
FADING_DB = 1.0
"""Standard deviation of the level from frame to frame."""
NO_WINDOW = "no receive window was open"
JUST_MISSED_US = 900_000
"""Less than what lies between RX1 and RX2, so that a frame is never said to have missed the other window."""


class NodeRadio(Protocol):
    """A radio that is tuned to one thing at a time. The air calls it at the instant of each step of a frame."""

    name: str

    def on_preamble(self, frame: Transmission) -> None:
        """The receiver has locked."""

    def on_header(self, frame: Transmission, whole: bool) -> None:
        """The header is over. When it is not `whole`, the frame is lost and nothing more comes of it."""

    def on_received(self, received: Received) -> None:
        """The frame is over."""


class GatewayRadio(Protocol):
    """A concentrator: always listening on all its channels and spreading factors."""

    name: str

    def ignores(self, frame: Transmission) -> str | None:
        """Why this gateway's channels do not take the frame; None when they do."""

    def on_received(self, received: Received) -> None:
        """A frame is over; `crc_ok` tells whether it survived."""


@dataclass(slots=True)
class _Window:
    """A node's receiver being open."""

    radio: NodeRadio
    tuning: Tuning
    opened_us: int
    open: bool = True
    locked: _Flight | None = None


@dataclass(slots=True)
class _Flight:
    """A frame under way."""

    frame: Transmission
    record: FrameRecord
    locked_at: set[str] = field(default_factory=set)
    cut_us: int | None = None
    """When the sender stopped in the middle of it."""


class Air:
    """The medium of one bench. Every frame is kept in `records`."""

    def __init__(self, schedule: Schedule, seed: int = 0, *, fading_db: float = FADING_DB) -> None:
        self._schedule = schedule
        self._seed = seed
        self._fading_db = fading_db
        self._nodes: dict[str, NodeRadio] = {}
        self._gateways: dict[str, GatewayRadio] = {}
        self._windows: dict[str, _Window] = {}
        self._flights: list[_Flight] = []
        self._losses: dict[frozenset[str], float] = {}
        self._positions: dict[str, tuple[float, float]] = {}
        self._doomed: dict[str, int] = {}
        self._closed_us: dict[str, int] = {}
        self._loss_chance = 0.0
        self.records: list[FrameRecord] = []

    # Set-up

    def add_node(self, radio: NodeRadio) -> None:
        """Put a node's antenna up."""
        self._nodes[radio.name] = radio

    def add_gateway(self, radio: GatewayRadio) -> None:
        """Put a gateway's antenna up."""
        self._gateways[radio.name] = radio

    def remove(self, name: str) -> None:
        """Take an antenna down; frames under way do not reach it any more."""
        self._nodes.pop(name, None)
        self._gateways.pop(name, None)
        self._windows.pop(name, None)

    def place(self, name: str, x_m: float, y_m: float) -> None:
        """Put an antenna somewhere; two placed antennas have the path loss of their distance."""
        self._positions[name] = (x_m, y_m)

    def set_loss(self, one: str, other: str, loss_db: float) -> None:
        """Fix the path loss between two antennas, in both directions."""
        self._losses[frozenset((one, other))] = loss_db

    def loss_db(self, one: str, other: str) -> float:
        """Path loss: as configured, by distance, or the default."""
        configured = self._losses.get(frozenset((one, other)))
        if configured is not None:
            return configured
        if one in self._positions and other in self._positions:
            distance_m = max(math.dist(self._positions[one], self._positions[other]), 1.0)
            # Log-distance model measured in a city at 868 MHz (Petaejaejaervi et al. 2015, Oulu).
            return 128.95 + 23.2 * math.log10(distance_m / 1000)
        return DEFAULT_LOSS_DB

    # Faults

    def lose_next(self, sender: str, count: int = 1) -> None:
        """The next `count` frames of `sender` reach nobody."""
        self._doomed[sender] = self._doomed.get(sender, 0) + count

    def lose_share(self, chance: float) -> None:
        """From now on each frame is lost at each antenna with this probability, repeatably from the seed."""
        self._loss_chance = chance

    # Receivers of nodes

    def open_window(self, radio: NodeRadio, tuning: Tuning) -> None:
        """The radio listens from now on."""
        self.close_window(radio)
        window = _Window(radio, tuning, self._schedule.now_us)
        self._windows[radio.name] = window
        self._note_late(window)
        for flight in tuple(self._flights):
            self._try_lock(window, flight)

    def _note_late(self, window: _Window) -> None:
        """Tell of a frame that was over shortly before this window opened: a clock that runs slow looks like this."""
        for flight in self._flights:
            late_us, unheard = window.opened_us - flight.frame.start_us, flight.record.unheard
            missed = unheard.get(window.radio.name) == NO_WINDOW and late_us < JUST_MISSED_US
            if missed and window.tuning.mismatch(flight.frame) is None:
                unheard[window.radio.name] = f"{NO_WINDOW}: it opened {late_us / 1000:.1f} ms after the frame had begun"

    def close_window(self, radio: NodeRadio) -> None:
        """The radio listens no more; a frame it was following is lost."""
        window = self._windows.pop(radio.name, None)
        if window is None:
            return
        window.open = False
        self._closed_us[radio.name] = self._schedule.now_us
        if window.locked is not None:
            window.locked.record.unheard[radio.name] = "receiver switched off in the middle of the frame"

    def rssi_dbm(self, freq_hz: int, bw_hz: int, name: str) -> float:
        """The level at antenna `name` now: the noise, or the strongest frame that overlaps this channel."""
        levels = (
            self._level(flight, name)[0]
            for flight in self._flights
            if self._flies(flight) and flight.cut_us is None and flight.frame.sender != name
            if abs(flight.frame.freq_hz - freq_hz) * 2 < flight.frame.bw_hz + bw_hz
        )
        return max(levels, default=lora.noise_floor_dbm(bw_hz))

    def active(self, tuning: Tuning, name: str) -> bool:
        """Whether something that `tuning` could follow is in the air at antenna `name` (channel activity detection)."""
        return any(
            tuning.mismatch(flight.frame) is None and self._level(flight, name)[1] >= self._floor_db(flight.frame)
            for flight in self._flights
            if flight.frame.end_us > self._schedule.now_us and flight.frame.sender != name
        )

    # Frames

    def transmit(self, frame: Transmission) -> FrameRecord:
        """Put a frame into the air; it starts now or later. Its record fills while it flies."""
        record = FrameRecord(len(self.records), frame)
        self.records.append(record)
        flight = _Flight(frame, record)
        doomed = self._doomed.get(frame.sender, 0)
        if doomed:
            self._doomed[frame.sender] = doomed - 1
            for name in (*self._nodes, *self._gateways):
                if name != frame.sender:
                    record.unheard[name] = "lost on purpose"
        self._schedule.at(frame.start_us, lambda: self._launch(flight))
        return record

    def fall_silent(self, sender: str) -> None:
        """The sender's transmitter stops now; what it was sending is lost to all."""
        for flight in self._flights:
            if flight.frame.sender == sender and self._flies(flight) and flight.cut_us is None:
                flight.cut_us = self._schedule.now_us

    def _launch(self, flight: _Flight) -> None:
        frame = flight.frame
        oldest_us = min((other.frame.start_us for other in self._flights if self._flies(other)), default=frame.start_us)
        self._flights = [other for other in self._flights if other.frame.end_us > oldest_us]
        self._flights.append(flight)
        for window in tuple(self._windows.values()):
            self._try_lock(window, flight)
        for gateway in self._gateways.values():
            if gateway.name != frame.sender:
                self._offer(gateway, flight)
        self._schedule.at(frame.end_us, lambda: self._land(flight))

    def _flies(self, flight: _Flight) -> bool:
        return flight.frame.end_us > self._schedule.now_us

    def _land(self, flight: _Flight) -> None:
        """Note for every node that was not even listening that it was not."""
        for name in self._nodes:
            if name == flight.frame.sender or name in flight.record.heard or name in flight.record.unheard:
                continue
            flight.record.unheard[name] = NO_WINDOW + self._just_missed(name, flight.frame)

    def _just_missed(self, name: str, frame: Transmission) -> str:
        """What to add when a window closed shortly before: a clock that runs fast looks like this."""
        gap_us = frame.start_us - self._closed_us.get(name, -JUST_MISSED_US)
        return f": it had closed {gap_us / 1000:.1f} ms before the frame" if 0 <= gap_us < JUST_MISSED_US else ""

    # A node

    def _try_lock(self, window: _Window, flight: _Flight) -> None:
        frame, record, name = flight.frame, flight.record, window.radio.name
        if name == frame.sender or not self._flies(flight) or record.unheard.get(name) == "lost on purpose":
            return
        reason = window.tuning.mismatch(frame)
        lock_us = max(window.opened_us, frame.start_us) + lora.symbols_us(LOCK_SYMBOLS, frame.sf, frame.bw_hz)
        if reason is None and lock_us > frame.preamble_end_us:
            late_us = window.opened_us - frame.start_us
            reason = f"receive window opened {late_us} us after the frame began, too late for its preamble"
        if reason is not None:
            record.unheard[name] = reason
        else:
            self._schedule.at(lock_us, lambda: self._lock(window, flight))

    def _lock(self, window: _Window, flight: _Flight) -> None:
        frame, record, name = flight.frame, flight.record, window.radio.name
        if not window.open:
            record.unheard[name] = "receive window closed before the preamble was found"
        elif window.locked is not None:
            record.unheard[name] = f"busy with a frame of {window.locked.frame.sender}"
        elif (reason := self._too_weak(flight, name)) is not None:
            record.unheard[name] = reason
        else:
            record.unheard.pop(name, None)
            window.locked = flight
            self._schedule.at(frame.header_end_us, lambda: self._header(window, flight))
            self._schedule.at(frame.end_us, lambda: self._complete(window, flight))
            window.radio.on_preamble(frame)

    def _header(self, window: _Window, flight: _Flight) -> None:
        if not window.open or window.locked is not flight:
            return
        damage = self._damage(flight, window.radio.name)
        if damage is not None:
            flight.record.unheard[window.radio.name] = damage
            window.locked = None
        window.radio.on_header(flight.frame, damage is None)

    def _complete(self, window: _Window, flight: _Flight) -> None:
        if not window.open or window.locked is not flight:
            return
        window.locked = None
        self._deliver(window.radio, flight)

    # A gateway

    def _offer(self, gateway: GatewayRadio, flight: _Flight) -> None:
        frame, record = flight.frame, flight.record
        if record.unheard.get(gateway.name) == "lost on purpose":
            return
        reason = gateway.ignores(frame) or self._too_weak(flight, gateway.name)
        if reason is not None:
            record.unheard[gateway.name] = reason
            return

        def lock() -> None:
            followed = sum(gateway.name in other.locked_at for other in self._flights if self._flies(other))
            if followed >= DEMODULATORS:
                record.unheard[gateway.name] = f"all {DEMODULATORS} demodulators busy"
            else:
                flight.locked_at.add(gateway.name)

        def complete() -> None:
            if gateway.name not in flight.locked_at or gateway.name not in self._gateways:
                record.unheard.setdefault(gateway.name, "gateway went off the air")
            elif self._transmitted_during(gateway.name, frame):
                record.unheard[gateway.name] = "gateway was transmitting"
            else:
                self._deliver(gateway, flight)

        self._schedule.at(frame.preamble_end_us, lock)
        self._schedule.at(frame.end_us, complete)

    def _transmitted_during(self, name: str, frame: Transmission) -> bool:
        return any(
            other.frame.sender == name and other.frame.start_us < frame.end_us and other.frame.end_us > frame.start_us
            for other in self._flights
        )

    # Both

    def _deliver(self, radio: NodeRadio | GatewayRadio, flight: _Flight) -> None:
        frame, record = flight.frame, flight.record
        rssi_dbm, snr_db = self._level(flight, radio.name)
        damage = self._damage(flight, radio.name)
        payload = frame.payload if damage is None else self._spoil(flight, radio.name)
        received = Received(frame, payload, damage is None, rssi_dbm, min(snr_db, MAX_REPORTED_SNR_DB))
        if damage is None:
            record.heard[radio.name] = received
        else:
            record.unheard[radio.name] = damage
        radio.on_received(received)

    def _damage(self, flight: _Flight, name: str) -> str | None:
        """What destroys a frame that antenna `name` follows; None when it arrives whole."""
        frame = flight.frame
        if flight.cut_us is not None:
            return "its sender stopped in the middle of it"
        critical_us = frame.preamble_end_us - lora.symbols_us(LOCK_SYMBOLS, frame.sf, frame.bw_hz)
        rssi_dbm, _ = self._level(flight, name)
        for other in self._flights:
            rival = other.frame
            if other is flight or rival.sender == name or rival.end_us <= critical_us or rival.start_us >= frame.end_us:
                continue
            same_channel = abs(rival.freq_hz - frame.freq_hz) * 2 < rival.bw_hz + frame.bw_hz
            alike = (rival.sf, rival.bw_hz, rival.iq_inverted) == (frame.sf, frame.bw_hz, frame.iq_inverted)
            if same_channel and alike and self._level(other, name)[0] > rssi_dbm - CAPTURE_DB:
                return f"collision with a frame of {rival.sender}"
        return None

    def _spoil(self, flight: _Flight, name: str) -> bytes:
        chance = self._chance(flight, name, "spoil")
        payload = bytearray(flight.frame.payload)
        for _ in range(1 + len(payload) // 8 if payload else 0):
            payload[chance.randrange(len(payload))] ^= chance.randrange(1, 256)
        return bytes(payload)

    def _level(self, flight: _Flight, name: str) -> tuple[float, float]:
        """(RSSI in dBm, SNR in dB) of a frame at antenna `name`."""
        frame = flight.frame
        fading_db = self._chance(flight, name, "fading").gauss(0.0, self._fading_db) if self._fading_db else 0.0
        rssi_dbm = frame.power_dbm - self.loss_db(frame.sender, name) + fading_db
        return rssi_dbm, rssi_dbm - lora.noise_floor_dbm(frame.bw_hz)

    @staticmethod
    def _floor_db(frame: Transmission) -> float:
        return lora.DEMODULATOR_SNR_DB[frame.sf]

    def _too_weak(self, flight: _Flight, name: str) -> str | None:
        _, snr_db = self._level(flight, name)
        floor_db = self._floor_db(flight.frame)
        if snr_db < floor_db:
            return f"too weak: SNR {snr_db:.1f} dB, SF{flight.frame.sf} needs {floor_db} dB"
        if self._loss_chance and self._chance(flight, name, "loss").random() < self._loss_chance:
            return "lost by chance"
        return None

    def _chance(self, flight: _Flight, name: str, purpose: str) -> random.Random:
        """Randomness that depends on nothing but the frame and the antenna, so that one more node changes no other."""
        frame = flight.frame
        return random.Random(f"{self._seed}/{purpose}/{frame.sender}/{frame.start_us}/{name}")
