"""The JavaScript codec: fixed text (`codec.js`) with the profiles filled in as data, then shortened.

ChirpStack parses the script again for every uplink (payload.md section 5), so its size is processor time on a small
gateway. Nothing of the program depends on the profiles: a new one adds data only.
"""

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from itertools import product
from string import ascii_letters

from provisioning.codec.loader import FLAG_WORDS
from provisioning.codec.schema import Command, Field, Kind, Part, Schema

MAX_CODEC_BYTES = 5000
HEADER = "// Spatz, from provisioning/codec/codec.js\n"
# Words for the codes of an answer, in the order of firmware/payload/commands.py (1 is the first).
REASONS = ("unknown_key", "wrong_type", "out_of_range", "wrong_step", "wrong_boot", "not_now", "seq_reused")
# What the servers call; everything else may get a short name.
PUBLIC = ("decodeUplink", "encodeDownlink", "decodeDownlink")


def codec(schema: Schema, downlink_decoder: bool = False) -> str:
    """Return generated/spatz.js; with `decodeDownlink`, which only The Things Stack calls, if wanted."""
    places: dict[str, int] = {}
    profiles = {}
    for profile in schema.profiles:
        # Key 0 of a map, the flags, is no field of the codec.
        body = profile.fields[1:] if profile.layout == "map" else profile.fields
        characters = "".join(_character(places.setdefault(field_text(field), len(places))) for field in body)
        step = str(next(iter(profile.split.values()), ""))
        row = [profile.name] if profile.layout == "answer" else [profile.name, str(profile.base), characters, step]
        profiles[profile.fport] = " ".join(row).rstrip()
    data = {
        "FLAGS": " ".join(FLAG_WORDS),
        "FIELDS": ";".join(places),
        "KEYS": key_texts(schema.commands),
        "REASONS": " ".join(REASONS),
        "COMMAND": str(schema.command_fport),
    }
    program = _source("codec.js") + (_source("codec-downlink.js") if downlink_decoder else "")
    rows = ",".join(f"{fport}:{json.dumps(row)}" for fport, row in profiles.items())
    filled = shorten(program.replace("@COMMAND@", data["COMMAND"])).replace('"@PROFILES@"', "{" + rows + "}")
    return HEADER + re.sub(r"@([A-Z]+)@", lambda match: data[match[1]], filled) + "\n"


def field_text(field: Field) -> str:
    """Return a field as the codec reads it; trailing values that are usual are left out."""
    times, plus, per = field.scale
    items = ",".join(field.words) if field.kind is Kind.CHOICE else str(field.items)
    values = [_number(n) for n in (field.high, field.low, per, int(field.kind))] + [
        items,
        _number(plus),
        _number(times),
    ]
    usual = ["65535", "0", "1", "0", "1", "0", "1"]
    row = [field.name] + ["" if value == default else value for value, default in zip(values, usual, strict=True)]
    return " ".join(row).rstrip()


def key_texts(commands: tuple[Command, ...]) -> str:
    """Return the keys as the codec reads them; the place is the key, place 0 the sequence number."""
    texts = ["seq"] + [""] * 23
    for command in commands:
        parts = [_part(part) for part in command.parts]
        parts[1:] = ["" if part == parts[0] else part for part in parts[1:]]
        texts[command.key] = (
            " ".join([command.name, *parts]) if len(parts) > 1 else f"{command.name} {parts[0]}".rstrip()
        )
    return ";".join(texts)


def _part(part: Part) -> str:
    values = ["" if part.high == 65535 else _number(part.high), _number(part.low) if part.low else ""]
    return ",".join([*values, str(part.step) if part.step != 1 else ""]).rstrip(",")


def _number(number: int) -> str:
    """Return the shortest form JavaScript reads as this number: 20000 is 2e4."""
    text = str(number)
    zeros = len(text) - len(text.rstrip("0"))
    return f"{text[:-zeros]}e{zeros}" if zeros > 2 else text


def _character(place: int) -> str:
    # From # on, printable characters; beyond the tilde the ones after the C1 controls.
    return chr(35 + place) if place < 92 else chr(35 + place + 69)


def _source(name: str) -> str:
    return files("provisioning.codec").joinpath(name).read_text("utf-8")


# String, comment, name, number, white space, or any other character.
_TOKEN = re.compile(r'("(?:[^"\\]|\\.)*")|(//[^\n]*)|([A-Za-z_$][\w$]*)|(\d[\w.]*)|(\s+)|(\+\+|--|.)', re.DOTALL)


def shorten(program: str) -> str:
    """Take out comments and white space and give declared names short ones.

    Good for `codec.js` and programs written like it (no regular expressions, no template strings, statements end
    with semicolons), not for JavaScript in general.
    """
    words = [match[0] for match in _TOKEN.finditer(program) if not match[2] and not match[5]]
    short = dict(zip(_declared(words), _short_names(set(words)), strict=False))
    out: list[str] = []
    for i, word in enumerate(words):
        before = words[i - 1] if i else ""
        is_property = before == "." or (before in ("{", ",") and words[i + 1 : i + 2] == [":"])
        text = word if is_property else short.get(word, word)
        if out and _is_word(out[-1][-1]) and _is_word(text[0]):
            out.append(" ")
        elif out and out[-1][-1] in "+-" and text[0] == out[-1][-1]:
            out.append(" ")  # a + +b is not a ++ b
        if text == "}" and out[-1] == ";":
            out.pop()
        out.append(text)
    return "".join(out)


def _is_word(character: str) -> bool:
    return character.isalnum() or character in "_$"


def _declared(words: list[str]) -> list[str]:
    """Names declared by var, function, parameters and catch, the most used first."""
    names: set[str] = set()
    for i, word in enumerate(words):
        if word in ("function", "catch"):
            end = words.index(")", i)
            names.update(name for name in words[i + 1 : end] if _is_word(name[0]))
        elif word == "var":
            names.update(_variables(words[i + 1 :]))
    return sorted(names - set(PUBLIC), key=lambda name: (-words.count(name), name))


def _variables(words: list[str]) -> Iterator[str]:
    """Names of one var statement: the word at its start and after each of its own commas."""
    depth = 0
    before = ","
    for word in words:
        depth += (word in "([{") - (word in ")]}")
        if word == ";" and depth == 0:
            return
        if before == "," and depth == 0:
            yield word
        before = word if depth == 0 else ""


def _short_names(taken: set[str]) -> Iterator[str]:
    for length in (1, 2):
        for letters in product(ascii_letters, repeat=length):
            name = "".join(letters)
            if name not in taken and name not in ("do", "if", "in"):
                yield name
