"""What happens on a disk that is really full. Run as a program of its own, with a directory on a small file system:

python -m tests.gateway.full_disk DIRECTORY
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from gateway import spool as spool_of
from gateway.errors import SpoolError
from gateway.frames import Moment
from gateway.spool import Spool
from gateway.store import Frame
from tests.gateway.kit import data_frame, uplink


def fill(path: Path) -> None:
    """Take all the room there is."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for size in (1 << 20, 4096, 1):
        try:
            while True:
                os.write(handle, bytes(size))
        except OSError:
            continue
    os.close(handle)


async def put_many(spool: Spool, numbers: range) -> list[int]:
    """Twenty at a time, as they come from the air; the seqs in order."""
    seqs: list[int] = []
    for first in numbers[::20]:
        seqs += await asyncio.gather(*(put(spool, number) for number in range(first, min(first + 20, numbers.stop))))
    return seqs


async def put(spool: Spool, number: int) -> int:
    seq = spool.next_seq()
    body = uplink(data_frame(number % 500, number, tail=bytes(200))).to_bytes()
    await spool.append([Frame(seq, number % 500, Moment(1, number, number), body, (1,))])
    return seq


async def main(directory: Path) -> None:
    path, other = directory / "spool.db", directory / "somebody-else"
    spool = await Spool.open(path, 256 << 20, "boot")
    await spool.call(lambda store: store.destination("city"))
    reserve = directory / "spool.db.reserve"
    assert reserve.exists(), "no reserve was taken"
    kept = await put_many(spool, range(300))
    fill(other)

    # Every frame is stored all the same, thousands of them, and the oldest make room.
    kept += await put_many(spool, range(300, 6000))
    assert spool.emergency, "no emergency"
    assert not reserve.exists(), "the reserve was not given back"
    assert spool.evicted > 0, "nothing was evicted"
    stored = await spool.call(lambda store: [seq for seq, _, _ in store.oldest(100_000)])
    assert stored == kept[-len(stored) :], "the newest are not what is kept"
    assert spool.evicted + len(stored) == len(kept), "frames are unaccounted for"

    # Delivered frames can be deleted.
    for batch in range(0, len(stored), 64):
        await spool.forget(1, [((kept.index(seq)) % 500, seq) for seq in stored[batch : batch + 64]])
    assert spool.waiting(1) == 0, "deleting failed"

    # Killed and started on the full disk.
    await spool.close()
    spool = await Spool.open(path, 256 << 20, "boot")
    await put(spool, 6000)

    # Somebody tidies up: the reserve is taken again, and the quota is what it was.
    other.unlink()
    spool_of._LOOK_AGAIN_S = 0.0
    spool.emergency = True
    await put(spool, 6001)
    assert not spool.emergency, "the end of the emergency was not seen"
    assert reserve.exists(), "the reserve was not taken again"
    await spool.close()

    # Without a reserve nothing is acknowledged that is not stored.
    spool = await Spool.open(path, 256 << 20, "boot")
    reserve.unlink()
    fill(other)
    refused = 0
    for number in range(400):
        try:
            await put(spool, number)
        except SpoolError:
            refused += 1
    stored = await spool.call(lambda store: [seq for seq, _, _ in store.oldest(100_000)])
    assert refused + len(stored) == 402, "a frame was acknowledged and not stored"
    assert refused > 0, "the disk was not full"
    await spool.close()
    print(f"evicted {spool.evicted}, refused {refused}")


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
