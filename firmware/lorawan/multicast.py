"""Multicast groups: addresses and keys that several devices share (TS001-1.0.4 chapter 14; keys as in TS005-1.0.0).

A group has its own counter with bounds. Its frames carry application data only: no acknowledgement, no MAC command. The
last counter is stored ahead, like FCntUp: after a reset some frames may be missed, none is taken twice.
"""

import struct

from .crypto import Key
from .errors import StateCorrupt
from .frames import ACK, UNCONFIRMED_DOWN, full_fcnt

GROUPS = 4  # TS005 numbers them 0 to 3
_RECORD = "<B4s32sIII"
_RECORD_BYTES = 49
_NOTHING = 0xFFFFFFFF
_MARGIN = 16  # counters covered by one write


def group_keys(mc_key, addr):
    """(McNetSKey, McAppSKey) from McKey (16 bytes) and the group address (4 wire bytes)."""
    cipher = Key(mc_key)
    keys = []
    for kind in (2, 1):
        block = bytearray(16)
        block[0] = kind
        block[1:5] = addr
        cipher.encrypt(block)
        keys.append(bytes(block))
    return keys[0], keys[1]


class Group:
    """One group: `addr` 4 wire bytes, keys of 16 bytes, counters `first` <= FCnt < `end`."""

    def __init__(self, addr, net_skey, app_skey, first=0, end=0xFFFFFFFF):
        self.addr = addr
        self.first = first
        self.end = end
        self.skeys = net_skey + app_skey
        self._net_key = Key(net_skey)
        self._app_key = Key(app_skey)
        self.last = None if first == 0 else first - 1
        self.stored = self.last  # what the record says, at or ahead of `last`

    def take(self, parts):
        """(full counter, application data) of a `DataFrame` for this group, or None when it must be dropped."""
        if parts.ftype != UNCONFIRMED_DOWN or not parts.port or parts.fopts or parts.fctrl & ACK:
            return None
        fcnt = full_fcnt(parts.fcnt16, self.last)
        if fcnt is None or not self.first <= fcnt < self.end or not parts.mic_valid(self._net_key, fcnt):
            return None
        self.last = fcnt
        return fcnt, bytes(parts.decrypted(self._app_key, fcnt))


class Groups:
    """The groups of a device by number, and their record."""

    NAME = "groups"

    def __init__(self, store):
        self._store = store
        self.by_id = {}

    def load(self):
        """Read the record; raises `StateCorrupt`."""
        body = self._store.load(self.NAME) or b""
        if len(body) % _RECORD_BYTES:
            raise StateCorrupt("record groups: %d bytes" % len(body))
        self.by_id = {}
        for at in range(0, len(body), _RECORD_BYTES):
            number, addr, skeys, first, end, last = struct.unpack_from(_RECORD, body, at)
            group = Group(addr, skeys[:16], skeys[16:], first, end)
            group.last = group.stored = None if last == _NOTHING else last
            self.by_id[number] = group

    def put(self, number, group):
        """Define or replace group `number` (0..3), or delete it with None; stored when this returns."""
        if not 0 <= number < GROUPS:
            raise ValueError("group %d: 0 to %d" % (number, GROUPS - 1))
        if group is not None:
            self.by_id[number] = group
        else:
            self.by_id.pop(number, None)
        self._save()

    def take(self, parts):
        """(group number, counter, data) of a frame for one of the groups, or None."""
        for number, group in self.by_id.items():
            if group.addr == parts.dev_addr:
                taken = group.take(parts)
                if taken is not None:
                    if group.stored is None or group.last > group.stored:
                        group.stored = min(group.last + _MARGIN, group.end - 1)
                        self._save()
                    return number, taken[0], taken[1]
        return None

    def _save(self):
        body = b""
        for number, group in self.by_id.items():
            stored = _NOTHING if group.stored is None else group.stored
            body += struct.pack(_RECORD, number, group.addr, group.skeys, group.first, group.end, stored)
        self._store.save(self.NAME, body)
