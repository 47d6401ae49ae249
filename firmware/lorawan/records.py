"""What is stored when: the layout of the records `nonce`, `hot` and `cold`, and the order in which they are written.

`hot` and `cold` carry the number of their session, the DevNonce of its join. A join writes nonce, cold, hot. So

* `hot` older than `cold`: the power failed in the join; nothing was sent in the new session, counters start at zero;
* `hot` newer than `cold`: the keys are of a session whose counters are gone; it is dropped, the device joins anew.
"""

import struct

from . import store as names
from .errors import NoIdentity, StateCorrupt
from .frames import u24
from .join import NONCE_BYTES
from .session import Session

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

_HOT = "<HIIHBBBBBBBB"  # .., lengths of mask, reserve and answers, which follow
_HOT_BYTES = const(20)
_COLD = "<HH4s32sBBB3s"  # channels follow
_COLD_BYTES = const(46)
_NO_FCNT = const(0xFFFFFFFF)
_ACK_DUE = const(0x01)
_IN_SESSION = const(0x02)  # absent: written while joining, for the airtime in it


class Records:
    """Loads and saves the state of one device."""

    def __init__(self, store, link, duty, join):
        self._store = store
        self._link = link
        self._duty = duty
        self._join = join
        self._tag = 0  # of the identity and the region
        self.identity = b""
        self.session = None
        self.counter_margin = 32  # frame counters covered by one write of the hot record

    def load(self, now_ms):
        """Read everything; raises `NoIdentity` or `StateCorrupt`."""
        self.identity = self._store.load(names.IDENTITY)
        if not self.identity:
            raise NoIdentity("no identity in the store: provision this device")
        if len(self.identity) not in (32, 48):
            raise StateCorrupt("record identity: %d bytes" % len(self.identity))
        self._tag = names.crc16(self.identity + self._link.region.NAME.encode())
        nonce, hot, cold = (self._store.load(name) for name in (names.NONCE, names.HOT, names.COLD))
        # Each is written before the next one exists for the first time: a gap means that a record was lost.
        if (nonce is None and hot is not None) or (hot is None and cold is not None):
            raise StateCorrupt("record %s is missing" % (names.NONCE if nonce is None else names.HOT))
        if nonce is not None:
            if len(nonce) != NONCE_BYTES:
                raise StateCorrupt("record nonce: %d bytes" % len(nonce))
            self._join.unpack(nonce, now_ms)
        if cold is not None:
            self._unpack_cold(cold)
        if hot is not None:
            self._unpack_hot(hot, now_ms)

    def save_nonce(self, now_ms):
        """DevNonce and the join back-off."""
        self._store.save(names.NONCE, self._join.pack(now_ms))

    def save_cold(self):
        """Keys, receive windows, channels."""
        self._store.save(names.COLD, self._pack_cold())

    def save_hot(self, now_ms, ceiling=None, freq_hz=None, airtime_us=0):
        """Counters, data rate and airtime reserve; `ceiling` counts only once it is stored."""
        session = self.session
        if session is not None and ceiling is None:
            ceiling = session.ceiling
        reserve = self._duty.reserve_for(freq_hz, airtime_us, now_ms)
        self._store.save(names.HOT, self._pack_hot(ceiling or 0, reserve))
        self._duty.stored(reserve)
        if session is not None:
            session.ceiling = ceiling

    def cover(self, freq_hz, airtime_us, now_ms):
        """Before a transmission: write `hot` if the stored one does not yet account for its counter and its airtime."""
        session = self.session
        if session is not None and session.fcnt_up > session.ceiling:
            self.save_hot(now_ms, session.fcnt_up - 1 + self.counter_margin, freq_hz, airtime_us)
        elif not self._duty.covered(freq_hz, airtime_us, now_ms):
            self.save_hot(now_ms, None, freq_hz, airtime_us)

    def _pack_cold(self):
        session, link = self.session, self._link
        packed = struct.pack(
            _COLD,
            self._tag,
            session.number,
            session.dev_addr,
            session.skeys,
            link.rx1_dr_offset,
            link.rx2_dr,
            link.rx_delay_s,
            (link.rx2_hz // 100).to_bytes(3, "little"),
        )
        return packed + link.plan.pack()

    def _unpack_cold(self, body):
        if len(body) < _COLD_BYTES:
            raise StateCorrupt("record cold: %d bytes" % len(body))
        tag, number, dev_addr, skeys, offset, rx2_dr, delay_s, rx2 = struct.unpack_from(_COLD, body)
        if tag != self._tag:
            return  # the device was given another identity or region since
        link = self._link
        link.rx1_dr_offset, link.rx2_dr, link.rx_delay_s = offset, rx2_dr, delay_s
        link.rx2_hz = 100 * u24(rx2, 0)
        link.plan.unpack(body[_COLD_BYTES:])
        self.session = Session(number, dev_addr, skeys[:16], skeys[16:])

    def _pack_hot(self, ceiling, reserve):
        session, link = self.session, self._link
        mask = link.plan.pack_mask()
        fcnt_down = None if session is None else session.fcnt_down
        packed = bytearray(_HOT_BYTES)
        struct.pack_into(
            _HOT,
            packed,
            0,
            self._join.dev_nonce - 1 if session is None else session.number,
            ceiling,
            _NO_FCNT if fcnt_down is None else fcnt_down,
            link.adr_ack_cnt,
            link.data_rate,
            link.power,
            link.nb_trans,
            link.max_duty,
            (_ACK_DUE if link.ack_due else 0) | (_IN_SESSION if session is not None else 0),
            len(mask),
            len(reserve),
            len(link.answers),
        )
        packed.extend(mask)
        packed.extend(reserve)
        packed.extend(link.answers)
        return packed

    def _unpack_hot(self, body, now_ms):
        if len(body) < _HOT_BYTES:
            raise StateCorrupt("record hot: %d bytes" % len(body))
        fields = struct.unpack_from(_HOT, body)
        reserve_at = _HOT_BYTES + fields[9]
        answers_at = reserve_at + fields[10]
        if len(body) != answers_at + fields[11]:
            raise StateCorrupt("record hot: %d bytes" % len(body))
        self._duty.restore(body[reserve_at:answers_at], now_ms)
        session, link = self.session, self._link
        if session is None or fields[0] < session.number:
            return
        if fields[0] > session.number:
            self.session = None
            link.reset(link.region.DEFAULT_DR)
            return
        if not fields[8] & _IN_SESSION:
            return
        session.fcnt_up = session.ceiling = fields[1]
        session.fcnt_down = None if fields[2] == _NO_FCNT else fields[2]
        link.adr_ack_cnt, link.data_rate, link.power, link.nb_trans, link.max_duty = fields[3:8]
        link.ack_due = bool(fields[8] & _ACK_DUE)
        link.plan.unpack_mask(body[_HOT_BYTES:reserve_at])
        link.answers = bytearray(body[answers_at:])
        link.settle()  # the power may have failed between the two records
