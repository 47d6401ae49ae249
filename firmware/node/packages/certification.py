"""Test mode (TS009) of a deployed node. What it does to the life of the node is in `firmware.node.serving`.

DutFPort224DisableReq holds over resets until the next deployment: the record carries the configuration's hash.
"""

from firmware.lorawan.packages.certification import PORT, Certification
from firmware.lorawan.store import FileStore

_OFF = "testoff"


class Service:
    """See `firmware.node.packages`. `test`: the `Certification`, or None while FPort 224 is off."""

    PORT = PORT

    def __init__(self, cycle, mac, directory):
        self._store = FileStore(directory + "/node")
        self._hash = cycle.config.hash
        self.test = Certification(mac, cycle.config.device_class == "C")
        try:
            if self._store.load(_OFF) == self._hash:
                self.test = None
        except Exception:  # StateCorrupt, OSError: test mode is only a test mode
            pass

    def switch_off(self):
        """No test mode after the reset that follows."""
        try:
            self._store.save(_OFF, self._hash)
        except OSError:
            pass  # the test house finds it on again
