"""The JavaScript codec: fixed text (`codec.js`) with the profiles filled in as one literal.

ChirpStack parses the script again for every uplink (payload.md section 5), so its size is processor time there; the
limit is ours. The profiles are data: nothing of the program depends on them.
"""

import json
import re
from importlib.resources import files
from typing import Any

from provisioning.codec.loader import FLAG_WORDS
from provisioning.codec.schema import Command, Field, Kind, Profile, Schema

MAX_CODEC_BYTES = 5000
# Words for the codes of an answer, in the order of firmware/payload/commands.py (1 is the first).
REASONS = ("unknown_key", "wrong_type", "out_of_range", "wrong_step", "wrong_boot", "not_now", "seq_reused")


def codec(schema: Schema) -> str:
    """Return generated/spatz.js."""
    text = files("provisioning.codec").joinpath("codec.js").read_text("utf-8")
    literals = {
        "FLAGS": _literal(list(FLAG_WORDS)),
        "PROFILES": "{" + ",\n".join(f"{p.fport}:{_profile(p)}" for p in schema.profiles if p.layout != "answer") + "}",
        "KEYS": "{" + ",".join(f"{c.name}:{_literal(_command(c))}" for c in schema.commands) + "}",
        "REASONS": _literal(list(REASONS)),
    }
    return re.sub(r"@([A-Z]+)@", lambda match: literals[match[1]], text)


def _profile(profile: Profile) -> str:
    fields = profile.fields if profile.layout == "array" else profile.fields[1:]
    parts: list[Any] = [profile.name, profile.base, [_field(field) for field in fields]]
    if profile.split:
        parts.append(str(next(iter(profile.split.values()))))
    return _literal(parts)


def _field(field: Field) -> list[Any]:
    times, plus, per = field.scale
    last: Any = list(field.words) if field.kind is Kind.CHOICE else field.items
    row = [field.name, int(field.kind), field.low, field.high, per, times, plus, last, int(field.optional)]
    usual = [None, None, None, None, 1, 1, 0, 1, 0]
    while len(row) > 4 and row[-1] == usual[len(row) - 1]:
        row.pop()
    return row


def _command(command: Command) -> list[int]:
    numbers = [command.key]
    for part in command.parts:
        numbers += [part.low, part.high, part.step]
    return numbers


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
