"""Activation by personalisation (TS001-1.0.4 section 6.3): address and session keys are given, nothing is joined.

    mac = personalised(Mac)(region, store, random_u32)

Frame counters never start anew in the device's life (section 4.3.1.5), because the keys never change. So a record of
its own, `abp` and the DevAddr in hexadecimal, says that counters for this address exist. It is written last:

    nonce, hot, cold, abp<DevAddr>

| found                                  | meaning                                                          |
|----------------------------------------|------------------------------------------------------------------|
| no `abp<DevAddr>`                      | new, or the power failed in between; nothing was sent: begin at 0 |
| it, and counters with its number       | go on; other keys for the same address change nothing about that |
| it, and no counters, or others'        | they are lost: `StateCorrupt`, never a start at 0                 |

An erased store cannot be told from a new device: the network has to forget its counters then, too. Channels and receive
windows begin as the region has them; what the network changes is stored as for a joined device.

Identity record: DevEUI(8) DevAddr(4) NwkSKey(16) AppSKey(16), in wire order. Nodes that join load none of this file.
"""

import struct
from binascii import hexlify

from . import store as names
from .crypto import Key
from .errors import NoIdentity, NonceExhausted, StateCorrupt
from .join import NONCE_END
from .session import Session

IDENTITY_BYTES = 44
_JOINERS_IDENTITY_BYTES = 32


class Personalised(NonceExhausted):
    """Raised by `join`: a personalised device has its session for good. Provision it with an AppKey to let it join."""


def pack_abp_identity(dev_eui, dev_addr, nwk_skey, app_skey):
    """The file `/lorawan/identity` of a personalised device: `Eui`, `DevAddr`, twice 16 key bytes -> framed bytes."""
    return names.pack_record(abp_identity(dev_eui, dev_addr, nwk_skey, app_skey))


def abp_identity(dev_eui, dev_addr, nwk_skey, app_skey):
    """Body of that record, as `FileStore.save` takes it."""
    if len(nwk_skey) != 16 or len(app_skey) != 16:
        raise ValueError("keys have 16 bytes")
    return dev_eui.to_wire() + dev_addr.to_wire() + bytes(nwk_skey) + bytes(app_skey)


def personalised(kind):
    """The class for personalised devices that belongs to `kind`: `mac.Mac` or `class_c.ClassCMac`."""

    class PersonalisedMac(kind):
        def __init__(self, region, store, random_u32, device=None):
            self._abp_store = _Store(store)
            kind.__init__(self, region, self._abp_store, random_u32, device)

        def start(self, now_ms):
            kind.start(self, now_ms)
            identity = self._abp_store.identity
            dev_addr, nwk_skey, app_skey = identity[8:12], identity[12:28], identity[28:]
            mark = "abp" + hexlify(bytes(reversed(dev_addr))).decode()
            number = self._abp_store.load(mark)
            if number is None:
                self._personalise(mark, Session(self._join.dev_nonce, dev_addr, nwk_skey, app_skey), now_ms)
                return
            session = self._records.session
            if session is None or session.dev_addr != dev_addr or struct.pack("<H", session.number) != number:
                raise StateCorrupt("the counters of DevAddr %s are lost" % mark[3:])
            session.skeys = nwk_skey + app_skey
            session.nwk_key, session.app_key = Key(nwk_skey), Key(app_skey)

        def _personalise(self, mark, session, now_ms):
            """The first start with this DevAddr. The session's number is one that no join has or will have."""
            records, link = self._records, self._link
            if session.number >= NONCE_END:
                raise NonceExhausted(
                    "no number is left for a session: erase the store, and reset the server's counters"
                )
            self._join.dev_nonce += 1
            link.reset(link.region.DEFAULT_DR)
            records.session = session
            records.save_nonce(now_ms)
            records.save_hot(now_ms, 0)
            records.save_cold()
            self._abp_store.save(mark, struct.pack("<H", session.number))

        def join(self, now_ms):
            raise Personalised("a personalised device does not join")

    return PersonalisedMac


class _Store:
    """The device's store, in which a MAC finds an identity of the form that it knows: only the DevAddr, for the tag."""

    def __init__(self, store):
        self.save = store.save
        self._load = store.load
        self.identity = b""

    def load(self, name):
        body = self._load(name)
        if name != names.IDENTITY or body is None:
            return body
        if len(body) != IDENTITY_BYTES:
            raise NoIdentity("the identity in the store is for joining: personalise this device")
        self.identity = body
        return body[8:12] + bytes(_JOINERS_IDENTITY_BYTES - 4)
