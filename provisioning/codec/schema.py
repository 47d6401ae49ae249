"""What a profile is, once loaded: frozen values, checked, in wire units.

Numbers on the wire are whole; `wire = (value - offset) / step` in the quantity's unit, rounded half up. The loader
has turned everything into whole numbers, so nothing here is a float.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import IntEnum
from fractions import Fraction
from typing import Any


class Kind(IntEnum):
    """How a field is written; the numbers are those of `firmware/payload/encoder.py`, from 6 on host only."""

    NUMBER = 0
    BOOL = 1
    BYTES = 2
    COUNTS = 3
    SERIES = 4
    LIST = 5
    CHOICE = 6
    VERSION = 7

    @property
    def on_node(self) -> int:
        """The node writes choices and versions as the whole numbers they are."""
        return self if self < Kind.CHOICE else Kind.NUMBER

    @property
    def is_column(self) -> bool:
        """True for fields that hold several readings."""
        return self in (Kind.COUNTS, Kind.SERIES, Kind.LIST)


@dataclass(frozen=True)
class Quantity:
    """One entry of quantities.toml."""

    name: str
    unit: str
    per_unit: int
    low: Fraction
    high: Fraction
    key: int | None
    title: Mapping[str, str]
    senml: str = ""
    ucum: str = ""
    unece: str = ""


@dataclass(frozen=True)
class Field:
    """One value of a report.

    `step` and `offset` are in the node's whole numbers (per_unit of the quantity), `low..high` are wire values,
    `items` is the length of bytes or the largest number of readings of a column. `source` names the driver that gives
    the value, for profiles that need no code of their own on the node.
    """

    name: str
    quantity: Quantity
    kind: Kind
    step: int
    offset: int
    low: int
    high: int
    items: int = 1
    clip: bool = False
    words: tuple[str, ...] = ()
    source: str = ""
    attribute: Mapping[str, Any] = field(default_factory=dict)

    @property
    def scale(self) -> tuple[int, int, int]:
        """(times, plus, per) so that value in the unit = (wire * times + plus) / per, reduced."""
        shrink = Fraction(self.step, self.quantity.per_unit)
        plus = Fraction(self.offset, self.quantity.per_unit) * shrink.denominator
        widen = plus.denominator
        return shrink.numerator * widen, int(plus * widen), shrink.denominator * widen

    @property
    def formula(self) -> str:
        """How the value comes out of the number on the wire, for people."""
        times, plus, per = self.scale
        text = "wire" if times == 1 else f"wire * {times}"
        if plus:
            text = f"({text} {'+' if plus > 0 else '-'} {abs(plus)})"
        return text if per == 1 else f"{text} / {per}"

    @property
    def largest(self) -> int:
        """The most bytes this field can take."""
        return self.largest_of(self.items)

    def largest_of(self, readings: int) -> int:
        """The most bytes with so many readings in a column; other kinds have one."""
        one = max(head_bytes(argument(self.low)), head_bytes(argument(self.high)))
        if self.kind is Kind.BOOL:
            return 1
        if self.kind is Kind.BYTES:
            return head_bytes(self.items) + self.items
        if self.kind is Kind.SERIES:
            return head_bytes(readings) + one + (readings - 1) * head_bytes(self.high - self.low)
        if self.kind.is_column:
            return head_bytes(readings) + readings * one
        return one


@dataclass(frozen=True)
class Alarm:
    """A rule that the node judges; `rule` holds the thresholds as written in the profile."""

    name: str
    field: str
    rule: Mapping[str, Any]


@dataclass(frozen=True)
class Example:
    """A report with its bytes: documentation and known answer in one."""

    title: str
    report: Mapping[str, Any]
    hex: str


@dataclass(frozen=True)
class Profile:
    """One kind of report, named by its FPort."""

    name: str
    fport: int
    layout: str  # "array", "map" (makers, FPort 39) or "answer"
    title: Mapping[str, str]
    about: Mapping[str, str]
    privacy_class: int
    model: str
    fields: tuple[Field, ...]  # version 1 first, then extensions
    base: int  # how many fields are version 1; -1 for a map
    interval_s: Mapping[str, Any]
    split: Mapping[str, Any]
    downlinks: tuple[str, ...]
    alarms: tuple[Alarm, ...]
    examples: tuple[Example, ...]

    @property
    def module(self) -> str:
        """Name of the table module: a profile's name may have hyphens, a module's may not."""
        return self.name.replace("-", "_")

    @property
    def age(self) -> int:
        """Index of the field `age`, -1 without one. It is never left out for want of room."""
        return next((i for i, f in enumerate(self.fields) if f.name == "age"), -1)

    @property
    def is_sourced(self) -> bool:
        """True when every value comes straight from a driver: the node needs nothing but this file."""
        return bool(self.fields) and all(field.source for field in self.fields[: max(self.base, 0)]) and self.base > 0

    @property
    def largest(self) -> int:
        """The most bytes that one frame must hold: with flags (8 bit), without extensions.

        With a split rule a frame holds at least one reading of each column, and the age.
        """
        fields = self.fields[: self.base]
        if self.split:
            return 1 + sum(f.largest_of(1) for f in fields) + 2 + self.fields[self.age].largest
        return 1 + sum(f.largest for f in fields) + 2

    @property
    def largest_extended(self) -> int:
        """The same with all extensions."""
        return self.largest + sum(f.largest for f in self.fields[self.base :])


@dataclass(frozen=True)
class Part:
    """Limits of one number of a command."""

    name: str
    low: int
    high: int
    step: int


@dataclass(frozen=True)
class Command:
    """One key of a downlink."""

    name: str
    key: int
    parts: tuple[Part, ...]
    title: Mapping[str, str]
    unit: str = ""
    guard: str = ""


@dataclass(frozen=True)
class Schema:
    """Everything the generator works from."""

    quantities: Mapping[str, Quantity]
    commands: tuple[Command, ...]
    profiles: tuple[Profile, ...]
    command_fport: int

    def profile(self, name: str) -> Profile:
        """Return the profile of this name; KeyError when there is none."""
        for profile in self.profiles:
            if profile.name == name:
                return profile
        raise KeyError(name)


def argument(number: int) -> int:
    """The argument of the head that carries this number (RFC 8949 section 3.1, major types 0 and 1)."""
    return number if number >= 0 else -1 - number


def head_bytes(value: int) -> int:
    """Bytes of the shortest head for this argument."""
    for size, limit in ((1, 24), (2, 1 << 8), (3, 1 << 16), (5, 1 << 32)):
        if value < limit:
            return size
    return 9
