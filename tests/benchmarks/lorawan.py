"""One uplink on genuine MicroPython: time and heap garbage of the stack, beside a plain implementation.

The plain one (`_plain_uplink.py`) is what one writes who has read the specification and thinks of nothing else; both
put the same bytes on the air. Both sides ran in the same process, frame by frame, so their ratio says something.
"""

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.on_micropython import run_on_micropython

HERE = Path(__file__).with_name("_uplink_here.py")
# Data rate of EU868, bytes of payload: a report and a full frame at SF7, a report at SF12.
_CASES = ((5, 24), (5, 115), (0, 24))


def uplink(data_rate: int, payload_bytes: int, frames: int = 90) -> dict[str, Any]:
    """What the script prints."""
    with tempfile.TemporaryDirectory() as directory:
        found: dict[str, Any] = json.loads(
            run_on_micropython(HERE, directory, str(data_rate), str(payload_bytes), str(frames))
        )
    return found


def run() -> Iterator[dict[str, Any]]:
    """One line a case."""
    for data_rate, payload_bytes in _CASES:
        found = uplink(data_rate, payload_bytes)
        yield {
            "measure": "uplink",
            "what": "choose a channel, build, encrypt, MIC, persist, conclude; files on the host's file system",
            **found,
            "time_ratio": round(found["plain_uplink_us"] / found["uplink_us"], 1),
            "garbage_ratio": round(found["plain_garbage_mean_bytes"] / found["garbage_mean_bytes"], 1),
            "ratio": "plain implementation / stack",
        }
