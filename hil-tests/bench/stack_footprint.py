"""How much memory the LoRaWAN stack alone needs: class A, EU868, one SX1262, on an otherwise empty MicroPython.

Nothing of the bench runs beside it: no virtual board and no node, only what a board has in ROM, as a stand-in of some
lines (a clock that is only ever moved by sleeping, pins, a radio chip that hears two prepared frames). What the
stand-in takes is measured by itself and taken off.

*live*   heap in use after a collection, once the stack was imported, built and started, or is in a session
*peak*   the smallest heap in which it joins, or joins, sends and takes downlinks with MAC commands and data, less
         the smallest one in which the stand-in runs

The modules are those that `spatz deploy` puts on a node, in the same form.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.boards.errors import InterpreterMissing
from bench.boards.software import cache_directory, compile_file, compile_firmware
from bench.footprint import FACTOR, smallest_heap
from bench.server import crypto
from bench.server.frames import DataFrame, FType, JoinAccept
from firmware.lorawan.ids import Eui
from firmware.lorawan.store import pack_identity
from provisioning import bundle
from provisioning.redaction import Redactor

ALONE = "class A, EU868, SX1262"
LIVE_LIMIT_BYTES = 40_000
"""What the stack has in use stays below that, in 32-bit equivalents,"""
PEAK_LIMIT_BYTES = 52_000
"""... and what it needs for a moment, while it is loaded, keeps to that."""
STEP_BYTES = 256
APP_KEY = bytes(range(16))  # protects nothing
DEV_ADDR = "26011bda"
_NET_ID = "000013"
_LINK_ADR_AND_STATUS = bytes.fromhex("035207000106")  # DR5, power 2, channels 0 to 2, one transmission; DevStatusReq
_DEADLINE_S = 20

_STAND_IN = b"""
import gc, sys
from firmware.node.memory import forget

class Time:
    us = 0
    def ticks_us(self):
        return self.us
    def ticks_ms(self):
        return self.us // 1000
    def ticks_add(self, a, b):
        return a + b
    def ticks_diff(self, a, b):
        return a - b
    def sleep_us(self, us):
        self.us += us
    def sleep_ms(self, ms):
        self.us += 1000 * ms

class Pin:
    IN = OUT = IRQ_RISING = 0
    def __init__(self, number, mode=0, value=0):
        pass
    def value(self, level=0):
        return 0
    def irq(self, handler, trigger):
        pass

class Chip:
    def __init__(self, *frames):
        self.frames = list(frames)
        self.sent = self.heard = 0
    def write(self, data):
        if data[0] == 0x83:
            self.sent = self.frames
        elif data[0] == 0x82:
            self.heard, self.sent = self.sent, 0
    def write_readinto(self, data, into):
        command = data[0]
        if command == 0x1D:
            into[4] = 0x34
        elif command == 0x12:
            into[3] = 1 if self.sent else 2 if self.heard else 0
        elif command == 0x13:
            into[2] = len(self.frames[0])
            into[3] = 0
        elif command == 0x1E:
            frame = self.frames.pop(0)
            into[3:] = frame
            self.heard = 0

class Hardware:
    Pin = Pin
    def radio_spi(self):
        return chip
    def random_u32(self):
        return 4
    def battery_level(self):
        return 255

FACTS = {"cs": 1, "busy": 2, "dio1": 3, "reset": 4, "dio2_rf_switch": True, "tcxo_mv": 1800, "tcxo_start_us": 5000,
         "dcdc": True, "max_power_dbm": 22, "antenna_gain_dbi_x10": 22}
hardware, clock = Hardware(), Time()

def now_ms():
    return clock.us // 1000

def start():
    from firmware.boards.stack_sx126x import build
    from firmware.lorawan.regions import eu868
    stack = build(hardware, Hardware, FACTS, clock, eu868, "store")
    stack[0].start(0)
    stack[1].start()
    forget("firmware.lorawan.recovery")
    return stack

def join(mac, radio):
    exchange = mac.join(now_ms())
    mac.conclude(exchange, radio.carry_out(exchange), now_ms())
    forget("firmware.lorawan.activation")
    assert mac.joined

def send(mac, radio):
    events = []
    while chip.frames:
        clock.sleep_ms(60000)
        exchange = mac.send(20, bytes(24), now_ms())
        events += mac.conclude(exchange, radio.carry_out(exchange), now_ms())
        forget("firmware.lorawan.commands")
    assert [event.data for event in events if hasattr(event, "data")] == [b"hello", b"again"]

def overwrite(depth):
    # Stale pointers on the C stack would keep garbage alive.
    if depth:
        overwrite(depth - 1)

def alive(steps):
    global chip
    frames = %(frames)s
    chip = Chip(*frames[:{0: 0, 1: 0, 2: 1, 3: 3}[steps]])
    gc.collect()
    before = gc.mem_alloc()
    stack = None
    if steps:
        stack = start()
    if steps > 1:
        join(*stack)
    if steps > 2:
        send(*stack)
    overwrite(30)
    gc.collect()
    print(gc.mem_alloc() - before)
"""
NOTHING, STARTED, JOINED, SENT = range(4)


@dataclass(frozen=True, slots=True)
class Alone:
    """Bytes of heap on the 64-bit interpreter."""

    live_started: int
    live_in_session: int
    peak_joining: int
    peak_sending: int
    interpreter: str


def equivalent(heap_bytes: int) -> int:
    """Told for a 32-bit board (docs/topics/footprint.md)."""
    return round(heap_bytes / FACTOR)


@contextmanager
def laid_out() -> Iterator[Path]:
    """A directory with the deployed modules, the stand-in and a provisioned store."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        for path, content in compile_firmware("virtual", "fill").items():
            if path.startswith("/lib/"):
                target = root / path[1:]
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content)
        (root / "store").mkdir()
        text = _STAND_IN % {b"frames": repr(_frames()).encode()}
        (root / "lib" / "alone.mpy").write_bytes(bundle.compile_text(text, "alone", cache_directory(), Redactor()))
        yield root


def _frames() -> tuple[bytes, bytes, bytes]:
    accept = JoinAccept(1, _NET_ID, DEV_ADDR, rx1_dr_offset=0, rx2_dr=3, rx_delay_s=1, cf_list=bytes(16))
    keys = crypto.session_keys(APP_KEY, join_nonce=1, net_id=_NET_ID, dev_nonce=0)

    def down(counter: int, text: bytes, options: bytes) -> bytes:
        frame = DataFrame(FType.UNCONFIRMED_DOWN, DEV_ADDR, counter, f_opts=options, f_port=20, payload=text)
        return frame.build(keys, counter)

    return accept.build(APP_KEY), down(0, b"hello", _LINK_ADR_AND_STATUS), down(1, b"again", b"")


def run_alone(root: Path, steps: int, heap_bytes: int) -> int | None:
    """Heap in use after `steps`, in a heap of this size; None when that is too small."""
    for record in (root / "store").iterdir():
        record.unlink()
    euis = Eui.from_hex("70b3d57ed0051234"), Eui.from_hex("0101010101010101")
    (root / "store" / "identity").write_bytes(pack_identity(*euis, APP_KEY))
    done = _run(root, f"import alone; alone.alive({steps})", heap_bytes)
    if done.returncode:
        if "MemoryError" in done.stdout + done.stderr or not done.stdout + done.stderr:
            return None
        raise AssertionError(done.stdout + done.stderr)
    return int(done.stdout)


def _run(root: Path, code: str, heap_bytes: int) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter that finds modules in `root` only."""
    beside = Path(sys.executable).with_name("micropython")
    program = str(beside) if beside.exists() else shutil.which("micropython")
    if program is None:
        raise InterpreterMissing
    return subprocess.run(
        [program, "-X", f"heapsize={heap_bytes}", "-c", code],
        cwd=root,
        env={"MICROPYPATH": "lib", "HOME": str(root)},  # as on a board, names of files are names, too
        capture_output=True,
        text=True,
        timeout=_DEADLINE_S,
        check=False,
    )


def measure_alone() -> Alone:
    """All figures of the stack alone."""
    with laid_out() as root:

        def live(steps: int) -> int:
            found = run_alone(root, steps, 1 << 20)
            assert found is not None
            return found

        def peak(steps: int) -> int:
            return smallest_heap(lambda heap_bytes: run_alone(root, steps, heap_bytes) is not None, STEP_BYTES)

        nothing = peak(NOTHING)
        version = _run(root, "import sys; print(sys.version)", 1 << 20).stdout.strip()
        return Alone(live(STARTED), live(JOINED), peak(JOINED) - nothing, peak(SENT) - nothing, f"{version}, 64-bit")


def mpy_bytes() -> dict[str, int]:
    """Bytes of .mpy of the stack: as deployed for EU868 and class A, and of all its modules as they stand."""
    deployed = compile_firmware("virtual", "fill")
    folders = ("firmware/lorawan/", "firmware/radio/")
    root = bundle.firmware_root()
    sources = [path for folder in folders for path in sorted((root / folder).rglob("*.py"))]
    return {
        "EU868, class A, SX1262, as deployed": sum(
            len(content)
            for path, content in deployed.items()
            if path.startswith(tuple(f"/lib/{each}" for each in folders))
        ),
        "everything": sum(len(compile_file(path, path.stem)) for path in sources),
    }
