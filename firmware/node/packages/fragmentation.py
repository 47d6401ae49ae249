"""Data blocks in fragments (TS004): a complete block is the file /blocks/<session>, for whoever wants it."""

from firmware.lorawan.packages.fragmentation import PORT, Fragmentation
from firmware.node.files import Directory
from firmware.node.shelf import Shelf

_MAX_BYTES = 65_536
_MAX_LOST = 32
"""Equations kept in memory: so many fragments may be missing when the parity fragments begin."""


class Service:
    """See `firmware.node.packages`."""

    PORT = PORT

    def __init__(self, cycle, mac, directory):
        self._files = Directory(directory + "/blocks")
        self._say = cycle.say
        room_bytes = 1024 * cycle.free_kb() // 3  # the fragments, the block made of them, and something to spare
        self._package = Fragmentation(self._complete, min(_MAX_BYTES, room_bytes), _MAX_LOST, self._shelf)

    def take(self, downlink, now_ms):
        """Commands, and fragments from this device's own frames or from those of a group."""
        return self._package.handle(downlink.data, now_ms, downlink.group)

    def next_ms(self, now_ms):
        """Never by itself."""
        return None

    def _shelf(self, index, fragments, size):
        self._say("block=%d fragments=%d size=%d begins" % (index, fragments, size))
        return Shelf(self._files, str(index), fragments, size)

    def _complete(self, index, block):
        try:
            kept = block.shelf.keep(block.length, block.descriptor)
        except OSError as error:
            self._say("block=%d flash refuses it: %s" % (index, error))
            return
        outcome = "kept" if kept else "thrown away: its CRC-32 is not the descriptor's"
        self._say("block=%d n=%d %s" % (index, block.length, outcome))
