"""Read the TOML files of `firmware/payload` and refuse, with file, field and reason, what cannot work."""

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

from provisioning.codec.errors import ProfileError
from provisioning.codec.registries import COMMAND_FPORT, load_commands, load_quantities
from provisioning.codec.schema import Alarm, Command, Example, Field, Kind, Profile, Quantity, Schema
from provisioning.codec.toml_table import Table, read

# What LoRaWAN carries at the slowest data rates of EU868 without MAC answers (RP002, DR0..DR2: N = 51).
MAX_PAYLOAD_BYTES = 51
# A small integer on a 32-bit MicroPython port has 31 bit with sign; one more and it lives on the heap.
SMALL_INT = 1 << 30
# 0 is MAC, 224 the certification port; 40 and 41 are downlinks; 200..203, 225, 226 are packages of the LoRa Alliance.
RESERVED_FPORTS = frozenset({40, 41, 200, 201, 202, 203})
MAX_FPORT = 223
FLAG_WORDS = ("low_battery", "sensor_fault", "tamper", "clock_unset", "late", "config_refused", "watchdog", "dropped")

# What drivers of the node can give by name (firmware/node/measure/sourced.py), and the quantity it is.
SOURCES = {
    "a02yyuw.distance": "distance",
    "ds18b20.temperature": "temperature",
    "sht4x.temperature": "temperature",
    "sht4x.humidity": "humidity",
    "opt3001.illuminance": "illuminance",
    "pir.count": "count",
    "battery.voltage": "battery",
}

_RESERVED_NAMES = frozenset({"profile", "flags", "warnings", "time", "seq", "group"})


def payload_dir() -> Path:
    """Return the folder of `firmware.payload`, where the profiles of Spatz are."""
    import firmware.payload

    return Path(firmware.payload.__file__).parent


def load(folder: Path | None = None, more_profiles: Path | None = None) -> Schema:
    """Load quantities.toml, commands.toml and profiles/*.toml under `folder` (usual: those of Spatz).

    `more_profiles` is a second folder with profiles, for makers who keep theirs elsewhere.
    """
    return load_with(*(sorted(more_profiles.glob("*.toml")) if more_profiles else []), folder=folder)


def load_with(*more: Path, folder: Path | None = None) -> Schema:
    """Load the profiles of Spatz and these files; a file that is among them already is read once."""
    folder = folder or payload_dir()
    quantities = load_quantities(folder / "quantities.toml")
    commands = load_commands(folder / "commands.toml")
    files = sorted((folder / "profiles").glob("*.toml"))
    files += [file for file in more if file.resolve() not in [one.resolve() for one in files]]
    profiles: list[Profile] = []
    for file in files:
        profile = load_profile(file, quantities, commands)
        for other in profiles:
            if other.fport == profile.fport:
                raise ProfileError(file, "fport", f"{profile.fport} is taken by profile {other.name}")
            if other.module == profile.module:
                raise ProfileError(file, "name", f"{profile.name} is taken")
        profiles.append(profile)
    profiles.sort(key=lambda p: p.fport)
    return Schema(quantities, commands, tuple(profiles), COMMAND_FPORT)


def load_profile(file: Path, quantities: Mapping[str, Quantity], commands: tuple[Command, ...]) -> Profile:
    """Load one profile; names and FPorts of other profiles are compared in `load`."""
    top = read(file)
    name = top.name()
    if file.stem != name:
        top.fail(f"{name!r} differs from the file's name", "name")
    fport = top.take("fport", int)
    if not 1 <= fport <= MAX_FPORT:
        top.fail(f"{fport} is not from 1 to {MAX_FPORT}", "fport")
    if fport in RESERVED_FPORTS:
        top.fail(f"{fport} is reserved for commands or a package of the LoRa Alliance", "fport")
    layout = top.take("layout", str, "array")
    if layout not in ("array", "map", "answer"):
        top.fail(f"{layout!r} is not array, map or answer", "layout")
    base_fields = [_field(table, quantities) for table in top.tables("field")]
    extensions = [_field(table, quantities) for table in top.tables("extension")]
    fields, base = _lay_out(top, layout, base_fields, extensions, quantities)
    names = [f.name for f in fields]
    sourced = [bool(f.source) for f in base_fields]
    if any(sourced) and not all(sourced):
        top.fail("has no source, but other fields have", f"field {base_fields[sourced.index(False)].name}")
    split = top.take("split", dict, {})
    _check_split(top, split, fields)
    profile = Profile(
        name=name,
        fport=fport,
        layout=layout,
        title=top.texts("title"),
        about=top.texts("about"),
        privacy_class=_privacy_class(top),
        model=top.take("model", str, ""),
        fields=fields,
        base=base,
        interval_s=_interval(top),
        split=split,
        downlinks=_downlinks(top, commands),
        alarms=tuple(_alarm(table, names) for table in top.tables("alarm")),
        examples=tuple(_example(table) for table in top.tables("example")),
    )
    top.done()
    if layout == "array":
        _check_size(top, profile)
    return profile


def _lay_out(
    top: Table, layout: str, base: list[Field], extensions: list[Field], quantities: Mapping[str, Quantity]
) -> tuple[tuple[Field, ...], int]:
    if layout != "array":
        if base or extensions:
            top.fail(f"layout {layout} has its fields from elsewhere", "field")
        keyed = sorted(
            (q for q in quantities.values() if q.key is not None and layout == "map"), key=lambda q: q.key or 0
        )
        return tuple(_from_quantity(q) for q in keyed), -1
    if not base:
        top.fail("at least one is needed", "field")
    fields = tuple(base + extensions)
    seen: set[str] = set()
    for one in fields:
        if one.name in seen:
            top.fail("is there twice", f"field {one.name}")
        if one.name == "age" and one in base:
            top.fail("age is an extension: fresh reports do not carry it", "field age")
        seen.add(one.name)
    if len(fields) + 1 > 23:
        top.fail(f"{len(fields)} fields; a one-byte array head counts to 23 with the flags", "field")
    return fields, len(base)


def _from_quantity(quantity: Quantity) -> Field:
    low, high = (int(limit * quantity.per_unit) for limit in (quantity.low, quantity.high))
    return Field(quantity.name, quantity, Kind.NUMBER, 1, 0, low, high)


def _field(table: Table, quantities: Mapping[str, Quantity]) -> Field:
    name = table.name()
    if name in _RESERVED_NAMES:
        table.fail("this name has a meaning of its own in decoded data", "name")
    wanted = table.take("quantity", str)
    if wanted not in quantities:
        table.fail(f"{wanted!r} is not in quantities.toml", "quantity")
    quantity = quantities[wanted]
    kind_name = table.take("kind", str, "number").upper()
    if kind_name not in Kind.__members__:
        table.fail(f"is none of {', '.join(k.name.lower() for k in Kind)}", "kind")
    kind = Kind[kind_name]
    step = (
        table.number("step", Fraction(1, quantity.per_unit)) if "step" in table.data else Fraction(1, quantity.per_unit)
    )
    offset = table.number("offset", 0)
    asked = "range" in table.data
    low, high = table.range("range", (quantity.low, quantity.high))
    if low < quantity.low or high > quantity.high:
        table.fail(f"{low}..{high} leaves the range of {wanted}, {quantity.low}..{quantity.high}", "range")
    finest = f"finer than 1/{quantity.per_unit} {quantity.unit}"
    whole_step = _whole(table, "step", step * quantity.per_unit, finest)
    if whole_step < 1:
        table.fail("must be above 0", "step")
    whole_offset = _whole(
        table, "offset", offset * quantity.per_unit, f"finer than 1/{quantity.per_unit} {quantity.unit}"
    )
    wire = [(limit - offset) / step for limit in (low, high)]
    if not asked:
        # A range that comes from the registry is cut to whole steps; one written here must fit by itself.
        wire = [Fraction(-(-wire[0] // 1)), Fraction(wire[1] // 1)]
    limits = [_whole(table, "range", n, f"no whole number of steps of {step} from {offset}") for n in wire]
    if max(abs(n) for n in limits) >= SMALL_INT:
        table.fail("more than 30 bit on the wire", "range")
    items = table.take("items", int, 1)
    if (kind.is_column or kind is Kind.BYTES) != (items > 1):
        table.fail("columns and bytes need at least 2, other kinds have none", "items")
    words = tuple(table.take("words", list, []))
    if (kind is Kind.CHOICE) != bool(words) or not all(isinstance(w, str) for w in words):
        table.fail("a choice needs its words, other kinds have none", "words")
    source = table.take("source", str, "")
    if source:
        _check_source(table, source, kind, quantity, quantities)
    attribute = table.take("attribute", dict, {})
    if attribute and not isinstance(attribute.get("name"), str):
        table.fail("needs a name", "attribute")
    field = Field(
        name=name,
        quantity=quantity,
        kind=kind,
        step=whole_step,
        offset=whole_offset,
        low=limits[0],
        high=limits[1],
        items=items,
        clip=table.take("clip", bool, False),
        words=words,
        source=source,
        attribute=attribute,
    )
    table.done()
    return field


def _check_source(
    table: Table, source: str, kind: Kind, quantity: Quantity, quantities: Mapping[str, Quantity]
) -> None:
    if source not in SOURCES:
        table.fail(f"{source!r} is none of {', '.join(sorted(SOURCES))}", "source")
    given = quantities[SOURCES[source]]
    if kind is not Kind.NUMBER or (given.unit, given.per_unit) != (quantity.unit, quantity.per_unit):
        table.fail(f"{source} gives single numbers of {given.name}, not {quantity.name}", "source")


def _whole(table: Table, key: str, value: Fraction, reason: str) -> int:
    if value.denominator != 1:
        table.fail(reason, key)
    return int(value)


def _check_split(top: Table, split: Mapping[str, Any], fields: tuple[Field, ...]) -> None:
    if not split:
        return
    if not any(f.kind.is_column for f in fields):
        top.fail("there is no column to split", "split")
    if not any(f.name == "age" for f in fields):
        top.fail("needs the extension age: an older part must say how old it is", "split")
    if set(split) == {"step_min"} and isinstance(split["step_min"], int) and split["step_min"] > 0:
        return
    if set(split) == {"step"} and split["step"] in [f.name for f in fields]:
        return
    top.fail("is { step_min = minutes } or { step = name of the field with the minutes }", "split")


def _check_size(top: Table, profile: Profile) -> None:
    for what, size in (("", profile.largest), (" with all extensions", profile.largest_extended)):
        if size > MAX_PAYLOAD_BYTES:
            advice = "shorten it" if profile.split else "shorten it or add a split rule"
            top.fail(f"may take {size} bytes{what}, {MAX_PAYLOAD_BYTES} are possible; {advice}", "field")


def _privacy_class(top: Table) -> int:
    value = top.take("privacy_class", int)
    if value not in (0, 1, 2):
        top.fail("is 0 (no personal relation), 1 or 2 (restrictions)", "privacy_class")
    return int(value)


def _interval(top: Table) -> Mapping[str, Any]:
    interval = top.take("interval_s", dict, {})
    if not interval:
        return {}
    table = Table(top.file, "interval_s", interval)
    low, high = table.range("range")
    default = table.take("default", int)
    if not low <= default <= high:
        table.fail(f"{default} is not in {low}..{high}", "default")
    table.done()
    return {"default": default, "range": [int(low), int(high)]}


def _downlinks(top: Table, commands: tuple[Command, ...]) -> tuple[str, ...]:
    names = top.take("downlinks", list, [])
    known = [command.name for command in commands]
    for name in names:
        if name not in known:
            top.fail(f"{name!r} is not in commands.toml", "downlinks")
    return tuple(name for name in known if name in names)


def _alarm(table: Table, fields: list[str]) -> Alarm:
    name = table.name()
    field = table.take("field", str)
    if field not in fields:
        table.fail(f"{field!r} is not a field of this profile", "field")
    known = {
        "above", "below", "rise_k_in_5_min", "drop", "samples", "for_s", "missing_for_s",
        "stages", "set_by", "hysteresis_mm", "latency_s",
    }  # fmt: skip
    rule = {}
    for key in list(table.data):
        if key in known:
            rule[key] = _plain(table.take(key, (int, Decimal, str)))
    table.done()
    if not rule:
        table.fail("says nothing")
    return Alarm(name, field, rule)


def _example(table: Table) -> Example:
    title = table.take("title", str)
    report = {key: _plain(value) for key, value in table.take("report", dict).items()}
    text = table.take("hex", str).replace(" ", "")
    try:
        bytes.fromhex(text)
    except ValueError:
        table.fail("is not hexadecimal", "hex")
    table.done()
    return Example(title, report, text)


def _plain(value: Any) -> Any:
    """TOML value to JSON value; the text "null" stands for a missing reading, which TOML cannot say."""
    if value == "null" and isinstance(value, str):
        return None
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value
