"""Records in the ESP32's own non-volatile storage instead of files: nothing else on the board can fill or erase it.

    from esp32 import NVS

    lorawan = alone.lorawan(facts, eu868, NvsStore(NVS("lorawan")))

A record is a blob with the framing of `store`; its name is the key. ESP-IDF writes a new value beside the old one and
then drops the old one, so a power cut leaves one of the two ("Non-Volatile Storage Library", section NVS internals).
That also spreads the writes: the record `hot` takes 5 entries of 32 bytes, so the usual partition of 24 kB is erased
once in more than a hundred writes.
"""

from .store import pack_record, unpack_record

_NOT_FOUND = -0x1102  # ESP_ERR_NVS_NOT_FOUND, as `OSError.errno`
_KEY_CHARACTERS = 15  # NVS_KEY_NAME_MAX_SIZE - 1
_LONGEST_BYTES = 512  # `cold` with all channels has less than half of it


class NvsStore:
    """The same calls as `store.FileStore`. `nvs`: an `esp32.NVS`, the namespace of its own that the records live in."""

    def __init__(self, nvs):
        self._nvs = nvs

    def load(self, name):
        """The body of record `name`, or None when it was never written; raises `StateCorrupt`."""
        framed = bytearray(_LONGEST_BYTES)
        try:
            length = self._nvs.get_blob(_key(name), framed)
        except OSError as error:
            if error.errno != _NOT_FOUND:
                raise
            return None
        return unpack_record(name, framed[:length])

    def save(self, name, body):
        """Write record `name`; it is on flash when this returns. Raises OSError when the partition is full."""
        self._nvs.set_blob(_key(name), pack_record(body))
        self._nvs.commit()


def _key(name):
    if len(name) > _KEY_CHARACTERS:
        raise ValueError("record %s: NVS keys have up to 15 characters" % name)
    return name
