"""How many bytes other formats need for a report: the comparison behind `spatz payload sizes`.

Each function takes the fields of a profile with their values and returns bytes or a length. None of these formats is
used by Spatz; they are here so that the claim "smaller" is computed and not remembered.

Sources: Cayenne LPP data types (IPSO ids minus 3200; `tight` uses the smallest type that holds the number, whatever it
is meant for), RFC 8428 (SenML, labels of section 6), protobuf encoding guide (varint, zigzag, packed).
"""

import json
import struct
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from provisioning.codec.schema import Field, Kind, Profile, head_bytes

Values = list[tuple[Field, Any]]

# Bytes of the LPP type meant for a quantity, without channel and type byte.
_LPP_BYTES = {
    "distance": 4, "level": 4, "fill": 1, "dim": 1, "temperature": 2, "humidity": 1, "battery": 2, "pressure": 2,
    "illuminance": 2, "occupied": 1, "state": 1,
}  # fmt: skip
_LPP_GENERIC = 4
# What an LPP type can carry in one byte: a digital input, a percentage, a humidity in halves.
_LPP_ONE_BYTE = 255
_LPP_TWO_BYTES = 65535


def wire_values(profile: Profile, report: dict[str, Any]) -> Values:
    """Pair the fields of version 1 with the values of a report, in units."""
    return [(field, report[field.name]) for field in profile.fields[: profile.base]]


def numbers(field: Field, value: Any) -> list[int]:
    """Return the value as the whole numbers our own format sends; a reading that is missing counts as 0."""
    if field.kind is Kind.VERSION:
        major, minor, patch = (int(part) for part in value.split("."))
        return [major * 10000 + minor * 100 + patch]
    if field.kind is Kind.CHOICE:
        return [field.words.index(value) if value in field.words else int(str(value).removeprefix("code "))]
    if field.kind is Kind.BYTES:
        return [int(value, 16)]
    many = value if isinstance(value, list) else [value]
    times, plus, per = field.scale
    return [round((float(one or 0) * per - plus) / times) for one in many]


def lpp_typed(values: Values) -> int:
    """Cayenne LPP with the type meant for each quantity; a column is one channel a reading."""
    return sum((2 + _lpp_bytes(field)) * len(numbers(field, value)) for field, value in values if not _is_step(field))


def lpp_tight(values: Values) -> int:
    """Cayenne LPP with the smallest carrier that holds each number, also where it abuses another type."""
    total = 0
    for field, value in values:
        if _is_step(field):
            continue
        for number in numbers(field, value):
            total += 2 + _lpp_tight_bytes(field, number)
    return total


def _is_step(field: Field) -> bool:
    """The step of a batch has no place in LPP."""
    return field.name == "step"


def _lpp_bytes(field: Field) -> int:
    if field.kind in (Kind.VERSION, Kind.BYTES):
        return _LPP_GENERIC
    return _LPP_BYTES.get(field.quantity.name, _LPP_GENERIC)


def _lpp_tight_bytes(field: Field, number: int) -> int:
    """Smallest LPP value: quantities with a type of their own take it; other numbers go by their size."""
    if field.kind in (Kind.VERSION, Kind.BYTES):
        return _LPP_GENERIC
    # Gas in ppb is signed and beyond a byte; distances too: two bytes of the luminosity type.
    usual = {"distance": 2, "level": 2, "no2": 2, "no": 2, "illuminance": 2}
    known = {**_LPP_BYTES, **usual}
    if field.quantity.name in known:
        return known[field.quantity.name]
    return 1 if 0 <= number <= _LPP_ONE_BYTE else 2 if abs(number) <= _LPP_TWO_BYTES else _LPP_GENERIC


def protobuf(values: Values) -> int:
    """Protobuf: field numbers below 16, varints, zigzag for signed, packed columns, deltas for series."""
    total = 0
    for field, value in values:
        many = numbers(field, value)
        if field.kind is Kind.BYTES:
            total += 1 + 4  # fixed32
        elif field.kind.is_column:
            if field.kind is Kind.SERIES:
                many = [many[0], *(b - a for a, b in pairwise(many))]
            body = sum(_varint(_zigzag(n) if field.kind is Kind.SERIES else n) for n in many)
            total += 1 + _varint(body) + body
        else:
            total += 1 + _varint(
                _zigzag(many[0]) if field.low < 0 and field.offset == 0 else abs(_unscaled(field, many[0]))
            )
    return total


def _unscaled(field: Field, number: int) -> int:
    """Protobuf has no offset of ours: pressure travels whole."""
    return number + field.offset // field.step if field.offset else number


def _zigzag(number: int) -> int:
    return number * 2 if number >= 0 else -number * 2 - 1


def _varint(number: int) -> int:
    return max(1, -(-number.bit_length() // 7))


def json_minimal(values: Values) -> int:
    """JSON with names cut to their first letters, no white space."""
    return len(json.dumps(dict(zip(_short_names(values), (v for _, v in values), strict=True)), separators=(",", ":")))


def _short_names(values: Values) -> Iterator[str]:
    taken: set[str] = set()
    for field, _ in values:
        length = next(n for n in range(1, 40) if field.name[:n] not in taken or n == len(field.name))
        taken.add(field.name[:length])
        yield field.name[:length]


def senml_cbor(values: Values) -> int:
    """SenML-CBOR: one record a reading, labels 0 (short name), 1 (unit), 2 (value), the shortest number."""
    records = 0
    total = 0
    for (field, value), name in zip(values, _short_names(values), strict=True):
        for one in value if isinstance(value, list) else [value]:
            records += 1
            total += 1 + 1 + _text(name)
            total += 1 + _text(field.quantity.senml) if field.quantity.senml else 0
            total += 1 + _cbor_number(one)
    return head_bytes(records) + total


def _text(text: str) -> int:
    return head_bytes(len(text)) + len(text)


def _cbor_number(value: Any) -> int:
    if isinstance(value, str):
        return _text(value)
    if value is None or isinstance(value, bool):
        return 1
    if isinstance(value, int) or float(value).is_integer():
        number = int(value)
        return head_bytes(number if number >= 0 else -1 - number)
    for size, form in ((3, "<e"), (5, "<f")):
        try:
            if struct.unpack(form, struct.pack(form, value))[0] == value:
                return size
        except OverflowError:
            continue
    return 9


def packed_bits(values: Values) -> int:
    """Lower bound: each number in as many bits as its range needs, no structure at all."""
    bits = 0
    for field, value in values:
        if field.kind is Kind.BYTES:
            bits += 8 * field.items
        elif field.kind is Kind.COUNTS:
            bits += 8 * len(value)
        else:
            bits += (field.high - field.low).bit_length() * (len(value) if isinstance(value, list) else 1)
    return -(-bits // 8)


FORMATS = (
    ("JSON", json_minimal),
    ("SenML-CBOR", senml_cbor),
    ("LPP typed", lpp_typed),
    ("LPP tight", lpp_tight),
    ("protobuf", protobuf),
    ("packed bits", packed_bits),
)
