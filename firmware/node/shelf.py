"""Fragments of a block in flash, and the block that is made of them.

    <name>.part     fragments in the order of their arrival, each appended: littlefs would copy everything that lies
                    behind a change
    <name>.new      the block while it is put in order
    <name>          the block, whole and checked; a former one stays until then

After a reset a `.part` is worth nothing: which fragment lies where was in memory. The server begins again.
"""

from array import array
from binascii import crc32


class Shelf:
    """As `lorawan.packages.fragmentation.Shelf`, in `files` (a `files.Directory`). Raises OSError as the flash does."""

    def __init__(self, files, name, fragments, size):
        self._files = files
        self._name = name
        self._size = size
        self._places = array("I", [0] * fragments)
        self._clear()

    def put(self, index, fragment):
        """Keep fragment `index`, from 0; each is put once."""
        part = self._name + ".part"
        try:
            self._places[index] = self._files.size(part)
        except OSError:
            pass  # the first of them makes the file
        self._files.append(part, fragment)

    def get(self, index):
        """Fragment `index` again."""
        return self._files.read(self._name + ".part", self._places[index], self._size)

    def keep(self, length, descriptor):
        """Make the block of all fragments; False when its CRC-32 is not `descriptor` (0: not checked)."""
        new = self._name + ".new"
        crc = 0
        left = length
        for index in range(len(self._places)):
            piece = self.get(index)[:left]
            left -= len(piece)
            crc = crc32(piece, crc)
            self._files.append(new, piece)
        good = not descriptor or crc & 0xFFFFFFFF == descriptor
        if good:
            self._files.rename(new, self._name)
        self._clear()
        return good

    def _clear(self):
        for kind in (".part", ".new"):
            try:
                self._files.remove(self._name + kind)
            except OSError:
                pass  # not there
