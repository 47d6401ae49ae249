"""Class C: always listening on RXC (TS001-1.0.4 chapter 15). Class A nodes do not load this file.

RXC has the frequency and data rate of RX2, by construction, except while a multicast session moves it. Frames on RXC
carry application data only: their MAC commands are ignored, they neither answer ADRACKReq nor end repetitions.
"""

from .errors import Malformed
from .events import Downlink, Pending
from .exchange import Window
from .frames import DataFrame
from .mac import Mac
from .multicast import Groups

CLASS_C_RESP_TIMEOUT_MS = 8_000  # RP002-1.0.4 section 2.3


class ClassCMac(Mac):
    """A `Mac` that also listens between its exchanges.

    The radio follows `listening(now_ms)` whenever it has nothing else to do, and hands what it hears to `hear`. Send an
    uplink soon after joining: only then does the network use class C.
    """

    def __init__(self, region, store, random_u32, device=None):
        super().__init__(region, store, random_u32, device)
        self.groups = Groups(store)
        self._rxc = Window()
        self._moved = None  # (freq_hz, data rate, start and end in ms) of a multicast session
        self.listens = True
        """False: behave as class A, until set again (TS009 SwitchClassReq)."""
        self._ack_until_ms = None

    def start(self, now_ms):
        """Load what was stored, the groups too."""
        super().start(now_ms)
        self.groups.load()

    @property
    def gen_app_key(self):
        """The key for `packages.multicast_setup`: 16 bytes, or empty when none was provisioned."""
        return self._records.identity[32:]

    def listening(self, now_ms):
        """The continuous window of this moment (`freq_hz`, `sf`, `bw_hz`), or None without a session."""
        if not self.joined or not self.listens:
            return None
        link = self._link
        freq_hz, data_rate = link.rx2_hz, link.rx2_dr
        if self._moved is not None:
            if now_ms >= self._moved[3]:
                self._moved = None
            elif now_ms >= self._moved[2]:
                freq_hz, data_rate = self._moved[0], self._moved[1]
        self._rxc.set(0, freq_hz, self._region, data_rate)
        return self._rxc

    def move_rxc(self, freq_hz, data_rate, start_ms, end_ms):
        """A multicast session: listen elsewhere for that time. RX1 and RX2 stay where they are."""
        self._moved = (freq_hz, data_rate, start_ms, end_ms)

    def can_listen(self, freq_hz):
        """Whether the region has downlinks on this frequency."""
        return self._link.plan.allows(freq_hz)

    def hears(self, data_rate):
        """Whether the region has downlinks at this data rate, and the device can hear them."""
        return self._link.hears(data_rate)

    def join(self, now_ms):
        """As `Mac.join`; nothing is heard on RXC meanwhile."""
        exchange = super().join(now_ms)
        exchange.rxc = None
        return exchange

    def _uplink(self, port, data, now_ms, confirmed):
        if self._ack_until_ms is not None and now_ms > self._ack_until_ms:
            self._link.ack_due = False  # too late to be understood: as if it had been sent
            self._ack_until_ms = None
        exchange = super()._uplink(port, data, now_ms, confirmed)
        self._ack_until_ms = None
        exchange.rxc = self.listening(now_ms)
        return exchange

    def conclude(self, exchange, heard, now_ms):
        """As `Mac.conclude`; a multicast frame in one of the windows is taken as one on RXC."""
        if heard is not None and self._multicast(heard) is not None:
            return super().conclude(exchange, None, now_ms) + self.hear(heard, now_ms)
        return super().conclude(exchange, heard, now_ms)

    def hear(self, heard, now_ms):
        """A frame on RXC: the list of events, `Downlink`, `Pending` or nothing.

        After a confirmed one (`Pending` when it is empty) send something within 8 s, `send_answers` will do: it carries
        the acknowledgement.
        """
        if not self.joined:
            return []
        parts = self._multicast(heard)
        if parts is not None:
            taken = self.groups.take(parts)
            if taken is None:
                return []
            number, fcnt, data = taken
            return [Downlink(parts.port, data, False, False, fcnt, heard.rssi_dbm, heard.snr_db_x4, number)]
        genuine = self._genuine(heard.frame)
        if genuine is None:
            return []
        parts, fcnt = genuine
        session = self._records.session
        session.fcnt_down = fcnt
        if parts.confirmed:
            self._link.ack_due = True
            self._ack_until_ms = now_ms + CLASS_C_RESP_TIMEOUT_MS
        self._records.save_hot(now_ms)
        if not parts.port or parts.payload_start == parts.mic_at:
            return [Pending()] if parts.confirmed else []
        data = bytes(parts.decrypted(session.app_key, fcnt))
        return [Downlink(parts.port, data, parts.confirmed, False, fcnt, heard.rssi_dbm, heard.snr_db_x4)]

    def _multicast(self, heard):
        """The frame taken apart if it is addressed to one of our groups."""
        try:
            parts = DataFrame(heard.frame)
        except Malformed:
            return None
        for group in self.groups.by_id.values():
            if group.addr == parts.dev_addr:
                return parts
        return None
