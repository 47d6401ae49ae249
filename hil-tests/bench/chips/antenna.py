"""The air as a radio chip needs it."""

from __future__ import annotations

from typing import Protocol

from bench.air.air import NodeRadio
from bench.air.transmission import Transmission, Tuning


class Antenna(Protocol):
    """`bench.air.air.Air`, seen from one chip."""

    def transmit(self, frame: Transmission) -> object:
        """Put a frame into the air."""

    def fall_silent(self, sender: str) -> None:
        """A frame under way breaks off."""

    def open_window(self, radio: NodeRadio, tuning: Tuning) -> None:
        """Listen from now on."""

    def close_window(self, radio: NodeRadio) -> None:
        """Listen no more."""

    def rssi_dbm(self, freq_hz: int, bw_hz: int, name: str) -> float:
        """The level at antenna `name`: noise, and what is sent there."""

    def active(self, tuning: Tuning, name: str) -> bool:
        """Whether something is in the air that `tuning` could follow."""
