"""Records that survive: framed with a version and a CRC, one small file each.

| record   | holds                                                        | written                                 |
|----------|--------------------------------------------------------------|-----------------------------------------|
| identity | DevEUI, JoinEUI, AppKey, GenAppKey if there is one           | by provisioning                         |
| nonce    | DevNonce, the last 16 JoinNonces, join back-off              | before each Join-Request                |
| hot      | counters, data rate, power, pending answers (<= 128 bytes)   | ahead in steps, and at each downlink    |
| cold     | session keys, DevAddr, channels, receive windows             | when they change                        |

Files of up to 128 bytes stay inside littlefs metadata and are rewritten in place: atomic, and cheap in erases. A file
that was created but never completed is empty; nothing was transmitted on its behalf, so it counts as absent.
"""

from .errors import StateCorrupt

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

VERSION = 1
IDENTITY = "identity"
NONCE = "nonce"
HOT = "hot"
COLD = "cold"

_FRAME_BYTES = const(3)  # version, CRC-16
_ENOENT = const(2)  # the same number on every port of MicroPython

# CRC-16/CCITT-FALSE (polynomial 0x1021, initial value 0xFFFF), four bits at a time.
_CRC_TABLE = (
    b"\x00\x00\x10\x21\x20\x42\x30\x63\x40\x84\x50\xa5\x60\xc6\x70\xe7"
    b"\x81\x08\x91\x29\xa1\x4a\xb1\x6b\xc1\x8c\xd1\xad\xe1\xce\xf1\xef"
)


def crc16(data):
    """CRC-16/CCITT-FALSE of `data`. Allocates nothing."""
    crc = 0xFFFF
    for byte in data:
        at = 2 * ((crc >> 12) ^ (byte >> 4))
        crc = ((crc << 4) & 0xFFFF) ^ (_CRC_TABLE[at] << 8 | _CRC_TABLE[at + 1])
        at = 2 * ((crc >> 12) ^ (byte & 15))
        crc = ((crc << 4) & 0xFFFF) ^ (_CRC_TABLE[at] << 8 | _CRC_TABLE[at + 1])
    return crc


def pack_record(body):
    """`body` framed for storage, as a bytearray: version, body, CRC-16 (big-endian) over both."""
    framed = bytearray(1)
    framed[0] = VERSION
    framed.extend(body)
    crc = crc16(framed)
    framed.append(crc >> 8)
    framed.append(crc & 0xFF)
    return framed


def unpack_record(name, framed):
    """The body of a framed record, or None for an empty one; raises `StateCorrupt` for anything damaged."""
    if not framed:
        return None
    if len(framed) < _FRAME_BYTES or crc16(framed) != 0:
        raise StateCorrupt("record %s: checksum" % name)
    if framed[0] != VERSION:
        raise StateCorrupt("record %s: version %d, this firmware knows %d" % (name, framed[0], VERSION))
    return bytes(framed[1:-2])


def pack_identity(dev_eui, join_eui, app_key, gen_app_key=b""):
    """The file `/lorawan/identity` that provisioning writes: `Eui`, `Eui`, 16 key bytes -> framed bytes.

    `gen_app_key`: 16 bytes for a node that the network may put into multicast groups (TS005), else empty.
    """
    if len(app_key) != 16 or len(gen_app_key) not in (0, 16):
        raise ValueError("keys have 16 bytes")
    return bytes(pack_record(dev_eui.to_wire() + join_eui.to_wire() + bytes(app_key) + bytes(gen_app_key)))


class FileStore:
    """Records as files of one directory."""

    def __init__(self, directory="/lorawan"):
        self._directory = directory

    def load(self, name):
        """The body of record `name`, or None when it was never written; raises `StateCorrupt`."""
        try:
            with open(self._directory + "/" + name, "rb") as file:
                framed = file.read()
        except OSError as error:
            if error.errno != _ENOENT:
                raise
            return None
        return unpack_record(name, framed)

    def save(self, name, body):
        """Write record `name`; it is on flash when this returns."""
        framed = pack_record(body)
        try:
            file = open(self._directory + "/" + name, "wb")
        except OSError as error:
            if error.errno != _ENOENT:
                raise
            import os

            os.mkdir(self._directory)
            file = open(self._directory + "/" + name, "wb")
        with file:
            file.write(framed)
