"""Duty cycle: how long a concentrator may still transmit in a sub-band (ETSI EN 300 220-2, EU868).

Every transmission is booked before the order leaves, so that two orders at once cannot both take the last of it, and
given back if the concentrator refuses. The account covers a sliding hour in steps of ten seconds; a step counts until
all of it is an hour old, so the account is never too generous. No I/O and no clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from typing import NamedTuple

from firmware.lorawan.airtime import PREAMBLE_SYMBOLS, airtime_us
from firmware.lorawan.regions import eu868
from gateway.frames import DownlinkItem, Fsk, LoRa, TxStatus

_HOUR_US = 3_600_000_000
_STEP_US = 10_000_000
# FSK around a payload, in bytes: preamble 5, sync word 3, length 1, CRC 2 (RP002-1.0.4 section 2.5.3).
_FSK_FRAME_BYTES = 11


class Band(NamedTuple):
    """A sub-band from `low_hz` to below `high_hz`, and the airtime it allows in any hour."""

    low_hz: int
    high_hz: int
    limit_us: int

    @property
    def name(self) -> str:
        """As it is written in tables: "868.0-868.6"."""
        return f"{self.low_hz / 1e6:.1f}-{self.high_hz / 1e6:.2f}".removesuffix("0")


EU868 = tuple(Band(low_hz, high_hz, limit_ms * 1000) for low_hz, high_hz, limit_ms in eu868.BANDS)
BANDS: Mapping[str, tuple[Band, ...]] = {"EU868": EU868, "off": ()}


def time_on_air_us(item: DownlinkItem) -> int | None:
    """How long the transmission of an item takes; None if its modulation is none that a gateway transmits."""
    modulation, length = item.modulation, len(item.phy_payload)
    if isinstance(modulation, LoRa):
        if not 5 <= modulation.spreading_factor <= 12 or not 7_000 <= modulation.bandwidth_hz <= 2_000_000:
            return None
        time_us: int = airtime_us(
            length,
            modulation.spreading_factor,
            modulation.bandwidth_hz,
            crc=not item.no_crc,
            preamble=item.preamble or PREAMBLE_SYMBOLS,
        )
        # The formula is for 4/5; more redundancy makes the payload part longer. LoRaWAN uses nothing else.
        return time_us if modulation.code_rate in ("", "4/5", "4/5LI") else time_us * 8 // 5
    if isinstance(modulation, Fsk) and modulation.datarate_bps > 0:
        return (length + _FSK_FRAME_BYTES) * 8_000_000 // modulation.datarate_bps
    return None


class _Spent:
    """The last hour of one concentrator in one sub-band."""

    def __init__(self) -> None:
        self._steps: deque[tuple[int, int]] = deque()  # (number of the step, airtime in it)
        self.total_us = 0

    def forget(self, now_us: int) -> None:
        while self._steps and (self._steps[0][0] + 1) * _STEP_US <= now_us - _HOUR_US:
            self.total_us -= self._steps.popleft()[1]

    def add(self, airtime_us: int, now_us: int) -> None:
        step = now_us // _STEP_US
        if self._steps and self._steps[-1][0] >= step:
            step, before_us = self._steps.pop()
            self._steps.append((step, before_us + airtime_us))
        else:
            self._steps.append((step, airtime_us))
        self.total_us += airtime_us

    def take_back(self, airtime_us: int, booked_us: int) -> None:
        """Out of the step it was booked in, so that it is not taken away twice."""
        for index, (step, spent_us) in enumerate(self._steps):
            if step >= booked_us // _STEP_US:
                self._steps[index] = (step, spent_us - airtime_us)
                self.total_us -= airtime_us
                return


class Account(NamedTuple):
    """The state of one sub-band of one concentrator, for people. Airtimes in milliseconds."""

    gateway_id: str
    band: str
    used_ms: int
    limit_ms: int


class DutyBook:
    """The accounts of all concentrators. Without bands, everything is allowed."""

    def __init__(self, bands: Iterable[Band]) -> None:
        self._bands = tuple(bands)
        self._spent: dict[tuple[str, Band], _Spent] = {}

    def _band(self, hz: int) -> Band | None:
        return next((band for band in self._bands if band.low_hz <= hz < band.high_hz), None)

    def book(self, gateway_id: str, hz: int, airtime_us: int, now_us: int) -> TxStatus | None:
        """Take airtime; None if it was there. TX_FREQ: between the sub-bands, where nobody but alarms may transmit."""
        band = self._band(hz)
        if band is None:
            inside = self._bands and self._bands[0].low_hz <= hz < self._bands[-1].high_hz
            return TxStatus.TX_FREQ if inside else None
        spent = self._spent.setdefault((gateway_id, band), _Spent())
        spent.forget(now_us)
        if spent.total_us + airtime_us > band.limit_us:
            return TxStatus.DUTY_CYCLE_OVERFLOW
        spent.add(airtime_us, now_us)
        return None

    def give_back(self, gateway_id: str, hz: int, airtime_us: int, booked_us: int) -> None:
        """What was booked at `booked_us` has not been transmitted."""
        band = self._band(hz)
        if band is not None and (spent := self._spent.get((gateway_id, band))) is not None:
            spent.take_back(airtime_us, booked_us)

    def accounts(self, now_us: int) -> list[Account]:
        """What was transmitted in the last hour, sub-bands without any left out."""
        for spent in self._spent.values():
            spent.forget(now_us)
        return [
            Account(gateway_id, band.name, spent.total_us // 1000, band.limit_us // 1000)
            for (gateway_id, band), spent in sorted(self._spent.items(), key=lambda entry: entry[0])
            if spent.total_us > 0
        ]

    def restore(self, accounts: Iterable[tuple[str, str, int]], now_us: int) -> None:
        """Go on after a restart: (concentrator, sub-band, milliseconds), taken for transmitted at this moment."""
        bands = {band.name: band for band in self._bands}
        for gateway_id, name, used_ms in accounts:
            if name in bands:
                self._spent.setdefault((gateway_id, bands[name]), _Spent()).add(used_ms * 1000, now_us)
