"""Random reports for tests, as a node holds them, and what decoders must make of them, computed another way."""

from fractions import Fraction

from firmware.payload.encoder import ABSENT
from firmware.payload.report import default

CATALOG = default()
POSITIONAL = [about for about in CATALOG.profiles if about["layout"] == "array"]
WITH_VALUES = [about for about in CATALOG.profiles if about["layout"] != "answer"]


def module_of(about):
    return about["name"].replace("-", "_")


def random_value(rng, field, readings):
    """A value in the node's whole numbers, now and then missing or beyond the range."""
    if rng.random() < 0.08:
        return None
    kind = field["kind"]
    if kind == "bool":
        return rng.random() < 0.5
    if kind == "bytes":
        return rng.randbytes(field["items"])
    if kind in ("counts", "series", "list"):
        count = readings if kind != "list" else rng.randint(1, field["items"])
        small = rng.random() < 0.5
        return [None if rng.random() < 0.05 else random_number(rng, field, small) for _ in range(count)]
    return random_number(rng, field, rng.random() < 0.3)


def random_number(rng, field, small=False):
    low = field["low"] * field["step"] + field["offset"]
    high = field["high"] * field["step"] + field["offset"]
    chance = rng.random()
    if chance < 0.03:
        return rng.choice([low - 5 * field["step"], high + 5 * field["step"]])
    if chance < 0.1:
        return rng.choice([low, high])
    if small:
        return max(low, min(high, rng.randint(-30, 60) * field["step"]))
    return rng.randint(low, high)


def random_report(rng, about):
    """(values in the order of FIELDS, flags)"""
    fields = about["fields"]
    readings = rng.randint(1, min((f["items"] for f in fields if f["kind"] in ("counts", "series")), default=1))
    values = []
    for i, field in enumerate(fields):
        optional = about["layout"] == "map" or i >= about["base"]
        if (about["layout"] == "map" and i == 0) or (optional and rng.random() < 0.5):
            values.append(ABSENT)
        else:
            values.append(random_value(rng, field, readings))
    flags = rng.choice([0, 0, 0, 1 << rng.randrange(16), rng.randrange(256), rng.randrange(65536)])
    return values, flags


def expected_number(field, number):
    """The value people get for a whole number of the node: rounded half up to steps, null or limit out of range."""
    if number is None:
        return None
    wire = (Fraction(number - field["offset"], field["step"]) + Fraction(1, 2)).__floor__()
    if not field["low"] <= wire <= field["high"]:
        if not field["clip"]:
            return None
        wire = max(field["low"], min(field["high"], wire))
    value = Fraction(wire * field["step"] + field["offset"], field["per_unit"])
    if field["kind"] == "choice":
        return field["words"][wire] if wire < len(field["words"]) else f"code {wire}"
    if field["kind"] == "version":
        return f"{wire // 10000}.{wire // 100 % 100}.{wire % 100}"
    return int(value) if value.denominator == 1 else float(value)


def expected_value(field, value):
    if isinstance(value, list):
        return [expected_number(field, one) for one in value]
    if isinstance(value, bytes):
        return value.hex()
    return value if value is None or isinstance(value, bool) else expected_number(field, value)


def expected_data(about, values, flags):
    """The object that every decoder must give, without the time."""
    words = [CATALOG.flag_words[bit] if bit < 8 else f"bit {bit}" for bit in range(16) if flags >> bit & 1]
    data = {"profile": about["name"], "flags": words, "warnings": []}
    last = max((i for i, value in enumerate(values) if value != ABSENT), default=-1)
    for i, (field, value) in enumerate(zip(about["fields"], values, strict=True)):
        if value != ABSENT:
            data[field["name"]] = expected_value(field, value)
        elif about["layout"] == "array" and i < last:
            # A place before the last one sent cannot be left out.
            data[field["name"]] = None
    return data
