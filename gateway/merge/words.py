"""Topics of the merge gate, and the few words that gate and gateways exchange. P is the topic prefix with a slash.

    Pgateway/ID/late/D        UplinkFrame for the gate; D is the last hex digit of the DevAddr as printed: a partition
    Pgateway/ID/late/backlog  how many frames this gateway is about to hand in, in decimal; 0: everything is handed in
    Pgateway/ID/command/merge from the gate: "through D U": everything of you in partition D up to the frame with
                              uplink_id U is with the server, and nobody's frames wait there
    Pmerge/NAME               retained: the partitions that the instance NAME serves; empty when it is away (will)

Late frames do not go below `event/`, because a network server subscribes to `event/+`: the broker would then say
"somebody is listening" even without a gate.
"""

from __future__ import annotations

from typing import NamedTuple

PARTITIONS = "0123456789abcdef"
_MOST_DIGITS = 10


def partition(dev_addr: int) -> str:
    """The partition of a device: one hex digit. All copies of its frames meet there."""
    return PARTITIONS[dev_addr & 0xF]


class Through(NamedTuple):
    """The gate's word to a gateway, see above."""

    partition: str
    uplink_id: int

    def to_bytes(self) -> bytes:
        """As sent."""
        return f"through {self.partition} {self.uplink_id}".encode()

    @staticmethod
    def from_bytes(payload: bytes) -> Through | None:
        """As received; None if it is nothing of the kind."""
        match payload[:40].split(b" "):
            case [b"through", digit, number] if (value := decimal(number)) is not None:
                word = digit.decode("ascii", "replace")
                return Through(word, value) if len(word) == 1 and word in PARTITIONS else None
        return None


def decimal(payload: bytes) -> int | None:
    """A short decimal number; None if it is not one."""
    return int(payload) if payload.isdigit() and len(payload) <= _MOST_DIGITS else None


def served(payload: bytes) -> frozenset[str]:
    """Partitions in an instance's word about itself."""
    text = payload[: 2 * len(PARTITIONS)].decode("ascii", "replace")
    return frozenset(digit for digit in text if digit in PARTITIONS)
