"""Uplink frame counters: what ChirpStack accepts, and what it calls a retransmission or a reset.

Source: chirpstack `storage/device.rs` (get_for_phypayload_and_incr_f_cnt_up). `expected` is the counter the next
uplink should carry. There is no MAX_FCNT_GAP: a jump of up to 65535 forward is accepted. After a reset of the
device the full counter that fits the 16 bits on the air is wrong; the raw 16 bits are tried as well, which helps
only while the device's counter is below 65536.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum


class Verdict(Enum):
    """What a counter with a valid MIC means."""

    ACCEPT = "accept"
    RETRANSMISSION = "retransmission"
    RESET = "reset"


def full_counter(expected: int, f_cnt16: int) -> int:
    """The smallest counter from `expected` on whose low 16 bits are those on the air."""
    return (expected + (f_cnt16 - expected) % 0x1_0000) & 0xFFFF_FFFF


def match(expected: int, f_cnt16: int, mic_valid: Callable[[int], bool]) -> int | None:
    """The full counter for which the MIC is valid, or None."""
    for candidate in (full_counter(expected, f_cnt16), f_cnt16):
        if mic_valid(candidate):
            return candidate
    return None


def judge(expected: int, f_cnt: int, *, skip_check: bool) -> Verdict:
    """What to do with an uplink of full counter `f_cnt`."""
    if f_cnt >= expected or skip_check:
        return Verdict.ACCEPT
    if f_cnt == expected - 1:
        return Verdict.RETRANSMISSION
    return Verdict.RESET
