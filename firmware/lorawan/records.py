"""What is stored when: the layout of the records `nonce`, `hot` and `cold`, and the order in which they are written.

`hot` and `cold` carry the number of their session, the DevNonce of its join. A join writes nonce, cold, hot. So

* `hot` older than `cold`: the power failed in the join; nothing was sent in the new session, counters start at zero;
* `hot` newer than `cold`: the keys are of a session whose counters are gone; it is dropped, the device joins anew.
"""

import struct

from . import store as names

HOT_LAYOUT = "<HIIHBBBBBBBB"  # .., lengths of mask, reserve and answers, which follow
HOT_BYTES = 20
COLD_LAYOUT = "<HH4s32sBBB3s"  # channels follow
COLD_BYTES = 46
NO_FCNT = 0xFFFFFFFF
ACK_DUE = 0x01
IN_SESSION = 0x02  # absent: written while joining, for the airtime in it


class Records:
    """Saves the state of one device; `recovery` loads it."""

    def __init__(self, store, link, duty, join):
        self._store = store
        self._link = link
        self._duty = duty
        self._join = join
        self.tag = 0  # of the identity and the region
        self.identity = b""
        self.session = None
        self.counter_margin = 32  # frame counters covered by one write of the hot record

    def load(self, now_ms):
        """Read everything; raises `NoIdentity` or `StateCorrupt`."""
        from .recovery import recover  # needed once; whoever wants its memory back forgets the module

        recover(self, self._store, self._link, self._duty, self._join, now_ms)

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
            COLD_LAYOUT,
            self.tag,
            session.number,
            session.dev_addr,
            session.skeys,
            link.rx1_dr_offset,
            link.rx2_dr,
            link.rx_delay_s,
            (link.rx2_hz // 100).to_bytes(3, "little"),
        )
        return packed + link.plan.pack()

    def _pack_hot(self, ceiling, reserve):
        session, link = self.session, self._link
        mask = link.plan.pack_mask()
        fcnt_down = None if session is None else session.fcnt_down
        packed = bytearray(HOT_BYTES)
        struct.pack_into(
            HOT_LAYOUT,
            packed,
            0,
            self._join.dev_nonce - 1 if session is None else session.number,
            ceiling,
            NO_FCNT if fcnt_down is None else fcnt_down,
            link.adr_ack_cnt,
            link.data_rate,
            link.power,
            link.nb_trans,
            link.max_duty,
            (ACK_DUE if link.ack_due else 0) | (IN_SESSION if session is not None else 0),
            len(mask),
            len(reserve),
            len(link.answers),
        )
        packed.extend(mask)
        packed.extend(reserve)
        packed.extend(link.answers)
        return packed
