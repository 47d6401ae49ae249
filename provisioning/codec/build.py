"""Build everything that is generated, or check that what is committed equals it."""

import json
from pathlib import Path

from firmware.payload.report import Catalog
from provisioning.codec.catalog import catalog_json
from provisioning.codec.cddl import documents
from provisioning.codec.errors import OutOfDate
from provisioning.codec.javascript import codec
from provisioning.codec.pages import pages
from provisioning.codec.repositories import repository_files
from provisioning.codec.schema import Schema
from provisioning.codec.tables import command_table, profile_table

# Nothing else lives there, so what the generator would not make now is left over from a profile that is gone.
OWN_FOLDERS = ("firmware/payload/tables", "firmware/payload/generated", "docs/profiles")
TABLES_DOC = '"""Tables that nodes import, one module a profile. Made by `spatz payload build`."""\n'


def generate(schema: Schema) -> dict[str, str]:
    """Return all generated files: path below the repository -> text."""
    catalog_text = catalog_json(schema)
    catalog = Catalog(json.loads(catalog_text))
    made = {
        "firmware/payload/tables/__init__.py": TABLES_DOC,
        "firmware/payload/tables/commands.py": command_table(schema.commands),
        "firmware/payload/generated/catalog.json": catalog_text,
        "firmware/payload/generated/spatz.js": codec(schema),
    }
    for profile in schema.profiles:
        made[f"firmware/payload/tables/{profile.module}.py"] = profile_table(profile, schema.commands)
    for folder, files in (
        ("firmware/payload/generated/cddl", documents(schema)),
        ("firmware/payload/generated/repositories", repository_files(schema, catalog)),
        ("docs/profiles", pages(schema, catalog)),
    ):
        made.update({f"{folder}/{name}": text for name, text in files.items()})
    return made


def catalog_of(schema: Schema) -> Catalog:
    """Return the decoder and encoder for the profiles of this schema."""
    return Catalog(json.loads(catalog_json(schema)))


def build(schema: Schema, root: Path) -> list[str]:
    """Write all generated files below `root`; return the paths that changed, removed ones included."""
    changed = []
    made = generate(schema)
    for path, text in made.items():
        file = root / path
        if not file.is_file() or file.read_text("utf-8") != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
            changed.append(path)
    for path in _left_over(made, root):
        (root / path).unlink()
        changed.append(path)
    return changed


def check(schema: Schema, root: Path) -> None:
    """Raise OutOfDate when a generated file below `root` is missing, differs or has no profile any more."""
    made = generate(schema)
    wrong = [
        path for path, text in made.items() if not (root / path).is_file() or (root / path).read_text("utf-8") != text
    ]
    wrong += _left_over(made, root)
    if wrong:
        raise OutOfDate(sorted(wrong))


def _left_over(made: dict[str, str], root: Path) -> list[str]:
    """Files in folders that belong to the generator alone, which it would not make now."""
    found = []
    for folder in OWN_FOLDERS:
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.is_file() and "__pycache__" not in path and path not in made:
                found.append(path)
    return found
