"""The command `spatz`: a thin skin. What it does is in the modules of `provisioning`, usable without it.

Sub-commands are read when they are called, so that `spatz payload decode` does not wait for gRPC.
"""

from __future__ import annotations

import sys
import traceback
from importlib import import_module

import rich_click as click
from click.exceptions import Exit

from provisioning.cli.output import Output
from provisioning.errors import DEVICE_FAILED, DONE, USAGE, SpatzError
from provisioning.redaction import Redactor

# name -> (module, object, one line for the overview). The line stands here so that the overview reads nothing.
COMMANDS = {
    "provision": ("provisioning.cli.provision", "provision", "The whole chain for one board, from bare to joined."),
    "identify": ("provisioning.cli.provision", "identify", "Step: which board is on the port?"),
    "keys": ("provisioning.cli.provision", "keys", "Step: DevEUI and a new AppKey, kept in the vault."),
    "flash": ("provisioning.cli.provision", "flash", "Step: put the MicroPython image on the board."),
    "deploy": ("provisioning.cli.provision", "deploy", "Step: put software and settings on the board."),
    "key": ("provisioning.cli.provision", "key", "Step: put identity and AppKey on the board."),
    "register": ("provisioning.cli.provision", "register", "Step: make device and key known to the network server."),
    "join": ("provisioning.cli.provision", "join", "Step: start the node and see it join."),
    "label": ("provisioning.cli.provision", "label", "A label with QR code (LoRa Alliance TR005), without any key."),
    "devices": ("provisioning.cli.look", "devices", "The devices of this state directory, and how far each has come."),
    "journal": ("provisioning.cli.look", "journal", "What was done to a device, line by line."),
    "where": ("provisioning.cli.look", "where", "Which line of the source a node's traceback means."),
    "payload": ("provisioning.cli.payload", "payload", "Encode, decode and build payload profiles."),
    "frame": ("provisioning.cli.frame", "frame", "Look into LoRaWAN frames."),
}


class LazyGroup(click.RichGroup):
    """A group that imports a command only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """What the overview shows of a command: its name and line."""
        return click.Command(cmd_name, short_help=COMMANDS[cmd_name][2]) if cmd_name in COMMANDS else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is called, read now."""
        name, command, rest = super().resolve_command(ctx, args)
        if name in COMMANDS:
            module, attribute, _ = COMMANDS[name]
            command = getattr(import_module(module), attribute)
        return name, command, rest


@click.group(cls=LazyGroup, invoke_without_command=True)
@click.version_option(package_name="spatz")
@click.pass_context
def spatz(context: click.Context) -> None:
    """Flash, deploy, create and keep keys, register, and look into frames and payloads of city sensors.

    Exit status: 0 done, 1 some devices failed, 2 usage or settings, 3 environment, 4 network server.
    """
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def run(arguments: list[str] | None = None) -> int:
    """Run the command line and return the exit status. Nothing but this function talks about errors."""
    output = Output(Redactor())
    try:
        spatz.main(arguments, prog_name="spatz", standalone_mode=False, obj=output)
    except SpatzError as error:
        output.error(error)
        return error.exit_code
    except Exit as leave:
        return leave.exit_code
    except click.ClickException as error:
        error.show()
        return USAGE
    except (click.Abort, KeyboardInterrupt):
        return DEVICE_FAILED
    except BrokenPipeError:  # `spatz journal | head`
        return DONE
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        sys.stderr.write(output.redactor.clean_foreign(text))
        output.error(SpatzError("internal", reason=f"{type(error).__name__}"))
        return DEVICE_FAILED
    return DONE


def main() -> None:
    """Entry point of the console script."""
    sys.exit(run())


if __name__ == "__main__":
    main()
