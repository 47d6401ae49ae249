"""One field of a report on the host: from physical values to what a node's driver gives, and from the wire to people.

A field is a dictionary of the catalogue (`generated/catalog.json`). The encoder itself is that of the node: `Table`
gives it a profile of the catalogue in the form of a table module.
"""

from firmware.payload.errors import DecodeError, ReportError

_NODE_KINDS = {"number": 0, "bool": 1, "bytes": 2, "counts": 3, "series": 4, "list": 5, "choice": 0, "version": 0}
_COLUMNS = ("counts", "series", "list")


class Table:
    """A profile of the catalogue in the form of a node's table module."""

    def __init__(self, about):
        self.NAME = about["name"]
        self.FPORT = about["fport"]
        self.BASE = about["base"]
        self.AGE = about["age"]
        self.FIELDS = tuple(field["name"] for field in about["fields"])
        spec = []
        for field in about["fields"]:
            kind = _NODE_KINDS[field["kind"]] + (8 if field["clip"] else 0)
            spec += [kind, field["step"], field["offset"], field["low"], field["high"], field["items"]]
        self.SPEC = tuple(spec)


def to_node(field, value):
    """Physical value to what a node's driver would give; refuses what the node would send as null."""
    name, kind = field["name"], field["kind"]
    if value is None:
        return None
    if kind == "bool":
        if value is not True and value is not False:
            raise ReportError("%s: %r is not true or false" % (name, value))
        return value
    if kind == "bytes":
        try:
            part = bytes.fromhex(value) if isinstance(value, str) else bytes(value)
        except (TypeError, ValueError):
            part = b""
        if len(part) != field["items"]:
            raise ReportError("%s: %r is not %d bytes" % (name, value, field["items"]))
        return part
    if kind in _COLUMNS:
        if not isinstance(value, (list, tuple)) or not 1 <= len(value) <= field["items"]:
            raise ReportError("%s: needs a list of 1 to %d readings" % (name, field["items"]))
        return [None if one is None else _number_to_node(field, one) for one in value]
    if kind == "choice" and isinstance(value, str):
        if value in field["words"]:
            return field["words"].index(value)
        if value[:5] != "code " or not value[5:].isdigit():
            raise ReportError("%s: %r is none of %s" % (name, value, ", ".join(field["words"])))
        value = int(value[5:])
    if kind == "version" and isinstance(value, str):
        parts = value.split(".")
        if len(parts) != 3 or not all(part.isdigit() and int(part) < 100 for part in parts):
            raise ReportError("%s: %r is not three numbers below 100 like 1.4.2" % (name, value))
        value = int(parts[0]) * 10000 + int(parts[1]) * 100 + int(parts[2])
    return _number_to_node(field, value)


def _number_to_node(field, value):
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) <= 1e9:
        raise ReportError("%s: %r is no number" % (field["name"], value))
    number = int(value * field["per_unit"] + (0.5 if value >= 0 else -0.5))
    wire = (number - field["offset"] + (field["step"] >> 1)) // field["step"]
    if not field["clip"] and not field["low"] <= wire <= field["high"]:
        low, high = _physical(field, field["low"]), _physical(field, field["high"])
        raise ReportError("%s: %r is outside %s to %s %s" % (field["name"], value, low, high, field["unit"]))
    return number


def from_wire(field, item):
    """Return the physical value of one decoded CBOR item; raises DecodeError naming the field."""
    name, kind = field["name"], field["kind"]
    if item is None:
        return None
    if kind == "bool":
        if item is not True and item is not False:
            raise DecodeError("%s: not true or false" % name)
        return item
    if kind == "bytes":
        return hex_text(name, item, field["items"])
    if kind in _COLUMNS:
        return _column(field, item)
    wire = whole(name, item, field["low"], field["high"])
    if kind == "choice":
        return field["words"][wire] if wire < len(field["words"]) else "code %d" % wire
    if kind == "version":
        return "%d.%d.%d" % (wire // 10000, wire // 100 % 100, wire % 100)
    return _physical(field, wire)


def _column(field, item):
    name = field["name"]
    if field["kind"] == "counts" and isinstance(item, bytes):
        item = list(item)
    if not isinstance(item, list) or not 1 <= len(item) <= field["items"]:
        raise DecodeError("%s: not 1 to %d readings" % (name, field["items"]))
    total = 0
    readings = []
    for one in item:
        if one is not None and field["kind"] == "series":
            total += whole(name, one, -2000000000, 2000000000)
            one = total
        readings.append(None if one is None else _physical(field, whole(name, one, field["low"], field["high"])))
    return readings


def _physical(field, wire):
    number = wire * field["times"] + field["plus"]
    return number // field["per"] if number % field["per"] == 0 else number / field["per"]


def whole(name, value, low, high):
    """Return `value` if it is a whole number from `low` to `high`; raises DecodeError naming `name`."""
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise DecodeError("%s: %r is no whole number from %d to %d" % (name, value, low, high))
    return value


def hex_text(name, value, length):
    """Return a byte string of this length as hexadecimal text; raises DecodeError naming `name`."""
    if not isinstance(value, bytes) or len(value) != length:
        raise DecodeError("%s: not %d bytes" % (name, length))
    return value.hex()


def modelled(field, value):
    """Return a physical value in the unit, or as the word, of the Smart Data Model attribute of its field."""
    attribute = field["attribute"]
    if isinstance(value, list):
        return [None if one is None else modelled(field, one) for one in value]
    if "words" in attribute:
        at = int(value) if isinstance(value, bool) else field["words"].index(value) if value in field["words"] else -1
        return attribute["words"][at] if 0 <= at < len(attribute["words"]) else "unknown"
    if "per" in attribute:
        return value / attribute["per"]
    if "times" in attribute:
        # One decimal is finer than any such sensor.
        return round(value * attribute["times"], 1)
    return value
