"""How many frames a spool of a given size holds for certain: what "within quota" means to the judge."""

from __future__ import annotations

import random
import tempfile
from pathlib import Path

from bench.chaos.load import data_uplink, device
from gateway.frames import Crc, LoRa, Moment, Uplink
from gateway.store import Frame, Store

_BATCH = 64
_LONGEST_PAYLOAD = 40
# What is evicted leaves in batches, and pages of a busy spool are less well filled than those of a new one.
_CERTAIN = 0.6


def capacity(max_bytes: int, devices: int) -> int:
    """Fill a spool with frames of so many devices until it would evict, and take off what fragmentation may cost."""
    chance = random.Random(1)
    with tempfile.TemporaryDirectory() as directory:
        store = Store(Path(directory) / "spool.db", max_bytes, "capacity")
        destination = store.destination("bench")
        frames = 0
        while not store.crowded():
            store.begin()
            store.append(
                [_frame(store.first_seq + frames + n, chance.randrange(devices), destination) for n in range(_BATCH)]
            )
            store.commit()
            frames += _BATCH
        store.close()
    return int(_CERTAIN * frames)


def _frame(seq: int, number: int, destination: int) -> Frame:
    one = device(number)
    uplink = Uplink(
        gateway_id="0016c001ff10a235",
        phy_payload=data_uplink(one, seq & 0xFFFF, bytes(_LONGEST_PAYLOAD), confirmed=False),
        frequency_hz=868_100_000,
        modulation=LoRa(7, 125_000, "4/5"),
        rssi_dbm=-120,
        snr_db=7.5,
        crc=Crc.OK,
        uplink_id=seq,
        context=bytes(4),
    )
    return Frame(seq, one.dev_addr, Moment(1, 1 << 40, 1 << 50), uplink.to_bytes(), (destination,))
