"""A chip on a virtual board refuses a bus that is faster than its data sheet allows."""

from __future__ import annotations

from typing import Any

import pytest

from bench.air.air import Air
from bench.boards import Bench, Harness
from bench.chips.ports import ForbiddenUse
from bench.chips.sx1276 import SX1276

PROGRAM = """
from machine import Pin, SPI
cs = Pin(18, Pin.OUT, value=1)
spi = SPI(1, baudrate=%d, sck=Pin(5), mosi=Pin(27), miso=Pin(19))
data = bytearray(b"\\x42\\x00")
cs(0)
spi.write_readinto(data, data)
cs(1)
print(data[1])
"""


def harness(bench: Bench) -> Harness:
    return Harness(spi={(1, 18): SX1276(bench.schedule, Air(bench.schedule), "node")})


def test_a_bus_within_the_limit_is_served(bench: Bench, run_program: Any) -> None:
    board = run_program(PROGRAM % 10_000_000, harness(bench))

    assert board.console.split()[0] == "18"


def test_a_bus_beyond_the_limit_is_refused(bench: Bench, run_program: Any) -> None:
    with pytest.raises(ForbiddenUse, match="12000000 Hz is too fast for SX1276"):
        run_program(PROGRAM % 12_000_000, harness(bench))
