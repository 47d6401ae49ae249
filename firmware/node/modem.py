"""An RUI3 modem as a MAC: what the node asks of `firmware.lorawan.mac.Mac`, asked of a modem that has its own stack.

    Link --- ModemMac --- firmware.radio.rui3.Modem --- UART
                 |                  `- rui3_dialogue: what is said
                 `- records `identity` (read) and `modem` (written)

The modem joins, encrypts, counts and keeps DevNonce, counters and duty cycle by itself. What differs from the own MAC:

* it does not tell when the network has more for us, nor its frame counter: `state()["fcnt_up"]` counts from the last
  join or start of the node;
* MAC answers it sends by itself, so nothing has to make room for them;
* a refusal is known only once the modem was asked: `join` and `send` say the command and raise what it answers.
"""

import binascii

from firmware.lorawan import store as names
from firmware.lorawan.airtime import airtime_us
from firmware.lorawan.errors import DutyCycleWait, JoinWait, NoIdentity, NotJoined, PayloadTooLong, StateCorrupt, Wait
from firmware.lorawan.events import Acknowledged, Downlink, Joined, JoinFailed, LinkCheck, NotAcknowledged
from firmware.radio import rui3_dialogue as said
from firmware.radio.errors import ModemRefused, RadioError
from firmware.radio.rui3 import Attempt

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


_JOIN_LIMIT_MS = const(12_000)
"""After the Join-Request: RX2 at 6 s, a Join-Accept of 33 bytes at SF12 takes 2.1 s; the rest is margin."""
_SEND_LIMIT_MS = const(25_000)
"""After the uplink: RX2 at up to 16 s, a downlink at SF12 takes up to 2.8 s; the rest is margin."""

_WAIT_BUSY_MS = const(5_000)
_WAIT_RESTRICTED_MS = const(60_000)
"""When the modem does not say how long."""
_JOIN_PAUSE_MS = const(10_000)
"""After the first failed join; doubled at each further one. The airtime of joins the modem limits itself."""
_JOIN_DOUBLINGS = const(6)

_RECORD = "modem"
"""Record of the store: CRC-16 of the identity that the modem has. Without it, or with another one, the modem is given
the identity again."""


class ModemMac:
    """The modem as a MAC. `region`: a module of `firmware.lorawan.regions`; `store`: records of the node, of which
    `identity` is read and `modem` is written; `random_u32()`: 32 random bits.
    """

    def __init__(self, modem, region, store, random_u32):
        self._modem = modem
        self._region = region
        self._store = store
        self._random_u32 = random_u32
        self._identity = None
        self._tag = b""
        self._key_known = False
        self._version = None
        self._dev_addr = None
        self._data_rate = region.DEFAULT_DR
        self._room = 0
        self._confirmed = None  # as the modem is set; None: unknown
        self._attempt = None
        self._link_check = False
        self._joins = 0  # in a row without success
        self._next_ms = 0
        self._sent = 0
        self.joined = False
        """Whether there is a session, as far as is known."""

    def start(self, now_ms):
        """Read the identity, bring the modem to it, and look whether it has a session.

        Raises NoIdentity, StateCorrupt, RadioError.
        """
        identity = self._store.load(names.IDENTITY)
        if not identity:
            raise NoIdentity("no identity in the store: provision this device")
        if len(identity) not in (32, 48):
            raise StateCorrupt("record identity: %d bytes" % len(identity))
        self._identity = identity
        self._tag = names.crc16(identity).to_bytes(2, "big")
        try:
            self._key_known = self._store.load(_RECORD) == self._tag
        except StateCorrupt:
            self._key_known = False
        self._review()

    def _review(self):
        """Look at version, settings, identity and session of a modem that was started or restarted."""
        modem = self._modem
        self._version = modem.question("AT+VER=?")
        identity = self._identity
        texts = _shown(identity[:8]), _shown(identity[8:16]), binascii.hexlify(identity[16:32]).decode()
        bands = said.BANDS.split()
        if self._region.NAME not in bands:
            raise ModemRefused("AT+BAND: no number for %s" % self._region.NAME)
        band = bands.index(self._region.NAME)
        mask = getattr(self._region, "MODEM_MASK", None)
        anew = modem.run(said.set_up(modem.dialogue, band, texts, self._key_known, mask))
        if anew:
            try:
                self._store.save(_RECORD, self._tag)
            except OSError:
                pass  # a full flash; the key is handed over again after the next start
            self._key_known = True
        self._confirmed = None
        self.joined = not anew and modem.question("AT+NJS=?") == "1"
        modem.unsure = False
        if self.joined:
            self._look()

    def _look(self):
        """DevAddr and data rate of the session."""
        self._dev_addr = (self._modem.question("AT+DEVADDR=?") or "?").lower()
        self._look_at_rate()

    def _look_at_rate(self):
        try:
            rate = int(self._modem.question("AT+DR=?"))
        except (TypeError, ValueError):
            return
        if 0 <= rate < len(self._region.MAX_PAYLOAD_BYTES):
            self._data_rate = rate
            self._room = self._region.MAX_PAYLOAD_BYTES[rate]

    def join(self, now_ms):
        """Begin a join; gives the attempt to carry out. Raises Wait (also when the session turns out to be alive)."""
        if now_ms < self._next_ms:
            raise JoinWait(self._next_ms - now_ms)
        modem = self._modem
        modem.begin()
        if modem.unsure:
            self._review()
            if self.joined:
                raise JoinWait(0)
        modem.wake()
        rates = self._region.JOIN_DRS
        rate = rates[self._joins % len(rates)]
        modem.ask_patiently("AT+DR=%d" % rate)  # refused by firmware that chooses itself
        modem.begin()
        status = modem.ask("AT+JOIN=1:0:10:0", 1)  # now; not by itself at power-up; (pause 10 s); no repetition
        if status != said.OK:
            self._raise(status)
        return self._begin(True, False, rate, 23, _JOIN_LIMIT_MS)

    def room(self, now_ms):
        """Largest payload in bytes that can be sent now."""
        return self._room

    def request_link_check(self):
        """Ask the network with the next uplink how well it hears us."""
        self._link_check = True

    def send(self, port, data, now_ms, confirmed=False):
        """Begin an uplink; gives the attempt to carry out. Raises NotJoined, PayloadTooLong, Wait, RadioError."""
        modem = self._modem
        modem.begin()
        if modem.unsure:
            self._review()
        if not self.joined:
            raise NotJoined("no session")
        if len(data) > self._room:
            raise PayloadTooLong(self._room, self._room)
        modem.wake()
        if confirmed != self._confirmed:
            if modem.ask_patiently("AT+CFM=%d" % confirmed) != said.OK:
                raise ModemRefused("AT+CFM: status %d" % modem.dialogue.status)
            self._confirmed = confirmed
        if self._link_check:
            modem.ask_patiently("AT+LINKCHECK=1")
            self._link_check = False
        modem.begin()
        status = modem.ask("AT+SEND=%d:%s" % (port, binascii.hexlify(data).decode()), 1)
        if status == said.PARAMETER:
            self._room = max(len(data) - 1, 0)  # pending MAC answers take some of it
            raise PayloadTooLong(self._room, self._room)
        if status != said.OK:
            self._raise(status)
        self._sent += 1
        return self._begin(False, confirmed, self._data_rate, len(data) + 13, _SEND_LIMIT_MS)

    def _begin(self, joining, confirmed, rate, length, limit_ms):
        region = self._region
        sf = region.SPREADING_FACTORS[rate]
        spent_us = airtime_us(length, sf, 125_000 * region.BANDWIDTHS[rate])
        self._attempt = Attempt(joining, confirmed, sf, spent_us, limit_ms + spent_us // 1000)
        return self._attempt

    def _raise(self, status):
        """What a status other than OK means for the node."""
        if status == said.RESTRICTED:
            raise DutyCycleWait(self._modem.dialogue.wait_ms or _WAIT_RESTRICTED_MS)
        if status in (said.BUSY, said.RESTARTED):
            raise Wait(_WAIT_BUSY_MS)
        if status == said.NOT_JOINED:
            self.joined = False
            raise NotJoined("no session")
        raise ModemRefused("status %d" % status)

    def abandon(self, attempt):
        """Give an attempt up; the modem may still be at it and is then busy."""
        self._attempt = None

    def conclude(self, attempt, heard, now_ms):
        """What an attempt that was carried out has brought: a list of events."""
        self._attempt = None
        try:
            if attempt.joining:
                return self._conclude_join(attempt, now_ms)
            events = self._downlinks(attempt)
            self._look_at_rate()
        except RadioError:  # it fails again at the next attempt, which starts it anew
            events = []
            self._modem.unsure = True
        if attempt.confirmed:
            events.append((Acknowledged if attempt.acknowledged else NotAcknowledged)(self._sent - 1))
        return events

    def _conclude_join(self, attempt, now_ms):
        joined = attempt.acknowledged
        if not attempt.over:  # its last word may have been lost
            joined = not self.joined and self._modem.question("AT+NJS=?") == "1"
        if not joined:
            pause_ms = _JOIN_PAUSE_MS << min(self._joins, _JOIN_DOUBLINGS)
            self._next_ms = now_ms + pause_ms + self._random_u32() % pause_ms
            self._joins += 1
            return [JoinFailed()]
        self._joins = 0
        self._sent = 0
        self.joined = True
        self._modem.unsure = False
        self._look()
        return [Joined(self._dev_addr)]

    def _downlinks(self, attempt):
        events = []
        for event in attempt.heard:
            if event[0] == said.CHECKED:
                events.append(LinkCheck(event[1], event[2]))
            else:
                _, rssi_dbm, snr_db, multicast, port, data = event
                group = 0 if multicast else None
                events.append(Downlink(port, data, False, False, None, rssi_dbm, 4 * snr_db, group))
        if attempt.unreadable:
            again = said.kept(self._modem.question("AT+RECV=?"))
            if again is not None:
                events.append(Downlink(again[0], again[1], False, False, None, None, None))
        return events

    def state(self, now_ms):
        """For people: what the modem is, and what it will do next."""
        return {
            "joined": self.joined,
            "dev_addr": self._dev_addr,
            "fcnt_up": self._sent,
            "data_rate": self._data_rate,
            "modem": self._version,
            "busy": self._attempt is not None,
            "join_wait_ms": 0 if self.joined else max(self._next_ms - now_ms, 0),
        }


def _shown(wire):
    """An EUI as it is printed, from the order of the air."""
    return binascii.hexlify(bytes(reversed(wire))).decode()
