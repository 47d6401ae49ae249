"""Documentation pages of the profiles, in English (`name.md`) and German (`name.de.md`)."""

import json
from typing import Any

from firmware.payload.report import Catalog
from provisioning.codec.explain import explain
from provisioning.codec.loader import FLAG_WORDS
from provisioning.codec.schema import Command, Field, Kind, Profile, Schema

_WORDS: dict[str, dict[str, str]] = {
    "en": {
        "profiles": "Profiles",
        "intro": "Each profile is one file in `firmware/payload/profiles/`; everything else is generated from it, "
        "this page too. The FPort names the profile. A report is one CBOR array; what stands where never changes.",
        "privacy": "Privacy class",
        "interval": "Report interval",
        "usual": "usual",
        "fields": "Fields",
        "place": "Place",
        "name": "Name",
        "quantity": "Quantity",
        "unit": "Unit",
        "value": "Value",
        "range": "Wire range",
        "bytes": "Bytes, at most",
        "extension": "extension",
        "extensions": "Places from {first} on are extensions: a report carries them only when there is something to "
        "say, and place {flags} then holds the flags, 0 included.",
        "null": "`null` means: the sensor is fitted, but gave no valid reading.",
        "split": "A report that is too long for the present data rate is split: newest readings first, older parts "
        "carry their age and the flag `late`.",
        "alarms": "Alarms",
        "rule": "Rule",
        "downlinks": "Commands it takes",
        "key": "Key",
        "example": "Byte by byte",
        "meaning": "Meaning",
        "flags": "Flags",
        "bit": "Bit",
        "word": "Word",
        "commands": "Commands",
        "size": "bytes",
        "model": "Smart Data Model",
        "attribute": "Attribute",
        "map": "A map: the key of each value is its place in the table. Only what there is to say is sent.",
        "answer": "`[seq, 0]`: carried out; `[seq, 0, hash]`: carried out, with the hash of the configuration now in "
        "force; `[seq, [[key, code], ...]]`: nothing was carried out, for these reasons.",
    },
    "de": {
        "profiles": "Profile",
        "intro": "Jedes Profil ist eine Datei in `firmware/payload/profiles/`; alles andere wird daraus erzeugt, auch "
        "diese Seite. Der FPort nennt das Profil. Eine Meldung ist ein CBOR-Array; was wo steht, ändert sich nie.",
        "privacy": "Datenschutzklasse",
        "interval": "Meldeintervall",
        "usual": "üblich",
        "fields": "Felder",
        "place": "Platz",
        "name": "Name",
        "quantity": "Messgröße",
        "unit": "Einheit",
        "value": "Wert",
        "range": "Bereich auf dem Funkweg",
        "bytes": "Bytes, höchstens",
        "extension": "Erweiterung",
        "extensions": "Ab Platz {first} stehen Erweiterungen: Eine Meldung enthält sie nur, wenn es etwas zu sagen "
        "gibt; auf Platz {flags} stehen dann die Merker, auch wenn sie 0 sind.",
        "null": "`null` heißt: Der Sensor ist da, lieferte aber keinen gültigen Wert.",
        "split": "Eine Meldung, die für die jetzige Datenrate zu lang ist, wird geteilt: die neuesten Messungen "
        "zuerst, ältere Teile tragen ihr Alter und den Merker `late`.",
        "alarms": "Alarme",
        "rule": "Regel",
        "downlinks": "Befehle",
        "key": "Schlüssel",
        "example": "Byte für Byte",
        "meaning": "Bedeutung",
        "flags": "Merker",
        "bit": "Bit",
        "word": "Wort",
        "commands": "Befehle",
        "size": "Bytes",
        "model": "Smart Data Model",
        "attribute": "Attribut",
        "map": "Eine Map: Der Schlüssel jedes Wertes ist sein Platz in der Tabelle. Gesendet wird nur, was da ist.",
        "answer": "`[seq, 0]`: ausgeführt; `[seq, 0, Hash]`: ausgeführt, mit dem Hash der nun geltenden Konfiguration; "
        "`[seq, [[Schlüssel, Code], ...]]`: nichts wurde ausgeführt, aus diesen Gründen.",
    },
}
_SUFFIX = {"en": ".md", "de": ".de.md"}


def pages(schema: Schema, catalog: Catalog) -> dict[str, str]:
    """Return file name -> Markdown."""
    made = {}
    for language, suffix in _SUFFIX.items():
        made["index" + suffix] = _index(schema, language)
        for profile in schema.profiles:
            made[profile.name + suffix] = _page(profile, schema, catalog, language)
    return made


def _index(schema: Schema, language: str) -> str:
    words = _WORDS[language]
    rows = [
        [f"[{p.name}]({p.name}.md)", str(p.fport), p.title[language], p.about[language], p.model]
        for p in schema.profiles
    ]
    parts = [
        f"# {words['profiles']}\n\n{words['intro']}\n",
        _table([words["name"], "FPort", "", "", words["model"]], rows),
        f"## {words['flags']}\n",
        _table([words["bit"], words["word"]], [[str(i), f"`{word}`"] for i, word in enumerate(FLAG_WORDS)]),
        f"## {words['commands']}\n\nFPort {schema.command_fport}: `[seq, {{key: value}}]`\n",
        _table([words["key"], words["name"], "", words["range"]], [_command(c, language) for c in schema.commands]),
    ]
    return "\n".join(parts)


def _page(profile: Profile, schema: Schema, catalog: Catalog, language: str) -> str:
    words = _WORDS[language]
    facts = [
        f"FPort {profile.fport}",
        f"{words['privacy']} {profile.privacy_class}",
        f"{words['model']} `{profile.model}`",
    ]
    if profile.interval_s:
        low, high = profile.interval_s["range"]
        usual = profile.interval_s["default"]
        facts.append(f"{words['interval']} {low}..{high} s ({words['usual']} {usual} s)")
    parts = [f"# {profile.title[language]} (`{profile.name}`)\n\n{profile.about[language]}\n\n{' · '.join(facts)}\n"]
    parts += _fields(profile, words, language)
    if profile.alarms:
        rows = [[f"`{a.name}`", f"`{a.field}`", _rule(dict(a.rule))] for a in profile.alarms]
        parts += [f"## {words['alarms']}\n", _table([words["name"], words["value"], words["rule"]], rows)]
    if profile.downlinks:
        chosen = [_command(c, language) for c in schema.commands if c.name in profile.downlinks]
        head = [words["key"], words["name"], "", words["range"]]
        parts += [f"## {words['downlinks']}\n", _table(head, chosen)]
    parts.append(f"## {words['example']}\n")
    for example in profile.examples:
        data = bytes.fromhex(example.hex)
        rows = [
            [f"`{piece.hex}`", piece.name, "" if piece.value is None and piece.name == "result" else _json(piece.value)]
            for piece in explain(catalog, profile.fport, data)
        ]
        parts.append(f"`{example.hex}` ({len(data)} {words['size']}): {example.title}\n")
        parts.append(_table(["", words["meaning"], words["value"]], rows))
    return "\n".join(parts)


def _fields(profile: Profile, words: dict[str, str], language: str) -> list[str]:
    parts = [f"## {words['fields']}\n"]
    if profile.layout == "answer":
        return [*parts, f"{words['answer']}\n"]
    if profile.layout == "map":
        parts.append(f"{words['map']}\n")
    rows = []
    for i, field in enumerate(profile.fields):
        place = i if profile.layout == "map" or i < profile.base else i + 1
        rows.append(_field(place, field, language))
    head = [words[key] for key in ("place", "name", "quantity", "unit", "value", "range", "bytes", "attribute")]
    parts.append(_table(head, rows))
    parts.append(f"{words['null']}\n")
    if 0 <= profile.base < len(profile.fields):
        parts.append(f"{words['extensions'].format(first=profile.base + 1, flags=profile.base)}\n")
    if profile.split:
        parts.append(f"{words['split']}\n")
    return parts


def _field(place: int, field: Field, language: str) -> list[str]:
    value = field.formula
    if field.kind is Kind.CHOICE:
        value = ", ".join(f"{i} {word}" for i, word in enumerate(field.words))
    elif field.kind is not Kind.NUMBER:
        value = f"{field.kind.name.lower()}, {value}" if field.kind.is_column else field.kind.name.lower()
    limits = f"{field.items} B" if field.kind is Kind.BYTES else f"{field.low}..{field.high}"
    name = field.attribute.get("name", "")
    title = field.quantity.title[language]
    return [
        str(place),
        f"`{field.name}`",
        title,
        field.quantity.unit,
        value,
        limits,
        str(field.largest),
        name and f"`{name}`",
    ]


def _command(command: Command, language: str) -> list[str]:
    limits = ", ".join(f"{p.low}..{p.high}" for p in command.parts)
    text = f"[{limits}]" if len(command.parts) > 1 else limits
    return [str(command.key), f"`{command.name}`", command.title[language], f"{text} {command.unit}".rstrip()]


def _rule(rule: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in rule.items())


def _json(value: Any) -> str:
    return f"`{json.dumps(value, ensure_ascii=False)}`" if not isinstance(value, str) else value


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"
