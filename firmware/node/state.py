"""What the node itself must remember over a reset: one small record, rewritten in place.

The boot counter, the number of the last event, and the report interval that a downlink set. The interval belongs to
the configuration file with the stored hash: when `spatz` deploys another file, that file counts.
"""

import struct

_RECORD = "state"
_FORMAT = ">HH4sI"  # boots, last event number, configuration hash, report interval in s (0: as configured)


class State:
    """The record in `store` (a `firmware.lorawan.store.FileStore` or like it)."""

    def __init__(self, store, config):
        self._store = store
        self._config = config
        self.boots = 0
        self.events = 0
        self.set_interval_s = 0

    def begin(self):
        """Load, count this boot, save. False when the record was damaged and starts anew, or cannot be written."""
        whole = True
        try:
            body = self._store.load(_RECORD)
        except Exception:  # StateCorrupt, OSError: no counter of ours guards anything secret
            body = None
            whole = False
        if body is not None and len(body) == struct.calcsize(_FORMAT):
            self.boots, self.events, of_config, interval_s = struct.unpack(_FORMAT, body)
            if of_config == self._config.hash:
                self.set_interval_s = interval_s
        self.boots = (self.boots + 1) & 0xFFFF
        return self.save() and whole

    @property
    def report_interval_s(self):
        """The interval in force: set by downlink, else as configured."""
        return self.set_interval_s or self._config.report_interval_s

    def save(self):
        """Write the record; False when the flash refuses (full or worn): then it holds until the next reset."""
        body = struct.pack(_FORMAT, self.boots, self.events, self._config.hash, self.set_interval_s)
        try:
            self._store.save(_RECORD, body)
        except OSError:
            return False
        return True
