"""Package descriptions for MicroPython's installer `mip`, from the imports of the tree.

    python -m provisioning.mip        writes them into the root of the repository; a test keeps them current

`mip` copies what "urls" names, [place on the board, source], relative to the description. All are .py files, compiled
by the board when it imports them.
"""

from __future__ import annotations

import json
import tomllib
from importlib import import_module
from pathlib import Path

from provisioning import bundle

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


def describe(modules: list[str], root: Path) -> str:
    """The description of all that these modules lead to, as JSON text."""
    version = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    files = (_file(module, root) for module in bundle.reachable(modules, root))
    return json.dumps({"urls": [[file, file] for file in files], "deps": [], "version": version}, indent=1) + "\n"


def _boards_with_a_radio_chip(root: Path) -> list[str]:
    found = []
    for path in sorted((root / "firmware/boards").glob("*/facts.py")):
        module = f"firmware.boards.{path.parent.name}.facts"
        if import_module(module).RADIO["chip"].startswith("sx1") and path.parent.name != "virtual":
            found.append(module)
    return found


def _file(module: str, root: Path) -> str:
    path = Path(*module.split("."))
    return str(path.with_suffix(".py") if root.joinpath(path).with_suffix(".py").is_file() else path / "__init__.py")


def main() -> None:
    """Write all descriptions."""
    root = bundle.firmware_root()
    for name, modules in packages(root).items():
        (root / name).write_text(describe(modules, root), "utf-8")


if __name__ == "__main__":
    main()
