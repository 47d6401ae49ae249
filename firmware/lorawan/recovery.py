"""What a reset does: the stored records back into the parts of the stack. Needed once; a node forgets it afterwards."""

import struct

from . import store as names
from .errors import NoIdentity, StateCorrupt
from .fields import u24
from .join import NONCE_BYTES
from .records import ACK_DUE, COLD_BYTES, COLD_LAYOUT, HOT_BYTES, HOT_LAYOUT, IN_SESSION, NO_FCNT
from .session import Session


def recover(records, store, link, duty, join, now_ms):
    """Fill `records` (identity, tag, session), `link`, `duty` and `join` from `store`.

    Raises `NoIdentity` or `StateCorrupt`.
    """
    identity = store.load(names.IDENTITY)
    if not identity:
        raise NoIdentity("no identity in the store: provision this device")
    if len(identity) == 44:  # `abp.IDENTITY_BYTES`, without loading it
        raise NoIdentity("the identity is personalised (ABP), but this device joins: provision it with an AppKey")
    if len(identity) not in (32, 48):
        raise StateCorrupt("record identity: %d bytes" % len(identity))
    records.identity = identity
    records.tag = names.crc16(identity + link.region.NAME.encode())
    nonce, hot, cold = store.load(names.NONCE), store.load(names.HOT), store.load(names.COLD)
    # Each is written before the next one exists for the first time: a gap means that a record was lost.
    if (nonce is None and hot is not None) or (hot is None and cold is not None):
        raise StateCorrupt("record %s is missing" % (names.NONCE if nonce is None else names.HOT))
    if nonce is not None:
        if len(nonce) < NONCE_BYTES or (len(nonce) - NONCE_BYTES) % 3:
            raise StateCorrupt("record nonce: %d bytes" % len(nonce))
        join.unpack(nonce, now_ms)
    if cold is not None:
        records.session = _unpack_cold(cold, records.tag, link)
    if hot is not None:
        records.session = _unpack_hot(hot, records.session, link, duty, now_ms)


def _unpack_cold(body, own_tag, link):
    """The session in the record, without its counters."""
    if len(body) < COLD_BYTES:
        raise StateCorrupt("record cold: %d bytes" % len(body))
    tag, number, dev_addr, skeys, offset, rx2_dr, delay_s, rx2 = struct.unpack_from(COLD_LAYOUT, body)
    if tag != own_tag:
        return None  # the device was given another identity or region since
    link.rx1_dr_offset, link.rx2_dr, link.rx_delay_s = offset, rx2_dr, delay_s
    link.rx2_hz = 100 * u24(rx2, 0)
    link.plan.unpack(body[COLD_BYTES:])
    return Session(number, dev_addr, skeys[:16], skeys[16:])


def _unpack_hot(body, session, link, duty, now_ms):
    """The session with its counters, or None when they are not those of this session."""
    if len(body) < HOT_BYTES:
        raise StateCorrupt("record hot: %d bytes" % len(body))
    fields = struct.unpack_from(HOT_LAYOUT, body)
    reserve_at = HOT_BYTES + fields[9]
    answers_at = reserve_at + fields[10]
    if len(body) != answers_at + fields[11]:
        raise StateCorrupt("record hot: %d bytes" % len(body))
    duty.restore(body[reserve_at:answers_at], now_ms)
    if session is None or fields[0] < session.number:
        return session
    if fields[0] > session.number:
        link.reset(link.region.DEFAULT_DR)
        return None
    if not fields[8] & IN_SESSION:
        return session
    session.fcnt_up = session.ceiling = fields[1]
    session.fcnt_down = None if fields[2] == NO_FCNT else fields[2]
    link.adr_ack_cnt, link.data_rate, link.power, link.nb_trans, link.max_duty = fields[3:8]
    link.ack_due = bool(fields[8] & ACK_DUE)
    link.plan.unpack_mask(body[HOT_BYTES:reserve_at])
    link.answers = bytearray(body[answers_at:])
    link.settle()  # the power may have failed between the two records
    return session
