"""CDDL (RFC 8610) of every profile and of commands, one file each, its first rule being the whole payload.

Written so that pycddl and zcbor take it (payload.md section 2, rule 13): the optional tail of an array as choices, one
array each, on a line of its own; no negative bounds. A range with a negative bound is therefore `int` with the range in
a comment. pycddl 0.6 mistakes some valid arrays where an earlier choice failed inside a column; give it only the line
whose length is that of the array, as our tests do.
"""

from provisioning.codec.schema import Command, Field, Kind, Part, Profile, Schema

# How many values of a newer profile the rules let pass; decoders let any number pass.
NEWER_VALUES = 2
_INDENT = "  "
# Names that RFC 8610 appendix D gives a meaning; a field of such a name gets a rule of another.
_PRELUDE = frozenset({
    "any", "uint", "nint", "int", "bstr", "bytes", "tstr", "text", "tdate", "time", "number", "biguint", "bignint",
    "bigint", "integer", "unsigned", "decfrac", "bigfloat", "eb64url", "eb64legacy", "eb16", "encoded-cbor", "uri",
    "b64url", "b64legacy", "regexp", "mime-message", "cbor-any", "float16", "float32", "float64", "float16-32",
    "float32-64", "float", "false", "true", "bool", "nil", "null", "undefined", "report", "flags",
})  # fmt: skip


def documents(schema: Schema) -> dict[str, str]:
    """Return file name -> CDDL."""
    made = {f"{profile.name}.cddl": profile_rules(profile) for profile in schema.profiles}
    made["command.cddl"] = command_rules(schema.commands, schema.command_fport)
    return made


def profile_rules(profile: Profile) -> str:
    """Return the rules of one profile."""
    head = f"; Profile {profile.name}: {profile.title['en']}. FPort {profile.fport}. Made by `spatz payload build`.\n\n"
    if profile.layout == "answer":
        return head + _ANSWER
    if profile.layout == "map":
        members = [f"{_INDENT}? {field.quantity.key}: {_name(field)},\n" for field in profile.fields]
        # Decoders let keys pass that they do not know; saying so here would let wrong values of known keys pass too.
        return head + "report = {\n" + "".join(members) + "}\n\n" + _field_rules(profile.fields)
    names = [_name(field) for field in profile.fields]
    rows = [names[: profile.base]]
    rows += [
        [*names[: profile.base], "flags", *names[profile.base : end]] for end in range(profile.base, len(names) + 1)
    ]
    rows += [rows[-1] + ["any"] * more for more in range(1, NEWER_VALUES + 1)]
    choices = " /\n".join(f"{_INDENT}[{', '.join(row)}]" for row in rows)
    return f"{head}report =\n{choices}\n\n{_field_rules(profile.fields)}flags = 0..65535\n"


def _field_rules(fields: tuple[Field, ...]) -> str:
    lines = []
    for field in fields:
        rule, comment = _rule(field)
        unit = field.quantity.unit
        remark = "; ".join(part for part in (comment, f"{field.formula} in {unit}" if unit else "") if part)
        lines.append(f"{_name(field)} = {rule}" + (f" ; {remark}" if remark else "") + "\n")
    return "".join(lines)


def _name(field: Field) -> str:
    return f"{field.name}-value" if field.name in _PRELUDE else field.name


def _rule(field: Field) -> tuple[str, str]:
    if field.kind is Kind.BOOL:
        return "bool / null", ""
    if field.kind is Kind.BYTES:
        return f"bstr .size {field.items} / null", ""
    if field.kind is Kind.COUNTS:
        rule = f"null / bstr .size (1..{field.items}) / [1*{field.items} (uint / null)]"
        return rule, f"{field.low}..{field.high}; bytes where that is shorter"
    if field.kind is Kind.SERIES:
        sums = f"{field.low}..{field.high}"
        return f"null / [1*{field.items} (int / null)]", f"the first, then steps; sums {sums}"
    if field.kind is Kind.LIST:
        item = "uint" if field.low >= 0 else "int"
        return f"null / [1*{field.items} ({item} / null)]", f"{field.low}..{field.high}"
    rule, comment = _number(field.low, field.high)
    words = ", ".join(f"{i} {word}" for i, word in enumerate(field.words))
    return f"{rule} / null", comment or words


def _number(low: int, high: int) -> tuple[str, str]:
    if low < 0:
        return "int", f"{low}..{high}"
    return f"{low}..{high}", ""


_ANSWER = """answer =
  [seq, 0] /
  [seq, 0, config] /
  [seq, [1* refusal]]

seq = 0..65535
config = bstr .size 4 ; first bytes of the SHA-256 of the configuration now in force
refusal = [key, code]
key = 0..23
code = 1..255
"""


def command_rules(commands: tuple[Command, ...], fport: int) -> str:
    """Return the rules of downlink commands."""
    members = []
    for command in commands:
        numbers = [_number(part.low, part.high) for part in command.parts]
        rule = numbers[0][0] if len(numbers) == 1 else "[" + ", ".join(n[0] for n in numbers) + "]"
        several = len(numbers) > 1
        limits = [_remark(part, n[1], several) for part, n in zip(command.parts, numbers, strict=True)]
        remark = ", ".join(limits)
        members.append(f"{_INDENT}? {command.key}: {rule}, ; {command.name}: {remark} {command.unit}".rstrip() + "\n")
    return (
        f"; Commands, FPort {fport}; {fport + 1} for a group of lamps. Made by `spatz payload build`.\n\n"
        "command = [seq, settings]\nseq = 0..65535\nsettings = {\n" + "".join(members) + "}\n"
    )


def _remark(part: Part, comment: str, several: bool) -> str:
    limits = comment or f"{part.low}..{part.high}"
    return f"{part.name} {limits}" if several else limits
