"""What a report costs: heap on the node, bytes of codec and modules, time in QuickJS with parsing."""

import json
import statistics
import time
from collections.abc import Iterator
from typing import Any

import quickjs

from bench.boards.software import compile_file
from provisioning.codec.loader import load
from provisioning.codec.sizes import REFERENCE
from tests.on_micropython import ROOT, run_on_micropython

PAYLOAD = ROOT / "firmware" / "payload"
_RUNS = 200


def run() -> Iterator[dict[str, Any]]:
    """Heap of encoding, size of the codec and its time, size of the compiled modules."""
    heap = run_on_micropython(ROOT / "tests/firmware/payload/heap_here.py").split("\n")
    yield {"measure": "heap_bytes_of_encoding", "most": max(int(line.split()[2]) for line in heap if line)}
    codec = (PAYLOAD / "generated" / "spatz.js").read_text("utf-8")
    yield {"measure": "codec_bytes", "all_profiles_and_downlinks": len(codec.encode())}
    schema = load()
    for name in REFERENCE:
        profile = schema.profile(name)
        uplink = {"fPort": profile.fport, "bytes": list(bytes.fromhex(profile.examples[0].hex))}
        call = f"decodeUplink({json.dumps(uplink)})"
        times = sorted(_milliseconds(codec, call) for _ in range(_RUNS))
        yield {
            "measure": "quickjs_ms_parse_and_decode",
            "profile": name,
            "median": round(statistics.median(times), 3),
            "p95": round(times[int(_RUNS * 0.95)], 3),
        }
    for module in ("cbor", "encoder", "commands", "batch", "errors", "tables/fill", "tables/commands"):
        yield {"measure": "mpy_bytes", "module": module, "bytes": len(compile_file(PAYLOAD / f"{module}.py", module))}


def _milliseconds(codec: str, call: str) -> float:
    """A fresh runtime for every call, as ChirpStack has it; measured is processor time of parsing and running."""
    context = quickjs.Context()
    start = time.process_time()
    context.eval(codec)
    context.eval(call)
    return (time.process_time() - start) * 1000
