"""Device code becomes .mpy: once, and with the compiler's words when it does not."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from bench.boards import software
from bench.boards.errors import CompileFailed
from provisioning import bundle


def test_the_firmware_of_one_node_is_compiled_without_what_it_does_not_need() -> None:
    files = software.compile_firmware("virtual", "fill")

    assert files["/main.py"].startswith(b"from firmware.node.main import run")
    assert files["/lib/firmware/boards/virtual/wiring.mpy"][:2] == b"M\x06"
    assert "/lib/firmware/payload/tables/fill.mpy" in files
    assert "/lib/firmware/payload/tables/air.mpy" not in files
    assert not [path for path in files if "/boards/rak11310/" in path or "/generated/" in path]


def test_a_second_compilation_comes_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    source = tmp_path / "module.py"
    source.write_text("X = 1\n")
    first = software.compile_file(source, "module.py")
    monkeypatch.setattr(bundle, "run", None)

    assert software.compile_file(source, "module.py") == first
    source.write_text("X = 2\n")
    with pytest.raises(TypeError):
        software.compile_file(source, "module.py")


def test_a_syntax_error_is_told_with_file_and_line(tmp_path: Path) -> None:
    source = tmp_path / f"broken_{time.monotonic_ns()}.py"
    source.write_text("x = 1\ndef broken(:\n")

    with pytest.raises(CompileFailed, match=r"broken_.*line 2"):
        software.compile_file(source, source.name)
