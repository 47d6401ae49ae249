"""The tables that nodes import: `firmware/payload/tables/<profile>.py` and `tables/commands.py`."""

from provisioning.codec.schema import Command, Kind, Profile

CLIP = 8  # firmware/payload/encoder.py, _CLIP


def profile_table(profile: Profile, commands: tuple[Command, ...]) -> str:
    """Return the table module of a profile as source text."""
    key_of = {command.name: command.key for command in commands}
    rows = []
    for field in profile.fields:
        kind = Kind(field.kind).on_node + (CLIP if field.clip else 0)
        numbers = f"{kind}, {field.step}, {field.offset}, {field.low}, {field.high}, {field.items},"
        rows.append(f"    {numbers}  # {field.name}")
    spec = "SPEC = (\n" + "\n".join(rows) + "\n)" if rows else "SPEC = ()"
    # Only profiles without code of their own have this name; `firmware/node/main.py` looks for it.
    names = [_text(field.source) for field in profile.fields]
    sources = f"{_tuple('SOURCES', names)}\n" if profile.is_sourced else ""
    return (
        f'"""Profile {profile.name}: {profile.title["en"]}. Made by `spatz payload build` from '
        f'profiles/{profile.name}.toml."""\n\n'
        f'NAME = "{profile.name}"\n'
        f"FPORT = {profile.fport}\n"
        f"{_tuple('FIELDS', [_text(field.name) for field in profile.fields])}\n"
        f"BASE = {profile.base}\n"
        f"AGE = {profile.age}\n"
        f'ABSENT = "absent"\n'
        f"{_tuple('DOWNLINKS', [str(key_of[name]) for name in profile.downlinks])}\n"
        f"{sources}"
        f"# kind, step, offset, low, high, items: see encoder.py\n"
        f"# fmt: off\n"
        f"{spec}\n"
        f"# fmt: on\n"
    )


def command_table(commands: tuple[Command, ...]) -> str:
    """Return the table of command keys: (key, low, high, step), three numbers for each part."""
    rows = []
    for command in commands:
        numbers = [str(command.key)]
        for part in command.parts:
            numbers += [str(part.low), str(part.high), str(part.step)]
        rows.append(f"    ({', '.join(numbers)}),  # {command.name}")
    return (
        '"""Keys of downlink commands. Made by `spatz payload build` from commands.toml."""\n\n'
        "KEYS = (\n" + "\n".join(rows) + "\n)\n"
    )


def _text(name: str) -> str:
    return f'"{name}"'


def _tuple(name: str, items: list[str]) -> str:
    """One constant, wrapped as the formatter wraps it."""
    line = f"{name} = ({', '.join(items)}{',' if len(items) == 1 else ''})"
    if len(line) <= 120:
        return line
    return f"{name} = (\n" + "".join(f"    {item},\n" for item in items) + ")"
