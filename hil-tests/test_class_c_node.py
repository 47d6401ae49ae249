"""A deployed class C node with its application packages, on genuine MicroPython, over air and bench server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.block import Block
from bench.street import Plan
from firmware.payload.commands import COMMAND_FPORT, INTERVAL, encode_command

QUIET = {"spread_percent": 0, "start_delay_s": 0}
CLASS_C_RESP_TIMEOUT_US = 8_000_000


def node(root: Path, *packages: str, device_class: str = "C", interval_s: int = 3600, board: str = "virtual") -> Block:
    plan = Plan(
        "node-1",
        "fill",
        board,
        report_interval_s=interval_s,
        settings=QUIET,
        device_class=device_class,
        packages=packages,
    )
    block = Block(root, [plan], seed=3)
    block.switch_on()
    return block


@pytest.fixture
def started(tmp_path: Path) -> Iterator[Callable[..., Block]]:
    blocks = []

    def start(*packages: str, **options: Any) -> Block:
        block = node(tmp_path, *packages, **options)
        blocks.append(block)
        assert block.bench.run_until(lambda: len(block.readings("node-1")) >= 2, 120)
        block.bench.run_for(20)
        return block

    yield start
    for block in blocks:
        block.bench.close()


def ports(block: Block) -> list[int]:
    return [reading.f_port for reading in block.readings("node-1")]


def console(block: Block) -> str:
    return block.street.nodes["node-1"].board.console


@pytest.mark.parametrize("board", ["virtual", "lilygo_t3"])
def test_a_command_reaches_a_class_c_node_between_two_reports(started: Callable[..., Block], board: str) -> None:
    block = started(board=board)
    asked_us = block.bench.now_us

    block.enqueue("node-1", COMMAND_FPORT, encode_command(7, {INTERVAL: 1800}))

    assert block.bench.run_until(lambda: 31 in ports(block), 60)
    assert block.readings("node-1")[-1].at_us - asked_us < 10_000_000
    assert "defect" not in console(block)
    assert "fault" not in console(block)


def test_a_confirmed_downlink_on_rxc_is_acknowledged_within_8_s(started: Callable[..., Block]) -> None:
    block = started()

    block.enqueue("node-1", 99, b"heard?", confirmed=True)
    assert block.bench.run_until(lambda: bool(block.of_kind("ack", "node-1")), 60)

    down, up = [record.frame for record in block.air.records][-2:]
    assert down.iq_inverted
    assert not up.iq_inverted
    assert up.start_us - down.end_us < CLASS_C_RESP_TIMEOUT_US
    assert block.of_kind("ack", "node-1")[-1].message.acknowledged
