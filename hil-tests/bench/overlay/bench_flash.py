"""The file system's part of the flash chip: a block device over the unit's flash file.

The file system may call this with the heap locked (a finaliser closing a leaked file), so the methods
must not allocate: no slices, no tuples, no struct.
"""

import array

BLOCK_BYTES = 4096


class Flash:
    """Blocks of the flash file from `offset`; counts programs and erases, and cuts the power at a chosen one.

    The counter file holds two i32: operations until the cut (0: no cut planned), operations so far.
    """

    def __init__(self, path, counter_path, place, stream, cut_frame):
        offset, size = place
        self._file = open(path, "r+b")
        self._counter_file = open(counter_path, "r+b")
        self._counter = array.array("i", (0, 0))
        self._offset = offset
        self._blocks = size // BLOCK_BYTES
        self._erased = b"\xff" * BLOCK_BYTES
        self._stream = stream
        self._cut_frame = cut_frame
        self._silence = bytearray(64)

    def _write(self, place, data, count):
        counter = self._counter
        self._counter_file.seek(0)
        self._counter_file.readinto(counter)
        counter[1] += 1
        cut = counter[0] == 1
        if counter[0]:
            counter[0] -= 1
        self._counter_file.seek(0)
        self._counter_file.write(counter)
        self._file.seek(place)
        if not cut:
            self._file.write(data, count)
            return
        self._file.write(data, count // 2)
        self._stream.write(self._cut_frame)
        while self._stream.readinto(self._silence):
            pass

    def readblocks(self, block, buffer, offset=0):
        """Read `buffer` from `block`."""
        self._file.seek(self._offset + block * BLOCK_BYTES + offset)
        self._file.readinto(buffer)

    def writeblocks(self, block, buffer, offset=None):
        """Program `buffer`; without `offset` the blocks are erased first (simple interface)."""
        if offset is None:
            offset = 0
        self._write(self._offset + block * BLOCK_BYTES + offset, buffer, len(buffer))

    def ioctl(self, op, arg):
        """The block device's control calls (MicroPython vfs.AbstractBlockDev)."""
        if op == 4:
            return self._blocks
        if op == 5:
            return BLOCK_BYTES
        if op == 6:
            self._write(self._offset + arg * BLOCK_BYTES, self._erased, BLOCK_BYTES)
        return 0
