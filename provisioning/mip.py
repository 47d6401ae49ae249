"""Package descriptions for MicroPython's installer `mip`, from the imports of the tree.

    python -m provisioning.mip                  writes them into the root of the repository; a test keeps them current
    python -m provisioning.mip --compiled DIR   writes them and all modules as .mpy files into DIR, for a web server

`mip` copies what "urls" names, [place on the board, source], relative to the description. A board compiles .py files
when it imports them, which takes four times their memory for a moment; .mpy files fit MicroPython from 1.20 on.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import tomllib
from importlib import import_module
from pathlib import Path

from provisioning import bundle
from provisioning.redaction import Redactor

_LORAWAN = "firmware.lorawan"
_HOST_ONLY = ("explain", "memory_store")


def packages(root: Path) -> dict[str, list[str]]:
    """Name of each description, and the modules from which its imports start."""
    lorawan = (path.stem for path in sorted((root / "firmware/lorawan").glob("*.py")))
    regions = sorted((root / "firmware/lorawan/regions").glob("[a-z]*.py"))
    applications = sorted((root / "firmware/lorawan/packages").glob("[a-z]*.py"))
    return {
        "package.json": [
            "firmware.boards.alone",
            "firmware.radio.self_check",
            *_boards_with_a_radio_chip(root),
            *(f"{_LORAWAN}.{name}" for name in lorawan if name not in {"__init__", *_HOST_ONLY}),
            *(f"{_LORAWAN}.regions.{path.stem}" for path in regions),
            *(f"{_LORAWAN}.packages.{path.stem}" for path in applications),
        ],
        "package-class-a.json": [
            "firmware.node.clock",
            "firmware.radio.sx126x",
            f"{_LORAWAN}.device",
            f"{_LORAWAN}.identity",
            f"{_LORAWAN}.store",
            f"{_LORAWAN}.mac",
            f"{_LORAWAN}.regions.eu868",
        ],
    }


def describe(modules: list[str], root: Path, suffix: str = ".py") -> str:
    """The description of all that these modules lead to, as JSON text; its files end in `suffix`."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    files = (_file(module, root).with_suffix(suffix).as_posix() for module in bundle.reachable(modules, root))
    return json.dumps({"urls": [[file, file] for file in files], "deps": [], "version": version}, indent=1) + "\n"


def write_compiled(folder: Path, root: Path) -> None:
    """All descriptions and what they name, compiled, into `folder`. Raises ProgramError, BoardError."""
    found = packages(root)
    with tempfile.TemporaryDirectory() as scratch:
        for module in bundle.reachable((module for modules in found.values() for module in modules), root):
            source = _file(module, root)
            code = bundle.compile_module(root / source, source, Path(scratch), Redactor())
            place = folder / source.with_suffix(".mpy")
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(code)
    for name, modules in found.items():
        (folder / name).write_text(describe(modules, root, ".mpy"), "utf-8")


def _boards_with_a_radio_chip(root: Path) -> list[str]:
    found = []
    for path in sorted((root / "firmware/boards").glob("*/facts.py")):
        module = f"firmware.boards.{path.parent.name}.facts"
        if import_module(module).RADIO["chip"].startswith("sx1") and path.parent.name != "virtual":
            found.append(module)
    return found


def _file(module: str, root: Path) -> Path:
    path = Path(*module.split("."))
    return path.with_suffix(".py") if root.joinpath(path).with_suffix(".py").is_file() else path / "__init__.py"


def main() -> None:
    """Write all descriptions, compiled or not."""
    parser = argparse.ArgumentParser(prog="python -m provisioning.mip", description=__doc__)
    parser.add_argument("--compiled", type=Path, metavar="DIR", help="where to put .mpy files and their descriptions")
    folder = parser.parse_args().compiled
    root = bundle.firmware_root()
    if folder is not None:
        write_compiled(folder, root)
        return
    for name, modules in packages(root).items():
        (root / name).write_text(describe(modules, root), "utf-8")


if __name__ == "__main__":
    main()
