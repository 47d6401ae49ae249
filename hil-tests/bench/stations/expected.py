"""What a correct report must say, from what the models played: own arithmetic, in fractions, from the data sheets.

The battery is read last in every sample, in one quick burst; so each burst in `played` ends a sample. Whatever the
other models put out since the sample before (or since their supply came on) is what the node had to work with. Of
a quantity that stood still the expectation is one value. Where it stepped inside a sample it is the mean that was
played, give or take one step of the wire.
"""

from __future__ import annotations

import bisect
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from bench.chips.alphasense import CellKind, Label
from bench.chips.part import Played
from bench.stations.wire import Field, Shown

BURST_GAP_US = 200_000
"""Battery readings nearer than this belong to one burst."""
PINGS = 9
"""Of so many newest echoes the distance may be the median: seven are used, and one may be arriving."""
PINGS_NEEDED = 3
DISTANCE_WINDOW_US = 4_000_000
"""Echoes older than this are not part of a sample, even where the sensor never loses its supply."""
WARM_UP_US = 60_000_000
"""Motion is not counted so long after the node began to listen."""
EDGE_US = 60_000
"""An edge this close to a reading may fall on either side of it."""

Acceptable = dict[str, set[Any]]
"""Field to the values that are right; None is null."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One sampling of a node and what a report of it must say."""

    start_us: int
    end_us: int
    acceptable: Acceptable = field(hash=False)


class Bursts:
    """The ends of the bursts of battery readings in a growing record, in microseconds."""

    def __init__(self) -> None:
        self._ends_us: list[int] = []
        self._seen = 0

    def ends(self, played: Sequence[Played]) -> list[int]:
        """All ends so far. `played` is the battery's record, the same list at every call."""
        for entry in played[self._seen :]:
            if self._ends_us and entry.time_us - self._ends_us[-1] <= BURST_GAP_US:
                self._ends_us[-1] = entry.time_us
            else:
                self._ends_us.append(entry.time_us)
        self._seen = len(played)
        return self._ends_us


def between(played: Sequence[Played], start_us: int, end_us: int) -> Sequence[Played]:
    """The entries with `start_us` < time <= `end_us` of one model's record."""
    first = bisect.bisect_right(played, start_us, key=lambda entry: entry.time_us)
    behind = bisect.bisect_right(played, end_us, key=lambda entry: entry.time_us)
    return played[first:behind]


def numbers(entries: Sequence[Played]) -> list[int | Fraction]:
    """The values among readings and fault words."""
    return [entry.value for entry in entries if not isinstance(entry.value, str)]


def last(entries: Sequence[Played], wire: Field) -> set[Any]:
    """A quantity read once a sample: the last reading counts, a fault is null."""
    if not entries or isinstance(entries[-1].value, str):
        return {None}
    return {wire.show(entries[-1].value)}


def battery(entries: Sequence[Played], wire: Field) -> set[Any]:
    """The mean of a burst of readings; millivolts."""
    values = numbers(entries)
    if not values:
        return {None}
    mean = sum(values) / Fraction(len(values))
    return {wire.show(mean)} if len(set(values)) == 1 else wire.neighbours(mean)


# A fill station


@dataclass(frozen=True, slots=True)
class Container:
    """A prism: the distance to its floor, and to its full line."""

    empty_mm: int
    full_mm: int

    def percent(self, distance_mm: int | Fraction) -> Fraction:
        """Share of the height, cut to 0..100."""
        share = Fraction(self.empty_mm - distance_mm) / (self.empty_mm - self.full_mm)
        return min(max(share, Fraction(0)), Fraction(1)) * 100


def distance_and_fill(entries: Sequence[Played], container: Container, wires: Mapping[str, Field]) -> Acceptable:
    """Median of the newest echoes. Something before the lens is a full container, nothing in sight is no reading."""
    good = numbers(entries)
    if len(good) < PINGS_NEEDED:
        words = [entry.value for entry in entries if isinstance(entry.value, str) and entry.value != "checksum"]
        covered = bool(words) and max(words, key=words.count) == "below-blanking"
        return {"distance": {None}, "fill": {wires["fill"].show(100)} if covered else {None}}
    candidates = set(good[-PINGS:])
    return {
        "distance": {wires["distance"].show(value) for value in candidates},
        "fill": {wires["fill"].show(container.percent(value)) for value in candidates},
    }


# An air station


@dataclass(frozen=True, slots=True)
class GasCell:
    """What is needed to get from a cell's two voltages back to a concentration."""

    kind: CellKind
    label: Label
    working: str
    auxiliary: str

    def ppb(self, volts_uv: Mapping[str, Fraction], temperature_c: Fraction, no2_ppb: Fraction) -> Fraction:
        """AAN 803, algorithm 1; an OX cell's share of NO2 is taken off first."""
        label = self.label
        signal = volts_uv[self.working] - label.we_electronic_uv
        signal -= self.kind.ratio(temperature_c) * (volts_uv[self.auxiliary] - label.ae_electronic_uv)
        return (signal - label.no2_sensitivity_uv_ppb * no2_ppb) / label.sensitivity_uv_ppb


def gases(
    electrodes: Mapping[str, Sequence[Played]],
    temperature: Sequence[Played],
    cells: Mapping[str, GasCell],
    wires: Mapping[str, Field],
) -> Acceptable:
    """NO2, ozone and the raw electrodes. `electrodes` has the readings of each ADC input, in 0.1 mV."""
    means = {}
    stepped = False
    for name, entries in electrodes.items():
        values = numbers(entries)
        if not values or len(values) != len(entries):
            return {"raw": {None}, "no2": {None}, "o3": {None}}
        means[name] = sum(values) / Fraction(len(values))
        stepped = stepped or len(set(values)) > 1

    def shown(wire: Field, exact: Fraction) -> set[Shown]:
        return wire.neighbours(exact) if stepped else {wire.show(exact)}

    acceptable: Acceptable = {"raw": set(itertools.product(*(shown(wires["raw"], mean) for mean in means.values())))}
    degrees = temperature[-1].value if temperature else "no-data"
    if isinstance(degrees, str):
        return acceptable | {"no2": {None}, "o3": {None}}
    temperature_c = Fraction(degrees) / 100
    volts_uv = {name: mean * 100 for name, mean in means.items()}
    no2_ppb = cells["no2"].ppb(volts_uv, temperature_c, Fraction(0))
    acceptable["no2"] = shown(wires["no2"], no2_ppb)
    acceptable["o3"] = shown(wires["o3"], cells["o3"].ppb(volts_uv, temperature_c, no2_ppb))
    return acceptable


# A light station


def motion(
    events: Sequence[Played], *, since_us: int, until_us: int, warm_us: tuple[int, int], wire: Field
) -> set[Any]:
    """How many active edges a reading at `until_us` must have counted; null while the sensor warms up.

    `warm_us`: earliest and latest instant at which its warm-up can be over.
    """
    if until_us < warm_us[0]:
        return {None}
    start_us = max(since_us, warm_us[0])
    times = [entry.time_us for entry in events]
    possible = sum(start_us - EDGE_US <= time_us <= until_us + EDGE_US for time_us in times)
    certain = sum(max(since_us, warm_us[1]) + EDGE_US < time_us < until_us - EDGE_US for time_us in times)
    counts: set[Any] = {wire.show(count) for count in range(certain, possible + 1)}
    return counts | {None} if until_us < warm_us[1] else counts


def agrees(decoded: Mapping[str, Any], acceptable: Mapping[str, set[Any]]) -> list[str]:
    """The fields of a decoded report that are not among the acceptable values; an empty list is full agreement."""
    wrong = []
    for name, values in acceptable.items():
        got = decoded.get(name)
        if not any(_same(got, value) for value in values):
            wrong.append(name)
    return wrong


def _same(got: Any, value: Any) -> bool:
    if value is None or got is None:
        return value is got
    if isinstance(value, tuple):
        return len(got) == len(value) and all(_same(one, other) for one, other in zip(got, value, strict=True))
    return bool(abs(got - value) < 1e-6)
