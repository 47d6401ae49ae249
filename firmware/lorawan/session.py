"""A session: address, keys and frame counters.

FCntUp is stored ahead: `ceiling` is the first counter that the stored record does not cover. While the live counter is
below it nothing is written; after a reset the session goes on at the ceiling. So no counter is ever used twice.
"""

from binascii import hexlify

from .crypto import Key

FCNT_END = 0xFFFFFFFF


class Session:
    """`dev_addr` 4 wire bytes; `nwk_key`, `app_key`: `crypto.Key`; counters of 32 bits.

    `number`: the DevNonce of the join that began it, which tells sessions apart.
    """

    def __init__(self, number, dev_addr, nwk_skey, app_skey):
        self.number = number
        self.dev_addr = dev_addr
        self.skeys = nwk_skey + app_skey  # for the record only
        self.nwk_key = Key(nwk_skey)
        self.app_key = Key(app_skey)
        self.fcnt_up = 0  # the next one to use
        self.ceiling = 0
        self.fcnt_down = None  # the last one accepted

    @property
    def shown(self):
        """DevAddr as it is printed."""
        return hexlify(bytes(reversed(self.dev_addr))).decode()
