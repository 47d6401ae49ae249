"""The just-in-time queue of a packet forwarder: which downlinks it takes, and when they go to the radio.

Source: Lora-net/packet_forwarder and sx1302_hal, `jitqueue.c`. Times are the concentrator's 32-bit microsecond
counter; all differences are modulo 2^32, which is why a late packet usually looks far too early.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

COUNTER = 1 << 32
TX_START_DELAY_US = 1_500
TX_MARGIN_DELAY_US = 1_000
TX_JIT_DELAY_US = 40_000  # the radio is programmed this long ahead
TX_MAX_ADVANCE_DELAY_US = (3 + 1) * 128 * 1_000_000
CAPACITY = 32
PRE_DELAY_US = TX_START_DELAY_US + TX_JIT_DELAY_US


class JitError(Enum):
    """Why a downlink was refused; the value is what TX_ACK says."""

    TOO_LATE = "TOO_LATE"
    TOO_EARLY = "TOO_EARLY"
    COLLISION_PACKET = "COLLISION_PACKET"
    FULL = "COLLISION_PACKET"


@dataclass(frozen=True, slots=True)
class Slot:
    """A place in the queue: when the packet starts, and how long it lasts."""

    count_us: int
    duration_us: int


class JitQueue:
    """Accepted downlinks, none overlapping another."""

    def __init__(self) -> None:
        self._slots: list[Slot] = []

    def __len__(self) -> int:
        return len(self._slots)

    def accept(self, now_us: int, count_us: int, duration_us: int) -> Slot | JitError:
        """Take a packet that is to start when the counter shows `count_us`."""
        if len(self._slots) >= CAPACITY:
            return JitError.FULL
        ahead_us = (count_us - now_us) % COUNTER
        if ahead_us <= TX_START_DELAY_US + TX_MARGIN_DELAY_US + TX_JIT_DELAY_US:
            return JitError.TOO_LATE
        if ahead_us > TX_MAX_ADVANCE_DELAY_US:
            return JitError.TOO_EARLY
        slot = Slot(count_us % COUNTER, duration_us)
        if any(_collide(slot, other) for other in self._slots):
            return JitError.COLLISION_PACKET
        self._slots.append(slot)
        return slot

    def accept_soon(self, now_us: int, duration_us: int) -> Slot | JitError:
        """Take a packet that may go at once: as soon as the radio can be ready and the queue has a gap."""
        candidates = [(now_us + 2 * TX_JIT_DELAY_US) % COUNTER]
        gap_us = PRE_DELAY_US + TX_JIT_DELAY_US + TX_MARGIN_DELAY_US
        by_time = sorted(self._slots, key=lambda slot: (slot.count_us - now_us) % COUNTER)
        candidates += [(slot.count_us + slot.duration_us + gap_us) % COUNTER for slot in by_time]
        for count_us in candidates:
            outcome = self.accept(now_us, count_us, duration_us)
            if outcome is not JitError.COLLISION_PACKET:
                return outcome
        return JitError.COLLISION_PACKET

    def release(self, slot: Slot) -> None:
        """The packet has been sent."""
        if slot in self._slots:
            self._slots.remove(slot)

    def clear(self) -> None:
        """Forget all: the forwarder was restarted."""
        self._slots.clear()


def _collide(one: Slot, other: Slot) -> bool:
    after = (one.count_us - other.count_us) % COUNTER
    before = (other.count_us - one.count_us) % COUNTER
    return (
        after <= PRE_DELAY_US + other.duration_us + TX_MARGIN_DELAY_US
        or before <= PRE_DELAY_US + one.duration_us + TX_MARGIN_DELAY_US
    )
