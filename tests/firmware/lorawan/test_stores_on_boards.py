"""Records in `esp32.NVS` and in files, on virtual ESP32 boards with real NVS pages and littlefs in their flash."""

import pytest

from bench.boards import Bench, InterpreterMissing, State
from bench.boards.nvs import BLOB_DATA, parse
from bench.boards.software import compile_file
from firmware.lorawan.store import pack_record
from tests.on_micropython import ROOT

LORAWAN = ROOT / "firmware/lorawan"
MODULES = {
    f"/lib/firmware/{path.relative_to(ROOT / 'firmware').with_suffix('.mpy')}": path
    for path in [
        ROOT / "firmware/__init__.py",
        ROOT / "firmware/lorawan/regions/__init__.py",
        ROOT / "firmware/lorawan/regions/eu868.py",
        *(path for path in LORAWAN.glob("*.py") if path.stem not in ("device", "device_async")),
    ]
}

STORE = """
from esp32 import NVS
from firmware.lorawan.errors import StateCorrupt
from firmware.lorawan.nvs_store import NvsStore
store = NvsStore(NVS("lorawan"))
"""
LIFE = """
import machine
from esp32 import NVS
from firmware.lorawan import identity
from firmware.lorawan.abp import personalised
from firmware.lorawan.mac import Mac
from firmware.lorawan.nvs_store import NvsStore
from firmware.lorawan.regions import eu868

store = NvsStore(NVS("lorawan"))
identity.abp(store, "70b3d57ed0051234", "26011bda", "00" * 16, "11" * 16)
mac = personalised(Mac)(eu868, store, lambda: 4)
mac.skip_few_counters()
mac.start(0)
for turn in range(1, 4):
    exchange = mac.send(1, b"x", turn * 600_000)
    print("fcnt", exchange.frame[6] | exchange.frame[7] << 8)
    mac.conclude(exchange, None, turn * 600_000 + 5_000)
print("done")
"""


@pytest.fixture
def board(tmp_path):
    try:
        bench = Bench(tmp_path, seed=1)
    except InterpreterMissing as missing:
        pytest.skip(str(missing))
    with bench:
        made = bench.add_board("node")
        made.write_files({place: compile_file(source, source.stem) for place, source in MODULES.items()})
        yield made


def run(board, program):
    """What `program` prints after power-on."""
    board.power_off()
    before = len(board.console)
    board.write_files({"/main.py": program.encode()})
    board.power_on()
    board.bench.run_for(2)
    return board.console[before:].split("MicroPython", maxsplit=1)[0].splitlines()


def kept(board):
    """What a reader of the flash finds."""
    layout = board._flash.layout
    values = parse(board._flash.read(layout.nvs_offset, layout.nvs_bytes))
    return {
        key.decode(): value
        for (space, key), (kind, value) in values.items()
        if (space, kind) == (b"lorawan", BLOB_DATA)
    }


def test_a_record_is_a_blob_that_survives_the_power(board):
    assert run(board, STORE + "print(store.load('nonce'))\nstore.save('nonce', b'body')\nprint('saved')") == [
        "None",
        "saved",
    ]

    assert kept(board) == {"nonce": pack_record(b"body")}
    assert run(board, STORE + "print(store.load('nonce'))") == ["b'body'"]


def test_a_damaged_blob_raises_and_is_never_taken_for_a_new_device(board):
    damage = """
from esp32 import NVS
nvs = NVS("lorawan")
nvs.set_blob("hot", b"\\x01damaged")
nvs.commit()
try:
    store.load("hot")
except StateCorrupt as error:
    print(error)
"""

    assert run(board, STORE + damage) == ["record hot: checksum"]


def test_a_value_that_is_too_long_and_a_name_that_nvs_cannot_have_are_errors(board):
    program = """
store.save("long", bytes(600))
try:
    store.load("long")
except OSError as error:
    print(error.errno == -0x110C)
try:
    store.save("sixteen_letters_", b"")
except ValueError as error:
    print(error)
"""

    assert run(board, STORE + program) == ["True", "record sixteen_letters_: NVS keys have up to 15 characters"]


@pytest.mark.parametrize("keeps", [False, True])
def test_no_counter_is_used_twice_whichever_commit_the_power_fails_in(board, keeps):
    assert run(board, LIFE)[-1] == "done"
    everything = sorted(kept(board))
    assert everything == ["abp26011bda", "cold", "hot", "identity", "nonce"]
    erased = b"\xff" * board._flash.layout.nvs_bytes
    cuts = 0
    while True:
        board.power_off()
        board._flash.write(board._flash.layout.nvs_offset, erased)
        board.cut_power_at_commit(cuts + 1, keeps=keeps, stays_off=True)
        lines = run(board, LIFE)
        if lines[-1:] == ["done"]:
            break
        board.cut_power_at_commit(0, keeps=keeps)
        lines += run(board, LIFE)

        assert lines[-1] == "done", (cuts, lines)
        used = [line for line in lines if line.startswith("fcnt")]
        assert len(used) == len(set(used)), (cuts, used)
        cuts += 1
    assert cuts >= len(everything) + 2


def test_nor_in_files_whichever_block_write_the_power_fails_in(board):
    life = LIFE.replace("nvs_store import NvsStore", "store import FileStore").replace(
        'NvsStore(NVS("lorawan"))', "FileStore()"
    )
    board.write_files({"/main.py": life.encode()})
    blank = board._flash.path.read_bytes()
    cuts = 0
    while True:
        board.power_off()
        board._flash.path.write_bytes(blank)
        board.cut_power_at_write(cuts + 1, stays_off=True)
        before = len(board.console)
        board.power_on()
        board.bench.run_for(2)
        cut = board.state is State.OFF
        board.cut_power_at_write(0)
        board.power_on()
        board.bench.run_for(2)
        lines = board.console[before:].splitlines()
        used = [line for line in lines if line.startswith("fcnt")]
        assert "done" in lines, (cuts, lines)
        assert len(used) == len(set(used)), (cuts, used)
        if not cut:
            break
        cuts += 1
    assert cuts >= 12
