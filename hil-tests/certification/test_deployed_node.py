"""Certification topic: the test mode of a really deployed node, on a virtual board with genuine MicroPython.

The same TS009 commands as in `test_test_mode`, but what answers is what `spatz deploy` puts on a board: the whole node
with its sensors, queue and console. It stops its application, obeys, and is a node again after its reset.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from bench.block import Arrived, Block
from bench.server.frames import DataFrame, FType, frame_type
from bench.server.maccommands import dev_status_req, link_adr_req
from bench.server.records import CLASS_A, CLASS_C
from bench.server.settings import Settings
from bench.street import Plan

TEST_PORT = 224
REPORT_PORT = 20
SETTINGS = {"spread_percent": 0, "start_delay_s": 0}
PERIOD_5_S, PERIOD_10_S, PERIOD_20_S = b"\x06\x01", b"\x06\x02", b"\x06\x03"
SLOWEST = link_adr_req(dr=0, tx_power=0, channel_mask=0b111, mask_control=0, nb_trans=1)


class Deployed:
    """A node on a virtual board, and the hands of the test house."""

    def __init__(self, root: Path, device_class: str = "A", *packages: str, **settings: Any) -> None:
        plan = Plan(
            "dut",
            "fill",
            report_interval_s=60,
            settings={**SETTINGS, **settings},
            device_class=device_class,
            packages=packages or ("certification",),
        )
        self.block = Block(root, [plan], seed=5, settings=Settings(adr_disabled=True))
        self.device = self.block.server.storage.device(self.block.dev_euis["dut"])
        self.block.switch_on()
        assert self.wait_for(lambda: REPORT_PORT in self.ports())
        self.block.bench.run_for(20)

    @property
    def ups(self) -> list[Arrived]:
        return self.block.readings("dut")

    @property
    def console(self) -> str:
        return self.block.street.nodes["dut"].board.console

    def ports(self) -> list[int]:
        return [up.f_port for up in self.ups]

    def data(self) -> list[bytes]:
        """What arrived on FPort 224."""
        return [event.message.data for event in self.block.of_kind("up", "dut") if event.message.f_port == TEST_PORT]

    def wait_for(self, predicate: Callable[[], bool], timeout_s: float = 300) -> bool:
        return self.block.bench.run_until(predicate, timeout_s)

    def command(self, data: bytes) -> None:
        """Queue a command; it travels in the windows of the next uplink, or at once to class C."""
        seen = self.console.count("test command=")
        if self.device.class_enabled == CLASS_C:
            # The server sends at once. What reaches into the windows of an uplink is lost to them.
            self.block.bench.run_for(6)
        self.block.enqueue("dut", TEST_PORT, data)
        assert self.wait_for(lambda: self.console.count("test command=") > seen), "the command did not arrive"

    def ask(self, data: bytes) -> bytes:
        """A command that has an answer."""
        answered = len([each for each in self.data() if each])
        self.command(data)
        assert self.wait_for(lambda: len([each for each in self.data() if each]) > answered), "no answer"
        return [each for each in self.data() if each][-1]


@pytest.fixture
def deploy(tmp_path: Path) -> Iterator[Callable[..., Deployed]]:
    made: list[Deployed] = []

    def make(*arguments: Any, **settings: Any) -> Deployed:
        made.append(Deployed(tmp_path / str(len(made)), *arguments, **settings))
        return made[-1]

    yield make
    for each in made:
        each.block.bench.close()


@pytest.mark.parametrize(("device_class", "period_s"), [("A", 5), ("C", 20)], ids=["class A", "class C"])
def test_a_deployed_node_in_test_mode_obeys_and_sends_nothing_of_its_own(
    deploy: Callable[..., Deployed], device_class: str, period_s: int
) -> None:
    dut = deploy(device_class)

    assert dut.ask(b"\x00") == b"\x00\x06\x01"
    dut.command(PERIOD_5_S if period_s == 5 else PERIOD_20_S)
    begin = len(dut.ups)
    assert dut.ask(b"\x08\x01\xff") == b"\x08\x02\x00"
    assert dut.ask(b"\x09") == b"\x09" + (4).to_bytes(2, "little")
    dut.command(b"\x0a")
    assert dut.ask(b"\x09") == b"\x09\x01\x00"
    assert dut.ask(b"\x7f")[5:] == b"\x01\x00\x04\x00\x02\x01\x00\x04"
    dut.block.bench.run_for(15 * period_s)

    assert set(dut.ports()[begin:]) == {TEST_PORT}
    times_us = [up.at_us for up in dut.ups[-10:]]
    gaps_s = [(b - a) / 1e6 for a, b in pairwise(times_us)]
    assert all(period_s - 0.1 <= gap_s < period_s + 3 for gap_s in gaps_s), gaps_s
    assert "defect" not in dut.console


def test_frame_type_adr_link_check_and_time_are_the_testers(deploy: Callable[..., Deployed]) -> None:
    dut = deploy()
    dut.command(PERIOD_5_S)

    dut.command(b"\x07\x02")
    dut.block.bench.run_for(20)
    last = DataFrame.parse(dut.block.sent_frames("dut")[-1])
    assert frame_type(dut.block.sent_frames("dut")[-1]) is FType.CONFIRMED_UP
    assert last.adr
    dut.command(b"\x07\x01")
    dut.command(b"\x04\x00")
    dut.command(b"\x20")
    dut.block.bench.run_for(8)
    dut.command(b"\x21")
    dut.block.bench.run_for(8)

    frames = [DataFrame.parse(frame) for frame in dut.block.sent_frames("dut")[-8:]]
    assert not frames[-1].adr
    asked = b"".join(frame.f_opts for frame in frames)
    assert b"\x02" in asked
    assert b"\x0d" in asked


def test_the_duty_cycle_is_lifted_for_the_test_only(deploy: Callable[..., Deployed]) -> None:
    dut = deploy()
    dut.command(PERIOD_5_S)
    dut.command(b"\x05\x00")
    begin_us = dut.block.bench.now_us

    # The slowest data rate every 5 s on the three default channels spends the 36 s of their hour at once.
    dut.block.server.request_mac(dut.device.dev_eui, SLOWEST)
    dut.block.bench.run_for(600)
    sent = [r.frame for r in dut.block.air.records if r.frame.sender == "dut" and r.frame.start_us > begin_us]
    slow = [frame for frame in sent if frame.sf == 12]
    assert sum(frame.end_us - frame.start_us for frame in slow) > 36_000_000

    dut.command(b"\x05\x01")
    count = len(dut.ups)
    dut.block.bench.run_for(600)
    assert len(dut.ups) <= count + 1


def test_a_class_c_node_becomes_class_a_and_listens_again_when_told(deploy: Callable[..., Deployed]) -> None:
    dut = deploy("C")
    dut.command(b"\x06\x06")  # every 50 s

    dut.command(b"\x03\x00")
    dut.block.bench.run_for(15)
    seen = dut.console.count("test command=")
    dut.block.enqueue("dut", TEST_PORT, b"\x0a")
    dut.block.bench.run_for(10)
    assert dut.console.count("test command=") == seen, "heard although it should not listen"
    dut.device.class_enabled = CLASS_A  # in 1.0.x a class is agreed on beside the protocol
    dut.command(b"\x03\x02")
    dut.device.class_enabled = CLASS_C
    dut.block.bench.run_for(15)
    begin_us = dut.block.bench.now_us

    dut.command(b"\x0a")

    assert dut.block.bench.now_us - begin_us < 9_000_000


def test_a_new_join_and_a_reset_are_carried_out_and_the_reset_ends_the_test(deploy: Callable[..., Deployed]) -> None:
    dut = deploy()
    dut.command(PERIOD_10_S)
    before = dut.ups[-1].dev_addr

    dut.command(b"\x02")
    assert dut.wait_for(lambda: dut.ups[-1].dev_addr != before, 4000)
    assert dut.ports()[-1] == TEST_PORT
    assert dut.ask(b"\x08\x05") == b"\x08\x06"

    dut.command(b"\x01")
    begin = len(dut.ups)
    assert dut.wait_for(lambda: REPORT_PORT in dut.ports()[begin:], 600)
    assert dut.console.count("spatz: start") == 2
    assert TEST_PORT not in dut.ports()[begin:]


def test_port_224_stays_off_after_it_was_switched_off_until_the_next_deployment(
    deploy: Callable[..., Deployed],
) -> None:
    dut = deploy()
    dut.command(b"\x7e")
    assert dut.wait_for(lambda: dut.console.count("spatz: start") == 2)
    begin = len(dut.ups)

    dut.block.enqueue("dut", TEST_PORT, b"\x08\x01")
    dut.block.bench.run_for(300)

    assert "downlink port=224 n=2 ignored" in dut.console
    assert TEST_PORT not in dut.ports()[begin:]
    assert REPORT_PORT in dut.ports()[begin:]


def test_a_node_without_the_package_ignores_port_224(deploy: Callable[..., Deployed]) -> None:
    dut = deploy("A", "clock-sync")

    dut.block.enqueue("dut", TEST_PORT, b"\x08\x01")
    dut.block.bench.run_for(200)

    assert "downlink port=224 n=2 ignored" in dut.console
    assert TEST_PORT not in dut.ports()


def test_a_test_that_nobody_ends_ends_by_itself_after_a_day(deploy: Callable[..., Deployed]) -> None:
    dut = deploy()
    dut.command(b"\x06\x0a")
    begin = len(dut.ups)

    dut.block.bench.run_for(23.9 * 3600)
    assert set(dut.ports()[begin:]) == {TEST_PORT}
    dut.block.bench.run_for(1200)

    assert REPORT_PORT in dut.ports()[begin:]
    assert "test mode ends" in dut.console


@pytest.mark.parametrize("device_class", ["A", "C"], ids=["class A", "class C"])
def test_dev_status_tells_the_battery_that_the_node_measured(
    deploy: Callable[..., Deployed], device_class: str
) -> None:
    dut = deploy(device_class)
    dut.block.server.request_mac(dut.block.dev_euis["dut"], dev_status_req())
    assert dut.wait_for(lambda: bool(dut.block.of_kind("status", "dut")), 400)
    status = dut.block.of_kind("status", "dut")[-1].message

    if device_class == "C":
        assert status.external_power_source
        return
    reports = [up.decoded["battery"] for up in dut.ups if up.f_port == REPORT_PORT]
    level = 1 + 253 * (round(1000 * reports[0]) - 3300) // 900
    assert status.battery_level == pytest.approx(100 * level / 254, abs=1.5)
