"""`spatz-bench`: the bench's commands. Each lives beside its part; this file only names them."""

from __future__ import annotations

from importlib import import_module

import rich_click as click

_COMMANDS = {
    "demo": ("bench.demo.command", "demo"),
    "board": ("bench.boards.command", "board"),
    "air": ("bench.air.command", "air"),
    "server": ("bench.server.command", "server"),
}


class _Lazy(click.RichGroup):
    """Loads a command's module only when it is called: the bench's parts are heavy, `--help` is not."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module, attribute = _COMMANDS[cmd_name]
        command = getattr(import_module(module), attribute)
        if not isinstance(command, click.Command):
            raise TypeError(f"{module}.{attribute} is no command")
        return command


@click.group(cls=_Lazy)
def main() -> None:
    """Virtual boards, virtual air, a stand-in network server: Spatz without hardware."""


if __name__ == "__main__":
    main()
