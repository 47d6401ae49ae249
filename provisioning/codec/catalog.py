"""The catalogue: the same facts as data, for decoders on the host (`firmware/payload/report.py`)."""

import json
from typing import Any

from provisioning.codec.loader import FLAG_WORDS
from provisioning.codec.schema import Command, Field, Profile, Schema


def catalog_json(schema: Schema) -> str:
    """Return generated/catalog.json."""
    data = {
        "flags": list(FLAG_WORDS),
        "profiles": [_profile(profile) for profile in schema.profiles],
        "commands": [_command(command) for command in schema.commands],
    }
    return json.dumps(data, ensure_ascii=False, indent=1) + "\n"


def _profile(profile: Profile) -> dict[str, Any]:
    return {
        "name": profile.name,
        "fport": profile.fport,
        "layout": profile.layout,
        "base": profile.base,
        "age": profile.age,
        "title": dict(profile.title),
        "privacy_class": profile.privacy_class,
        "model": profile.model,
        "interval_s": dict(profile.interval_s),
        "split": dict(profile.split),
        "downlinks": list(profile.downlinks),
        "fields": [_field(field) for field in profile.fields],
    }


def _field(field: Field) -> dict[str, Any]:
    times, plus, per = field.scale
    return {
        "name": field.name,
        "quantity": field.quantity.name,
        "key": field.quantity.key,
        "kind": field.kind.name.lower(),
        "unit": field.quantity.unit,
        "title": dict(field.quantity.title),
        "unit_code": field.quantity.unece,
        "per_unit": field.quantity.per_unit,
        "step": field.step,
        "offset": field.offset,
        "low": field.low,
        "high": field.high,
        "times": times,
        "plus": plus,
        "per": per,
        "items": field.items,
        "clip": field.clip,
        "words": list(field.words),
        "attribute": {key: _number(value) for key, value in field.attribute.items()},
    }


def _number(value: Any) -> Any:
    """Numbers of attributes come as Decimal out of TOML."""
    return float(value) if hasattr(value, "as_tuple") else value


def _command(command: Command) -> dict[str, Any]:
    return {
        "name": command.name,
        "key": command.key,
        "unit": command.unit,
        "guard": command.guard,
        "title": dict(command.title),
        "parts": [{"name": p.name, "low": p.low, "high": p.high, "step": p.step} for p in command.parts],
    }
