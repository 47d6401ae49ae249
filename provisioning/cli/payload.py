"""`spatz payload`: encode and decode reports, build what is generated from the profiles, make new ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import rich_click as click

from provisioning.cli.options import new_session, output_options
from provisioning.cli.output import Output
from provisioning.errors import SettingsError, SpatzError

if TYPE_CHECKING:
    from firmware.payload.report import Catalog
    from provisioning.codec.schema import Schema

_NEW_FOLDER = click.Path(file_okay=False, path_type=Path)
_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_profiles = click.option("--profiles", type=_FOLDER, help="A folder with more profiles (TOML) than those of Spatz.")


@click.group()
def payload() -> None:
    """Encode, decode and build payload profiles."""


@payload.command()
@click.argument("fport", type=int)
@click.argument("data", metavar="HEX")
@click.option("--model", is_flag=True, help="Names and units of the Smart Data Models.")
@click.option("--bytes", "pieces", is_flag=True, help="What stands in which bytes.")
@click.option("--received", metavar="TIME", help="Reception time (ISO 8601 with zone); gives the time of observation.")
@_profiles
@output_options
@click.pass_obj
def decode(output: Output, /, fport: int, data: str, profiles: Path | None, **options: Any) -> None:
    """Decode the uplink HEX that came on FPORT."""
    model, pieces, received = (options.pop(name) for name in ("model", "pieces", "received"))
    new_session(output, **options)
    with _in_words():
        catalog = _catalog(profiles)
        raw = _bytes(data)
        report = catalog.decode(fport, raw, _time(received))
        if pieces:
            from provisioning.codec.explain import explain

            found = explain(catalog, fport, raw)
            output.event({"pieces": [{"hex": p.hex, "name": p.name, "value": p.value} for p in found]})
            output.table([[p.hex, p.name, _shown(p.value)] for p in found])
            return
    found_data = report.model() if model else report.data()
    output.event(found_data)
    units = {} if model else report.units()
    output.table([[name, f"{_shown(value)} {units.get(name, '')}".rstrip()] for name, value in found_data.items()])


@payload.command()
@click.argument("profile")
@click.argument("report", metavar="JSON")
@click.option("--flags", type=click.IntRange(0, 65535), default=0, help='Flags as a number; or "flags" in the report.')
@click.option("--limit", type=click.IntRange(1, 242), default=51, help="Largest frame; a batch is split (usual: 51).")
@_profiles
@output_options
@click.pass_obj
def encode(output: Output, /, profile: str, report: str, profiles: Path | None, **options: Any) -> None:
    """Encode a report of PROFILE, given as JSON with names and units as `decode` prints them."""
    flags, limit = options.pop("flags"), options.pop("limit")
    new_session(output, **options)
    with _in_words():
        try:
            values = json.loads(report)
        except ValueError as error:
            raise SettingsError("payload-refused", reason=f"the report is no JSON: {error}") from None
        if not isinstance(values, dict):
            raise SettingsError("payload-refused", reason="the report must be a JSON object")
        fport, parts = _catalog(profiles).encode_parts(profile, values, flags, limit)
    for part in parts:
        output.event({"fport": fport, "hex": part.hex(), "bytes": len(part)})
        output.line(f"{fport} {part.hex()}")


@payload.command()
@click.option("--root", type=_NEW_FOLDER, help="Where to write (usual: the source tree of Spatz).")
@_profiles
@output_options
@click.pass_obj
def build(output: Output, /, root: Path | None, profiles: Path | None, **options: Any) -> None:
    """Write everything that is generated: node tables, codec, CDDL, examples, documentation."""
    from provisioning.codec.build import build as build_all

    new_session(output, **options)
    with _in_words():
        changed = build_all(_schema(profiles), root or _source_tree())
    output.event({"event": "built", "changed": changed})
    for path in changed:
        output.line(path)


@payload.command()
@click.option("--root", type=_FOLDER, help="What to check (usual: the source tree of Spatz).")
@_profiles
@output_options
@click.pass_obj
def check(output: Output, /, root: Path | None, profiles: Path | None, **options: Any) -> None:
    """Fail if what is committed differs from what the profiles say."""
    from provisioning.codec.build import check as check_all

    new_session(output, **options)
    with _in_words():
        schema = _schema(profiles)
        check_all(schema, root or _source_tree())
    output.event({"event": "checked", "profiles": len(schema.profiles)})
    output.line(f"{len(schema.profiles)} profiles, nothing to build")


@payload.command()
@output_options
@click.pass_obj
def sizes(output: Output, /, **options: Any) -> None:
    """Compare our bytes and time on the air with other formats, for the eight reference uplinks."""
    from provisioning.codec.sizes import REFERENCE, compare

    new_session(output, **options)
    with _in_words():
        rows = compare(_schema(None))
    for row in rows:
        output.event(
            {
                "format": row.name,
                "bytes": dict(zip(REFERENCE, row.sizes, strict=True)),
                "sum": row.total,
                "airtime_ms": {f"SF{sf}": row.airtimes_ms(sf) for sf in (7, 12)},
            }
        )
    output.table([["bytes", *REFERENCE, "sum"], *([r.name, *map(str, r.sizes), str(r.total)] for r in rows)])
    for sf in (7, 12):
        output.line("")
        head = [f"ms at SF{sf}", *REFERENCE]
        output.table([head, *([r.name, *("-" if t is None else str(t) for t in r.airtimes_ms(sf))] for r in rows)])
    output.note("'-': more than 51 bytes, impossible at the slow data rates")


@payload.command()
@click.argument("name")
@click.option("--fport", type=click.IntRange(1, 223), help="FPort (usual: the first free from 50 on).")
@click.option(
    "--field", "fields", multiple=True, metavar="NAME[:QUANTITY[:SOURCE]]", help="A value of the report; repeat."
)
@click.option("--title-en", help="English title.")
@click.option("--title-de", help="German title.")
@click.option("--folder", type=_NEW_FOLDER, help="Where to put the profile.")
@click.option("--test-folder", type=_NEW_FOLDER, help="Where to put its test.")
@output_options
@click.pass_obj
def new(output: Output, /, name: str, **options: Any) -> None:
    """Make a profile NAME: a commented file, ready to build, and its test. Asks for what is not given."""
    from provisioning.codec.loader import payload_dir
    from provisioning.codec.new import Wanted, create, free_fport, parse_fields

    asked = {key: options.pop(key) for key in ("fport", "fields", "title_en", "title_de", "folder", "test_folder")}
    new_session(output, **options)
    with _in_words():
        folder = asked["folder"] or payload_dir() / "profiles"
        schema = _schema(asked["folder"] if asked["folder"] and asked["folder"].is_dir() else None)
        fport = asked["fport"] or free_fport(schema)
        fields = parse_fields(asked["fields"] or _ask_fields(output, schema), schema.quantities)
        title_en = asked["title_en"] or click.prompt("Title (English)", default=name, err=True)
        title_de = asked["title_de"] or click.prompt("Titel (Deutsch)", default=title_en, err=True)
        wanted = Wanted(name, fport, {"de": title_de, "en": title_en}, fields)
        test_folder = asked["test_folder"] or (asked["folder"] or _source_tree() / "tests" / "firmware" / "payload")
        written = create(schema, wanted, folder, test_folder)
    output.event({"event": "created", "fport": fport, "files": [str(path) for path in written]})
    for path in written:
        output.line(str(path))
    output.note("Edit it, then: spatz payload build")


def _ask_fields(output: Output, schema: Schema) -> Iterator[str]:
    output.note(
        "Quantities: " + ", ".join(f"{q.name} ({q.unit})" if q.unit else q.name for q in schema.quantities.values())
    )
    while True:
        text = click.prompt("Field, NAME[:QUANTITY[:SOURCE]] (empty: done)", default="", show_default=False, err=True)
        if not text:
            return
        yield text.strip()


@contextmanager
def _in_words() -> Iterator[None]:
    """Turn what codec and payload raise into what people read."""
    from firmware.payload.errors import PayloadError
    from provisioning.codec.errors import CodecError, OutOfDate, ProfileError

    try:
        yield
    except ProfileError as error:
        raise SettingsError("payload-profile", file=error.file, field=error.field, reason=error.reason) from None
    except OutOfDate as error:
        raise SpatzError("payload-outdated", files=", ".join(error.files)) from None
    except (CodecError, PayloadError) as error:
        raise SettingsError("payload-refused", reason=str(error)) from None


def _schema(profiles: Path | None) -> Schema:
    from provisioning.codec.loader import load

    return load(more_profiles=profiles)


def _catalog(profiles: Path | None) -> Catalog:
    from firmware.payload.report import default

    if profiles is None:
        return default()
    from provisioning.codec.build import catalog_of

    return catalog_of(_schema(profiles))


def _source_tree() -> Path:
    from provisioning.codec.loader import payload_dir

    return payload_dir().parents[1]


def _bytes(text: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError:
        raise SettingsError("payload-refused", reason="the frame is not hexadecimal digits in pairs") from None


def _time(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SettingsError("payload-refused", reason=f"{text} is no ISO 8601 time") from None
    if time.tzinfo is None:
        raise SettingsError("payload-refused", reason=f"{text} has no time zone; add Z or +01:00")
    return time


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
