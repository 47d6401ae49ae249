"""`spatz-bench board`: a port that stays until Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[3]
WAIT_S = 30


@pytest.mark.parametrize("name", ["rak11200", "rak11310"])
def test_the_board_is_there_until_ctrl_c(name: str, mpremote: Any, tmp_path: Path) -> None:
    pytest.importorskip("micropython_run", reason="no MicroPython for Python here")
    command = [sys.executable, "-m", "bench.cli", "board", name, "--json", "--dir", str(tmp_path)]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'hil-tests'}"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        try:
            assert process.stdout is not None
            ready = json.loads(process.stdout.readline())
            assert ready["event"] == "ready"
            assert mpremote(ready["port"], "eval", "6*7").stdout == "42\n"
            process.send_signal(signal.SIGINT)
            assert process.wait(WAIT_S) == 0
        finally:
            process.kill()


def test_a_board_that_does_not_exist_is_a_mistake_of_usage() -> None:
    command = [sys.executable, "-m", "bench.cli", "board", "nothing"]
    environment = {**os.environ, "PYTHONPATH": f"{ROOT}:{ROOT / 'hil-tests'}"}

    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=WAIT_S, check=False)

    assert done.returncode == 2
    assert "nothing" in done.stderr
