"""LoRaWAN without the rest of Spatz: installed by MicroPython's `mip`, run on virtual boards over the virtual air."""

import json
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from bench.air.air import Air
from bench.air.concentrator import Concentrator
from bench.air.direct import DirectLink
from bench.boards import Bench, Harness, InterpreterMissing
from bench.chips.ports import Line
from bench.server.core import NetworkServer, default_profile
from bench.server.crypto import SessionKeys
from bench.server.outputs import AppEvent
from bench.stations.radio import fit_radio
from firmware.boards.heltec_v3 import facts as heltec_v3
from firmware.boards.lilygo_t3 import facts as lilygo_t3
from firmware.lorawan.ids import Eui
from firmware.lorawan.store import pack_identity
from provisioning import mip
from tests.on_micropython import ROOT, run_on_micropython

EXAMPLES = ROOT / "docs/examples/lorawan"
DEV_EUI = "70b3d57ed0000001"
APP_KEY = bytes(range(16))
IDENTITY = pack_identity(Eui.from_hex(DEV_EUI), Eui.from_hex("70b3d57ed00000ff"), APP_KEY)
UNIX_US = 1_795_312_800_000_000
LAMP_PIN = 35


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """`install(description)`: what genuine `mip` puts into /lib, path to content."""
    served = tmp_path_factory.mktemp("served")
    mip.write_compiled(served / "compiled", ROOT)
    (served / "tree").mkdir()
    (served / "tree/firmware").symlink_to(ROOT / "firmware")
    for name, modules in mip.packages(ROOT).items():
        (served / "tree" / name).write_text(mip.describe(modules, ROOT))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(served)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    cache = {}

    def install(description):
        if description not in cache:
            lib = tmp_path_factory.mktemp("lib")
            url = f"http://127.0.0.1:{server.server_port}/{description}"
            told = run_on_micropython(f"import mip\nmip.install({url!r}, target={str(lib)!r})")
            assert "Done" in told, told
            cache[description] = {
                f"/lib/{path.relative_to(lib)}": path.read_bytes() for path in lib.rglob("*") if path.is_file()
            }
        return cache[description]

    yield install
    server.shutdown()
    server.server_close()


class Place:
    """One board, a Heltec V3 unless told, with a program, and a network around it."""

    def __init__(self, root, files, program, *, identity=IDENTITY, class_c=False, board=heltec_v3, chip=None):
        self.bench = Bench(root, seed=5)
        schedule = self.bench.schedule
        self.air = Air(schedule, fading_db=0)
        harness = Harness()
        fitted = {**board.RADIO, "chip": chip or board.RADIO["chip"]}
        self.radio, supplies = fit_radio(fitted, schedule, self.air, "node", 5, harness)
        assert not supplies
        harness.powered.append(self.radio)
        self.lamp = harness.outputs[LAMP_PIN] = Line(0)
        self.server = NetworkServer()
        profile = default_profile()
        profile.supports_class_c = class_c
        self.server.add_device(DEV_EUI, APP_KEY, profile=profile)
        self.link = DirectLink(schedule, self.server, unix_us=UNIX_US)
        self.link.attach(Concentrator(schedule, self.air, "gateway"), "0016c001ff10a235")
        self.board = self.bench.add_board("node", board.NAME, harness)
        kept = {"/lorawan/identity": identity} if identity else {}
        self.board.write_files({**files, **kept, "/main.py": program.encode()})
        self.board.power_on()

    def ups(self):
        found = [out for out in self.link.outputs if isinstance(out, AppEvent) and out.kind == "up"]
        return [(up.message.f_cnt, up.message.data) for up in found]

    def queue(self, data, **kinds):
        self.server.enqueue(DEV_EUI, 6, data, now_us=UNIX_US + self.bench.now_us, **kinds)
        self.link.touch()


@pytest.fixture
def place(tmp_path, installed):
    made = []

    def build(program, description="tree/package.json", **settings):
        try:
            made.append(Place(tmp_path, installed(description), program, **settings))
        except InterpreterMissing as missing:
            pytest.skip(str(missing))
        return made[-1]

    yield build
    for each in made:
        each.bench.close()


def example(name):
    return (EXAMPLES / f"{name}.py").read_text("utf-8")


def test_the_descriptions_are_those_of_the_tree():
    for name, modules in mip.packages(ROOT).items():
        current = (ROOT / name).read_text("utf-8")
        assert current == mip.describe(modules, ROOT), f"{name} is old: python -m provisioning.mip"
        for place_on_board, source in json.loads(current)["urls"]:
            assert (ROOT / source).is_file()
            assert Path(place_on_board).parts[0] == "firmware"


def test_examples_are_short():
    for path in EXAMPLES.glob("*.py"):
        lines = [line for line in path.read_text("utf-8").splitlines() if line]
        assert len([line for line in lines if not line.startswith(("#", "import", "from"))]) <= 14, path.name


@pytest.mark.parametrize("description", ["tree/package.json", "compiled/package.json"])
def test_the_blocking_example_joins_reports_and_hears(place, description):
    there = place(example("blocking"), description, identity=None)
    there.bench.run_for(60)
    there.queue(b"answer")

    there.bench.run_for(1240)

    assert there.ups() == [(0, b"hello"), (1, b"hello"), (2, b"hello")], there.board.console
    assert "heard 6: b'answer'" in there.board.console
    assert there.radio.remarks == set()


def test_the_blocking_example_runs_on_a_board_with_the_other_chip(place):
    there = place(example("blocking").replace("heltec_v3", "lilygo_t3"), identity=None, board=lilygo_t3)

    there.bench.run_for(700)

    assert there.ups() == [(0, b"hello"), (1, b"hello")], there.board.console
    assert there.radio.remarks == set()


def test_after_a_power_cut_the_example_goes_on_in_its_session(place):
    there = place(example("blocking"), identity=None)
    there.bench.run_for(700)

    there.board.power_off()
    there.board.power_on()
    there.bench.run_for(30)

    counters = [fcnt for fcnt, _ in there.ups()]
    assert counters[:2] == [0, 1]
    assert counters[2] > 1
    joins = [out for out in there.link.outputs if isinstance(out, AppEvent) and out.kind == "join"]
    assert len(joins) == 1


def test_the_asyncio_example_blinks_while_it_waits_for_its_windows(place):
    there = place(example("asynchronous"))
    changes = []
    there.lamp.watch(lambda _: changes.append(there.bench.now_us))

    there.bench.run_for(610)

    assert [data for _, data in there.ups()] == [b"hello", b"hello"]
    assert there.board.console.count("acknowledged") == 2
    pauses = [later - earlier for earlier, later in pairwise(changes)]
    assert len(changes) > 5_000
    assert max(pauses) < 130_000  # 100 ms, and at most the 30 ms before a window


def test_the_personalised_example_never_joins_and_is_understood(place):
    there = place(example("personalised"), identity=None)
    there.server.personalise(DEV_EUI, "01020304", SessionKeys(bytes(range(0x10, 0x20)), bytes(range(0x30, 0x40))))

    there.bench.run_for(1300)
    there.board.power_off()
    there.board.power_on()
    there.bench.run_for(30)

    counters = [fcnt for fcnt, _ in there.ups()]
    assert counters == [0, 1, 2, 32]
    assert not [out for out in there.link.outputs if isinstance(out, AppEvent) and out.kind == "join"]


@pytest.mark.parametrize("chip", ["sx1262", "sx1261"])
def test_the_class_c_example_obeys_within_seconds(place, chip):
    fitted = f"from firmware.boards.heltec_v3 import facts\nfacts.RADIO['chip'] = {chip!r}\n"
    there = place(fitted + example("class_c"), class_c=True, chip=chip)
    there.bench.run_for(60)
    assert there.lamp.level == 0

    there.queue(b"on", confirmed=True)
    assert there.bench.run_until(lambda: there.lamp.level == 1, 10)
    there.bench.run_for(5)
    there.queue(b"off")
    assert there.bench.run_until(lambda: there.lamp.level == 0, 10)
    there.bench.run_for(1)

    assert there.board.console.splitlines()[-2:] == ["lamp 1", "lamp 0"]
    acknowledged = [out for out in there.link.outputs if isinstance(out, AppEvent) and out.kind == "ack"]
    assert len(acknowledged) == 1


TASKS = """
import asyncio
from firmware.boards import alone
from firmware.boards.heltec_v3 import facts
from firmware.lorawan.regions import eu868

async def send(lorawan, name):
    print(name, await lorawan.send(1, name.encode()))

async def main():
    lorawan = alone.lorawan(facts, eu868, asynchronous=True)
    print(await lorawan.join(), lorawan.state()["next"])
    await asyncio.gather(send(lorawan, "one"), send(lorawan, "two"))
    try:
        await asyncio.wait_for(send(lorawan, "cancelled"), 1)
    except asyncio.TimeoutError:
        print("cancelled in its windows")
    await asyncio.sleep(3)  # the network still answers the cancelled one
    await send(lorawan, "three")

asyncio.run(main())
"""


def test_tasks_take_turns_and_a_cancelled_exchange_spoils_nothing(place):
    there = place(TASKS)

    there.bench.run_for(120)

    told = there.board.console.splitlines()
    assert told[0] == "True send"
    assert sorted(told[1:3]) == ["one True", "two True"]
    assert told[3:5] == ["cancelled in its windows", "three True"]
    assert [data for _, data in there.ups()] == [b"one", b"two", b"cancelled", b"three"]


LATE = """
import time
from firmware.boards import alone
from firmware.boards.heltec_v3 import facts
from firmware.lorawan.regions import eu868
from firmware.radio.self_check import self_check

lorawan = alone.lorawan(facts, eu868)
lorawan.start()
print(self_check(lorawan.radio).error_us // 1000)
lorawan._clock.sleep_ms = lambda ms: time.sleep_ms(ms + 70)
print(self_check(lorawan.radio).error_us // 1000)
print(lorawan.join(timeout_ms=10_000), lorawan.send(1, b"x", confirmed=True))
"""


def test_the_self_check_lets_a_board_join_that_always_wakes_too_late(place):
    there = place(LATE)

    there.bench.run_for(60)

    punctual_ms, late_ms, rest = there.board.console.splitlines()[:3]
    assert int(punctual_ms) < 20
    assert 130 < int(late_ms) < 160
    assert rest == "True True"


def test_a_modem_with_a_stack_of_its_own_is_refused_in_words(place):
    there = place("""
from firmware.boards import alone
class Facts:
    RADIO = {"chip": "rui3"}
try:
    alone.lorawan(Facts, None)
except ValueError as error:
    print(error)
""")

    there.bench.run_for(1)

    assert "rui3 brings a LoRaWAN stack of its own" in there.board.console


WIRED_BY_HAND = """
import os, time
from machine import SPI, Pin
from firmware.lorawan.device import LoRaWAN
from firmware.lorawan.mac import Mac
from firmware.lorawan.regions import eu868
from firmware.lorawan.store import FileStore
from firmware.node.clock import Clock
from firmware.radio.sx126x import SX1262

RADIO = dict(tcxo_mv=1800, tcxo_start_us=5000, dcdc=True, dio2_rf_switch=True)
RADIO.update(max_power_dbm=22, antenna_gain_dbi_x10=22)
clock = Clock(time)
spi = SPI(1, baudrate=4_000_000, sck=Pin(9), mosi=Pin(10), miso=Pin(11))
out = Pin(8, Pin.OUT, value=1), Pin(13), Pin(14), Pin(12, Pin.OUT, value=1)
mac = Mac(eu868, FileStore(), lambda: int.from_bytes(os.urandom(4), "big"))
lorawan = LoRaWAN(mac, SX1262(spi, *out, clock, RADIO), clock)
print(lorawan.join(), lorawan.send(1, b"hello"))
"""


@pytest.mark.parametrize("description", ["tree/package-class-a.json", "compiled/package-class-a.json"])
def test_the_small_package_is_enough_for_class_a_with_a_radio_wired_by_hand(place, description):
    there = place(WIRED_BY_HAND, description)

    there.bench.run_for(60)

    assert there.board.console.splitlines()[0] == "True True"
    assert there.ups() == [(0, b"hello")]
