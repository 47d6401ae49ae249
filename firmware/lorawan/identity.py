"""Who a device is, written by the device's own program. Nodes of Spatz get theirs from `spatz key`.

Values are in hexadecimal, as a network server shows them. What is already stored is not written again, so the calls may
stand at the start of a program.
"""

from binascii import unhexlify

from .ids import DevAddr, Eui
from .store import IDENTITY


def otaa(store, dev_eui, join_eui, app_key):
    """For a device that joins."""
    key = _key(app_key)
    _keep(store, Eui.from_hex(dev_eui).to_wire() + Eui.from_hex(join_eui).to_wire() + key)


def abp(store, dev_eui, dev_addr, nwk_skey, app_skey):
    """For a personalised one (`abp.personalised`)."""
    from .abp import abp_identity

    _keep(store, abp_identity(Eui.from_hex(dev_eui), DevAddr.from_hex(dev_addr), _key(nwk_skey), _key(app_skey)))


def _key(text):
    key = unhexlify(text.replace(" ", ""))
    if len(key) != 16:
        raise ValueError("a key has 32 hexadecimal digits")
    return key


def _keep(store, body):
    if store.load(IDENTITY) != body:
        store.save(IDENTITY, body)
