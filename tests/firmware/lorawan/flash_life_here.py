"""A node's first life on littlefs, on genuine MicroPython, with the power cut at one block write.

    flash_life_here.py IMAGE new          format IMAGE and provision it
    flash_life_here.py IMAGE CUT          join and send; at block write CUT half a block is written, then nothing more

Prints "nonce N" for each Join-Request and "sent SESSION FCNT" for each uplink at the moment it would be transmitted.
"""
# ruff: noqa: PTH102, PTH123, SIM115 (no pathlib on MicroPython)

import os
import sys

import vfs

from firmware.lorawan.errors import Wait
from firmware.lorawan.store import FileStore, pack_identity
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Device, Network

BLOCK_BYTES = 4096
BLOCKS = 64
UPLINKS = 36


class Flash:
    """A block device on a file that dies at one write and stays dead."""

    def __init__(self, path, cut):
        self.file = open(path, "r+b")
        self.cut = cut
        self.writes = 0
        self.dead = False

    def readblocks(self, block, buffer, offset=0):
        self.file.seek(block * BLOCK_BYTES + offset)
        self.file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=None):
        if self.dead:
            raise OSError(5)
        if offset is None:
            offset = 0
        self.file.seek(block * BLOCK_BYTES + offset)
        if self.writes == self.cut:
            self.dead = True
            self.file.write(memoryview(buffer)[: len(buffer) // 2])
            self.file.flush()
            raise OSError(5)
        self.writes += 1
        self.file.write(buffer)

    def ioctl(self, op, arg):
        if op == 4:
            return BLOCKS
        if op == 5:
            return BLOCK_BYTES
        if op == 6:
            return 0
        return None


def live():
    """Join and send until all is done; an OSError of the dead flash ends it."""
    device = Device(Network(), FileStore("/flash/lorawan"))
    sent = 0
    while sent < UPLINKS:
        try:
            if not device.mac.joined:
                exchange = device.mac.join(device.now_ms)
                nonce = device.network.hear(exchange)["dev_nonce"]
                print("nonce", nonce)
                device.finish(exchange, device.network.accept(exchange.frame, join_nonce=nonce + 1))
            else:
                device.now_ms += 900_000
                exchange = device.mac.send(1, b"x", device.now_ms)
                print("sent", device.mac._records.session.number, exchange.frame[6] | exchange.frame[7] << 8)
                device.finish(exchange)
                sent += 1
        except Wait as wait:
            device.now_ms += wait.ms
    print("done")


def main(path, cut):
    if cut == "new":
        with open(path, "wb") as file:
            for _ in range(BLOCKS):
                file.write(b"\xff" * BLOCK_BYTES)
        flash = Flash(path, -1)
        vfs.VfsLfs2.mkfs(flash)
        vfs.mount(flash, "/flash")
        os.mkdir("/flash/lorawan")
        with open("/flash/lorawan/identity", "wb") as file:
            file.write(pack_identity(DEV_EUI, JOIN_EUI, APP_KEY))
        vfs.umount("/flash")
        return
    flash = Flash(path, int(cut))
    vfs.mount(flash, "/flash")
    try:
        live()
    except OSError:
        if not flash.dead:
            raise


main(sys.argv[1], sys.argv[2])
