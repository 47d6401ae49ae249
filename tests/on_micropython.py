"""Run a script on the genuine MicroPython interpreter, so that device code is tested where it will live.

`run_on_micropython(Path("x.py"))` or `run_on_micropython("print(1)")` gives what the script printed. The repository
root is on its import path, so `import firmware...` works as on a board. Without an interpreter the test is skipped.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


def find_micropython() -> str | None:
    """The interpreter beside this Python, else the one on PATH, else None."""
    beside = Path(sys.executable).with_name("micropython")
    return str(beside) if beside.exists() else shutil.which("micropython")


def run_on_micropython(
    script: Path | str,
    *args: str,
    heapsize: str | None = None,
    timeout_s: float = 120.0,
    path: tuple[Path, ...] = (ROOT,),
) -> str:
    """Run `script` (a file, or source text) with `args` as `sys.argv[1:]`; give its stdout.

    `heapsize` is what `-X heapsize=` takes ("100K"); `path` replaces the import path (default: the repository root).
    Skips the calling test when there is no interpreter; an exception in the script fails it with the traceback.
    """
    micropython = find_micropython()
    if micropython is None:
        pytest.skip("no `micropython` beside this Python nor on PATH: install the bench extra, or build the unix port")
    with tempfile.TemporaryDirectory(prefix="on-micropython-") as home:
        if isinstance(script, str):
            file = Path(home) / "script.py"
            file.write_text(script, encoding="utf-8")
        else:
            file = script.resolve()
        command = [micropython]
        if heapsize is not None:
            command += ["-X", f"heapsize={heapsize}"]
        command += [str(file), *args]
        environment = {
            **os.environ,
            "MICROPYPATH": ":".join([".frozen", *map(str, path)]),
            "HOME": home,
        }
        done = subprocess.run(
            command, cwd=home, env=environment, capture_output=True, text=True, timeout=timeout_s, check=False
        )
    if done.returncode != 0:
        pytest.fail(f"MicroPython ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
    return done.stdout
