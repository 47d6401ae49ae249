"""The registries that all profiles share: quantities.toml and commands.toml."""

from pathlib import Path

from provisioning.codec.schema import Command, Part, Quantity
from provisioning.codec.toml_table import Table, read

COMMAND_FPORT = 40  # firmware/payload/commands.py


def load_quantities(file: Path) -> dict[str, Quantity]:
    """Load the registry of quantities."""
    quantities: dict[str, Quantity] = {}
    keys: dict[int, str] = {}
    for name, data in read(file).data.items():
        table = Table(file, name, data)
        low, high = table.range("range")
        key = table.take("key", int, None)
        if key is not None:
            if not 0 <= key <= 23:
                table.fail(f"{key} is not one byte on the air (0..23)", "key")
            if key in keys:
                table.fail(f"{key} is taken by {keys[key]}", "key")
            keys[key] = name
        per_unit = table.take("per_unit", int)
        if per_unit < 1:
            table.fail("must be at least 1", "per_unit")
        quantities[name] = Quantity(
            name=name,
            unit=table.take("unit", str),
            per_unit=per_unit,
            low=low,
            high=high,
            key=key,
            title=table.texts("title"),
            senml=table.take("senml", str, ""),
            ucum=table.take("ucum", str, ""),
            unece=table.take("unece", str, ""),
        )
        table.done()
    return quantities


def load_commands(file: Path) -> tuple[Command, ...]:
    """Load the keys of downlink commands, sorted by key."""
    top = read(file)
    if top.take("fport", int) != COMMAND_FPORT or top.take("group_fport", int) != COMMAND_FPORT + 1:
        top.fail(f"commands go to {COMMAND_FPORT}, groups to {COMMAND_FPORT + 1}: nodes are built for it", "fport")
    commands: dict[int, Command] = {}
    for name, data in top.take("command", dict).items():
        table = Table(file, f"command {name}", data)
        key = table.take("key", int)
        if not 0 <= key <= 23:
            table.fail(f"{key} is not one byte on the air (0..23)", "key")
        if key in commands:
            table.fail(f"{key} is taken by {commands[key].name}", "key")
        if name in ("seq", "group"):
            table.fail("this name has a meaning of its own in a command")
        parts = [_part(part, part.take("name", str)) for part in table.tables("parts")]
        if not parts:
            parts = [_part(table, name)]
        commands[key] = Command(
            name=name,
            key=key,
            parts=tuple(parts),
            title=table.texts("title"),
            unit=table.take("unit", str, ""),
            guard=table.take("guard", str, ""),
        )
        table.done()
    top.done()
    return tuple(commands[key] for key in sorted(commands))


def _part(table: Table, name: str) -> Part:
    low, high = table.range("value")
    step = table.take("step", int, 1)
    if low.denominator != 1 or high.denominator != 1:
        table.fail("commands carry whole numbers", "value")
    if step < 1 or (high - low) % step:
        table.fail(f"step {step} does not lead from {low} to {high}", "step")
    return Part(name, int(low), int(high), step)
