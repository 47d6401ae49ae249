"""What is known about a board: its page in `firmware/boards/<name>/facts.py`, read as it is."""

from __future__ import annotations

import importlib
from types import ModuleType

from provisioning.errors import SettingsError


def board_facts(board: str) -> ModuleType:
    """The facts module of a board. SettingsError names the boards there are."""
    try:
        return importlib.import_module(f"firmware.boards.{board}.facts")
    except ModuleNotFoundError:
        raise SettingsError("board-unknown", board=board, known=", ".join(known_boards())) from None


def known_boards() -> list[str]:
    """Names of all boards that have a page of facts."""
    from importlib.resources import files

    root = files("firmware.boards")
    return sorted(entry.name for entry in root.iterdir() if entry.joinpath("facts.py").is_file())
