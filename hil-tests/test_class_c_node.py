"""A deployed class C node with its application packages, on genuine MicroPython, over air and bench server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from bench.air.forwarder import GPS_EPOCH_UNIX_S, GPS_LEAP_S
from bench.air.transmission import on_air
from bench.block import EPOCH_US, Block
from bench.server.crypto import SessionKeys, decrypt_blocks, encrypt_blocks
from bench.server.frames import DataFrame, FType
from bench.street import GATEWAY_ANTENNA, Plan
from firmware.lorawan.packages.fragmentation import parity_mask
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


# Application packages


def answer(block: Block, port: int, data: bytes) -> bytes:
    """What the node answers on a package's port."""
    before = len(said(block, port))
    block.enqueue("node-1", port, data)
    assert block.bench.run_until(lambda: len(said(block, port)) > before, 120), console(block)
    return said(block, port)[-1]


def said(block: Block, port: int) -> list[bytes]:
    return [event.message.data for event in block.of_kind("up", "node-1") if event.message.f_port == port]


def test_a_node_asks_for_the_time_and_takes_the_answer(started: Callable[..., Block]) -> None:
    block = started("clock-sync", device_class="A", interval_s=60)
    (asked,) = said(block, 202)
    assert (asked[0], asked[5]) == (0x01, 0x10)
    gps_s = (EPOCH_US + block.bench.now_us) // 1_000_000 - GPS_EPOCH_UNIX_S + GPS_LEAP_S

    correction = gps_s - int.from_bytes(asked[1:5], "little")
    block.enqueue("node-1", 202, b"\x01" + (correction & 0xFFFFFFFF).to_bytes(4, "little") + b"\x00")
    block.bench.run_for(70)
    period = answer(block, 202, b"\x02\x00")  # every 128 s

    told_s = int.from_bytes(period[2:6], "little")
    assert abs(told_s - (EPOCH_US + block.bench.now_us) // 1_000_000 + GPS_EPOCH_UNIX_S - GPS_LEAP_S) <= 130
    asked_before = len(said(block, 202))
    block.bench.run_for(600)
    assert 3 <= len(said(block, 202)) - asked_before <= 6
    assert "defect" not in console(block)


GROUP_ADDR = "01020304"
MC_KEY = bytes(range(16))
MC_HZ, MC_SF, MC_DR = 869_525_000, 9, 3
FRAGMENT_BYTES = 48


def group_keys() -> SessionKeys:
    addr = bytes.fromhex(GROUP_ADDR)[::-1]
    net, app = (encrypt_blocks(MC_KEY, (bytes((kind,)) + addr).ljust(16, b"\0")) for kind in (2, 1))
    return SessionKeys(nwk_s_key=net, app_s_key=app)


def to_the_group(block: Block, frames: list[bytes], first_counter: int) -> None:
    """The gateway sends to the group, a frame every 2 s."""
    keys = group_keys()
    for count, payload in enumerate(frames):
        f_cnt = first_counter + count
        frame = DataFrame(FType.UNCONFIRMED_DOWN, GROUP_ADDR, f_cnt, f_port=201, payload=payload).build(keys, f_cnt)
        start_us = block.bench.now_us + 100_000
        block.air.transmit(on_air(start_us, frame, GATEWAY_ANTENNA, MC_HZ, MC_SF, iq_inverted=True, crc_on=False))
        block.bench.run_for(2)


def fragments_of(data: bytes, count: int, size: int, spare: int) -> list[bytes]:
    """TS004 data commands: the block's fragments and `spare` parity fragments, for session 0."""
    pieces = [data[i * size : (i + 1) * size].ljust(size, b"\0") for i in range(count)]
    for n in range(1, spare + 1):
        mixed = 0
        for i in range(count):
            if parity_mask(n, count) >> i & 1:
                mixed ^= int.from_bytes(pieces[i], "big")
        pieces.append(mixed.to_bytes(size, "big"))
    return [b"\x08" + (n + 1).to_bytes(2, "little") + piece for n, piece in enumerate(pieces)]


@pytest.mark.parametrize("intact", [True, False], ids=["intact", "not what was announced"])
def test_a_block_sent_to_a_group_lies_in_flash_when_enough_of_it_arrived(
    started: Callable[..., Block], intact: bool
) -> None:
    block = started("multicast-setup", "fragmentation")
    addr = bytes.fromhex(GROUP_ADDR)[::-1]
    root_key = encrypt_blocks(block.gen_app_key("node-1"), bytes(16))
    wrapped = decrypt_blocks(encrypt_blocks(root_key, bytes(16)), MC_KEY)
    assert answer(block, 200, b"\x02\x00" + addr + wrapped + bytes(4) + b"\xff\xff\xff\xff") == b"\x02\x00"

    start_s = (EPOCH_US + block.bench.now_us) // 1_000_000 - GPS_EPOCH_UNIX_S + GPS_LEAP_S + 120
    session = (
        b"\x04\x00" + start_s.to_bytes(4, "little") + b"\x0a" + (MC_HZ // 100).to_bytes(3, "little") + bytes((MC_DR,))
    )
    delay = answer(block, 200, session)
    assert (delay[:2], 60 < int.from_bytes(delay[2:], "little") < 120) == (b"\x04\x00", True)

    data = bytes(range(256)) * 5
    count = -(-len(data) // FRAGMENT_BYTES)
    padding = count * FRAGMENT_BYTES - len(data)
    descriptor = (crc32(data) if intact else 1).to_bytes(4, "little")
    setup = b"\x02\x01" + count.to_bytes(2, "little") + bytes((FRAGMENT_BYTES, 0, padding)) + descriptor
    assert answer(block, 201, setup) == b"\x02\x00"
    block.bench.run_for(120)
    frames = fragments_of(data, count, FRAGMENT_BYTES, 12)
    to_the_group(block, [frame for n, frame in enumerate(frames) if n % 6 != 2], 0)

    board = block.street.nodes["node-1"].board
    if intact:
        assert board.read_file("/blocks/0") == data
    else:
        assert "thrown away" in console(block)
    assert [name for name in board.list_files() if name.startswith("/blocks/")] == (["/blocks/0"] if intact else [])
    assert "defect" not in console(block)
