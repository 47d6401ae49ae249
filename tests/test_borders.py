"""Borders that import-linter cannot see, because the modules they speak of exist on boards only."""

import ast
from pathlib import Path

import firmware

FIRMWARE = Path(firmware.__path__[0])
BOARD_ONLY = {"machine", "esp32", "rp2"}
STOCK_DRIVERS = {"onewire", "ds18x20"}
WIRING = {"wiring.py", "alone.py"}  # of a node, and of a program that uses the stack alone


def imported(path: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names.add((node.module or "").split(".")[0])
    return names


def test_only_wiring_imports_what_exists_on_boards_alone():
    offenders = {
        str(path.relative_to(FIRMWARE)): sorted(imported(path) & BOARD_ONLY)
        for path in FIRMWARE.rglob("*.py")
        if path.name not in WIRING and imported(path) & BOARD_ONLY
    }

    elsewhere = {
        str(path.relative_to(FIRMWARE))
        for path in FIRMWARE.rglob("*.py")
        if "boards" not in path.parts and imported(path) & STOCK_DRIVERS
    }

    assert offenders == {}
    assert elsewhere == set()
    assert any(imported(path) & BOARD_ONLY for path in FIRMWARE.rglob("wiring.py"))


def test_device_code_uses_nothing_that_micropython_lacks():
    lacking = {"typing", "dataclasses", "enum", "pathlib", "__future__", "abc", "functools", "itertools"}
    host_only = {"report.py", "fields.py", "explain.py"}  # of payload and lorawan, never deployed
    offenders = {
        str(path.relative_to(FIRMWARE)): sorted(imported(path) & lacking)
        for path in FIRMWARE.rglob("*.py")
        if path.name not in host_only and imported(path) & lacking
    }

    assert offenders == {}
