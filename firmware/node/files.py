"""One directory of the flash file system, as the queue needs it. The only place in the node that touches files."""

import os

_EEXIST = 17


class Directory:
    """The files of `path`; made at first use. All calls raise OSError as the file system does."""

    def __init__(self, path):
        self._path = path
        try:
            os.mkdir(path)
        except OSError as error:
            if error.errno != _EEXIST:
                raise

    def names(self):
        """Names of all files."""
        return os.listdir(self._path)

    def size(self, name):
        """Bytes in a file."""
        return os.stat(self._path + "/" + name)[6]

    def read(self, name, offset, count):
        """Up to `count` bytes from `offset` on."""
        with open(self._path + "/" + name, "rb") as file:
            file.seek(offset)
            return file.read(count)

    def append(self, name, data):
        """Add `data` to the end of a file; all of it is on flash when this returns, or none of it."""
        with open(self._path + "/" + name, "ab") as file:
            file.write(data)

    def write(self, name, data):
        """Replace a file; afterwards, and after a power cut, it is the old or the new one."""
        with open(self._path + "/" + name, "wb") as file:
            file.write(data)

    def rename(self, name, other):
        """Give a file the name of another, which it replaces."""
        os.rename(self._path + "/" + name, self._path + "/" + other)

    def remove(self, name):
        """Delete a file."""
        os.remove(self._path + "/" + name)
