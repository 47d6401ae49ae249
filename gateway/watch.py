"""What was heard lately, for people who look at the status page: the last frames, and the signal of each node.

Bounded: a flood of forged devices pushes out old entries, nothing else.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Any

from gateway.frames import Fsk, LoRa, Modulation, Moment, Uplink
from gateway.header import Header

_MOST_FRAMES = 50
_MOST_NODES = 500


@dataclass(slots=True)
class _Node:
    frames: int = 0
    rssi_dbm: int = 0
    snr_db: float = 0.0
    fcnt: int = 0
    wall_us: int = 0


class Watch:
    """The memory of the status page."""

    def __init__(self) -> None:
        self._frames: deque[dict[str, Any]] = deque(maxlen=_MOST_FRAMES)
        self._nodes: OrderedDict[int, _Node] = OrderedDict()

    def note(self, uplink: Uplink, front: Header, moment: Moment) -> None:
        """A frame worth relaying has been heard."""
        if front.dev_addr is not None:
            name = f"{front.dev_addr:08x}"
            self._note_node(front.dev_addr, uplink, front, moment)
        elif front.join_eui is not None:
            name = f"{front.join_eui:016x}"
        else:
            name = ""
        self._frames.append(
            {
                "at": moment.wall_us // 1000,
                "kind": front.kind.value,
                "confirmed": front.confirmed,
                "name": name,
                "fcnt": front.fcnt,
                "rate": _rate(uplink.modulation),
                "mhz": uplink.frequency_hz / 1e6,
                "rssi": uplink.rssi_dbm,
                "snr": uplink.snr_db,
                "gateway": uplink.gateway_id,
                "bytes": len(uplink.phy_payload),
            }
        )

    def _note_node(self, dev_addr: int, uplink: Uplink, front: Header, moment: Moment) -> None:
        node = self._nodes.pop(dev_addr, None) or _Node()
        node.frames += 1
        node.rssi_dbm, node.snr_db = uplink.rssi_dbm, uplink.snr_db
        node.fcnt, node.wall_us = front.fcnt or 0, moment.wall_us
        self._nodes[dev_addr] = node
        if len(self._nodes) > _MOST_NODES:
            self._nodes.popitem(last=False)

    def state(self) -> dict[str, Any]:
        """Frames and nodes as JSON values, latest first; times in Unix milliseconds."""
        return {
            "frames": list(reversed(self._frames)),
            "nodes": [
                {
                    "name": f"{dev_addr:08x}",
                    "frames": node.frames,
                    "rssi": node.rssi_dbm,
                    "snr": node.snr_db,
                    "fcnt": node.fcnt,
                    "at": node.wall_us // 1000,
                }
                for dev_addr, node in reversed(self._nodes.items())
            ],
        }


def _rate(modulation: Modulation) -> str:
    if isinstance(modulation, LoRa):
        return f"SF{modulation.spreading_factor}/{modulation.bandwidth_hz // 1000}"
    return f"FSK {modulation.datarate_bps}" if isinstance(modulation, Fsk) else "LR-FHSS"
