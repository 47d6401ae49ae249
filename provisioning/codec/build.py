"""Build everything that is generated, or check that what is committed equals it."""

from pathlib import Path

from provisioning.codec.catalog import catalog
from provisioning.codec.errors import OutOfDate
from provisioning.codec.javascript import codec
from provisioning.codec.schema import Schema
from provisioning.codec.tables import command_table, profile_table

TABLES_DOC = '"""Tables that nodes import, one module a profile. Made by `spatz payload build`."""\n'


def generate(schema: Schema) -> dict[str, str]:
    """Return all generated files: path below the repository -> text."""
    made = {
        "firmware/payload/tables/__init__.py": TABLES_DOC,
        "firmware/payload/tables/commands.py": command_table(schema.commands),
        "firmware/payload/generated/catalog.json": catalog(schema),
        "firmware/payload/generated/spatz.js": codec(schema),
    }
    for profile in schema.profiles:
        made[f"firmware/payload/tables/{profile.module}.py"] = profile_table(profile, schema.commands)
    return made


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
    folders = ("firmware/payload/tables", "firmware/payload/generated")
    found = []
    for folder in folders:
        for file in sorted((root / folder).rglob("*")):
            path = file.relative_to(root).as_posix()
            if file.is_file() and "__pycache__" not in path and path not in made:
                found.append(path)
    return found
