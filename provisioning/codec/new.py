"""`spatz payload new`: a maker's own profile, written as a commented TOML file that already works.

The file is loaded and its example encoded before anything is written, so what comes out builds at once.
"""

import json
import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from firmware.payload.report import Catalog
from provisioning.codec.catalog import catalog_json
from provisioning.codec.errors import CodecError
from provisioning.codec.loader import SOURCES, load_profile
from provisioning.codec.schema import Quantity, Schema

# Free for makers; the plan of Spatz keeps below (payload.md section 2, rule 12).
FIRST_MAKER_FPORT = 50


@dataclass(frozen=True)
class Wanted:
    """What a maker said about the new profile."""

    name: str
    fport: int
    title: dict[str, str]
    fields: tuple[tuple[str, str, str], ...]  # (name, quantity, source or "")


def free_fport(schema: Schema) -> int:
    """Return the first FPort for makers that no profile uses."""
    taken = {profile.fport for profile in schema.profiles}
    return next(fport for fport in range(FIRST_MAKER_FPORT, 200) if fport not in taken)


def parse_fields(texts: Iterable[str], quantities: Iterable[str]) -> tuple[tuple[str, str, str], ...]:
    """Turn NAME, NAME:QUANTITY or NAME:QUANTITY:SOURCE into triples; a name alone must be a quantity."""
    known = sorted(quantities)
    triples = []
    for text in texts:
        name, _, rest = text.partition(":")
        quantity, _, source = rest.partition(":")
        quantity = quantity or name
        if quantity not in known:
            raise CodecError(f"there is no quantity {quantity!r}; there are: {', '.join(known)}")
        triples.append((name, quantity, source))
    return tuple(triples)


def create(schema: Schema, wanted: Wanted, folder: Path, test_folder: Path) -> list[Path]:
    """Write `<name>.toml` into `folder` and its test into `test_folder`; return both paths.

    Raises CodecError when the name or FPort is taken, ProfileError when the profile cannot work.
    """
    file = folder / f"{wanted.name}.toml"
    test = test_folder / f"test_profile_{wanted.name.replace('-', '_')}.py"
    for other in schema.profiles:
        if wanted.fport == other.fport:
            raise CodecError(f"FPort {wanted.fport} is taken by profile {other.name}; {free_fport(schema)} is free")
        if wanted.name == other.name:
            raise CodecError(f"there is a profile {wanted.name} already")
    if file.exists() or test.exists():
        raise CodecError(f"{file.name} or its test is there already; nothing is overwritten")
    report = {name: _example_value(schema.quantities[quantity]) for name, quantity, _ in wanted.fields}
    folder.mkdir(parents=True, exist_ok=True)
    text = _template(wanted, schema, report, "00")
    file.write_text(text, "utf-8")
    try:
        profile = load_profile(file, schema.quantities, schema.commands)
        one = Schema(schema.quantities, schema.commands, (profile,), schema.command_fport)
        _, data = Catalog(json.loads(catalog_json(one))).encode(wanted.name, report)
    except Exception:
        file.unlink()
        raise
    file.write_text(_template(wanted, schema, report, data.hex()), "utf-8")
    test_folder.mkdir(parents=True, exist_ok=True)
    test.write_text(_test(wanted, os.path.relpath(file, test_folder), data.hex()), "utf-8")
    return [file, test]


def _example_value(quantity: Quantity) -> float | int:
    """A value in the lower third of the range, in whole units, as a first example."""
    middle = int(quantity.low + (quantity.high - quantity.low) / 3)
    return max(middle, int(-(-quantity.low // 1)))


def _template(wanted: Wanted, schema: Schema, report: dict[str, Any], data_hex: str) -> str:
    fields = "\n".join(
        _field_text(name, schema.quantities[quantity], source) for name, quantity, source in wanted.fields
    )
    values = ", ".join(f"{name} = {value}" for name, value in report.items())
    german, english = (json.dumps(wanted.title[language], ensure_ascii=False) for language in ("de", "en"))
    return f"""\
# Profile {wanted.name}. Everything else is made from this file: `spatz payload build`.
# Once nodes are in the street, order and meaning of the fields are fixed: append as [[extension]], or take a new FPort.
name = "{wanted.name}"
fport = {wanted.fport}
title = {{ de = {german}, en = {english} }}
about = {{ de = {german}, en = {english} }}
# 0: nothing to do with persons; 1: position public, no identifiers; 2: restrictions, see docs on privacy.
privacy_class = 1
# Entity type of the Smart Data Models, if there is one that fits: https://smartdatamodels.org
model = "Device"
interval_s = {{ default = 900, range = [60, 86400] }}
downlinks = ["interval", "sample_interval", "identify", "reboot", "status"]

# Fields of version 1, in the order in which they are sent; null is sent when a sensor fails. For each:
#   quantity   a name of quantities.toml, which gives the unit
#   step       resolution on the air, in the unit; coarser is shorter
#   range      limits of the value; a byte is saved where the wire value stays below 24, 256 or 65536
#   clip       true: a value beyond the range is sent as the limit; else it is sent as null
#   source     the driver that gives the value: {", ".join(sorted(SOURCES))}
#              With a source for every field the node needs no code of its own for this profile.
{fields}
# Sent only when there is something to say. `age` is needed if reports may be sent late.
[[extension]]
name = "age"
quantity = "age"
clip = true

# A report and its bytes: documentation, and the test of this profile.
[[example]]
title = "typical"
report = {{ {values} }}
hex = "{data_hex}"
"""


def _field_text(name: str, quantity: Quantity, source: str) -> str:
    step = float(1 / quantity.per_unit) if quantity.per_unit > 1 else 1
    low, high = (float(n) if n.denominator > 1 else int(n) for n in (quantity.low, quantity.high))
    return (
        f'[[field]]\nname = "{name}"\nquantity = "{quantity.name}" # {quantity.title["en"]} {quantity.unit}'.rstrip()
        + f"\nstep = {step}\nrange = [{low}, {high}]\n"
        + (f'source = "{source}"\n' if source else '# source = ""\n')
    )


def _test(wanted: Wanted, file: str, data_hex: str) -> str:
    return f'''\
"""Profile {wanted.name}: what the node sends is what people read. Started from `spatz payload new`."""

from pathlib import Path

from provisioning.codec.build import catalog_of
from provisioning.codec.loader import load_with

PROFILE = Path(__file__).parent / "{file}"


def test_the_example_of_{wanted.name.replace("-", "_")}_survives_the_air():
    catalog = catalog_of(load_with(PROFILE))

    report = catalog.decode({wanted.fport}, bytes.fromhex("{data_hex}"))

    assert catalog.encode("{wanted.name}", dict(report)) == ({wanted.fport}, bytes.fromhex("{data_hex}"))
'''
