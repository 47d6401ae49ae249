"""A join over the air: its frames, and the session that comes of it (TS001-1.0.4 section 6.2).

Join-Request  MHDR(1)  JoinEUI(8)  DevEUI(8)  DevNonce(2)  MIC(4)
Join-Accept   MHDR(1)  AES{ JoinNonce(3)  NetID(3)  DevAddr(4)  DLSettings(1)  RXDelay(1)  [CFList(16)]  MIC(4) }

Loaded when a device joins; whoever wants its memory back forgets the module afterwards.
"""

from .crypto import Key, mic_matches
from .errors import Malformed
from .fields import u24
from .frames import JOIN_ACCEPT, JOIN_ACCEPT_BYTES, JOIN_REQUEST, JOIN_REQUEST_BYTES, MIC_BYTES, put_mic
from .session import Session


class Activation:
    """One Join-Request of the device with this `identity` (DevEUI, JoinEUI, AppKey), and what answers it.

    `strict`: only a JoinNonce higher than that of the last accept is believed.
    """

    def __init__(self, identity, dev_nonce, strict=False):
        self._identity = identity
        self._dev_nonce = dev_nonce
        self._strict = strict
        self._app_key = Key(identity[16:32])

    def request(self, buffer):
        """Write the Join-Request; gives its length."""
        identity = self._identity
        return build_join_request(buffer, self._app_key, identity[8:16], identity[:8], self._dev_nonce)

    def accept(self, frame, join):
        """The Join-Accept in `frame` if it answers our request (TS001-1.0.4 6.2.6), else None."""
        try:
            accept = JoinAccept(frame, self._app_key)
        except Malformed:
            return None
        if not accept.mic_valid:
            return None
        if not is_new(accept.join_nonce, join.taken, self._strict):  # a recording, or a server that began anew
            join.answered = True
            return None
        return accept

    def begin(self, accept, link, data_rate):
        """The session; `link` as the accept wants it, at the data rate of the request."""
        link.reset(data_rate)
        if accept.rx1_dr_offset < link.region.RX1_OFFSETS:
            link.rx1_dr_offset = accept.rx1_dr_offset
        if link.hears(accept.rx2_dr):
            link.rx2_dr = accept.rx2_dr
        link.rx_delay_s = accept.rx_delay_s
        link.plan.apply_cflist(accept.cflist)
        link.settle()
        nonce = bytes((self._dev_nonce & 0xFF, self._dev_nonce >> 8))
        nwk_skey, app_skey = session_keys(self._app_key, accept.join_nonce, accept.net_id, nonce)
        return Session(self._dev_nonce, accept.dev_addr, nwk_skey, app_skey)


def is_new(join_nonce, taken, strict):
    """Whether `join_nonce` is none of `taken` (3 wire bytes each, newest first); `strict`: and above the newest."""
    if strict and taken and u24(join_nonce, 0) < u24(taken, 0):
        return False
    return all(taken[at : at + 3] != join_nonce for at in range(0, len(taken), 3))


def build_join_request(buffer, app_key, join_eui, dev_eui, dev_nonce):
    """Write a Join-Request into `buffer`; gives its length. EUIs as 8 wire bytes, `app_key` a `crypto.Key`."""
    buffer[0] = JOIN_REQUEST
    buffer[1:9] = join_eui
    buffer[9:17] = dev_eui
    buffer[17] = dev_nonce & 0xFF
    buffer[18] = dev_nonce >> 8
    put_mic(buffer, 19, app_key.mic(buffer, 19))
    return JOIN_REQUEST_BYTES


class JoinAccept:
    """A Join-Accept, decrypted with AppKey (TS001-1.0.4 6.2.6).

    `join_nonce`, `net_id` 3 and `dev_addr` 4 wire bytes; `rx1_dr_offset`; `rx2_dr`; `rx_delay_s` (0 already read as 1);
    `cflist` 16 bytes or empty; `clear`: the whole frame in clear; `mic_valid`.
    """

    def __init__(self, raw, app_key):
        if len(raw) not in JOIN_ACCEPT_BYTES or raw[0] != JOIN_ACCEPT:
            raise Malformed("no Join-Accept")
        clear = bytearray(raw)
        block = bytearray(16)
        for at in range(1, len(clear), 16):  # the network "decrypts", so the device encrypts
            block[:] = clear[at : at + 16]
            app_key.encrypt(block)
            clear[at : at + 16] = block
        end = len(clear) - MIC_BYTES
        self.clear = clear
        self.join_nonce = bytes(clear[1:4])
        self.net_id = bytes(clear[4:7])
        self.dev_addr = bytes(clear[7:11])
        self.dl_settings = clear[11]
        self.rx1_dr_offset = (clear[11] >> 4) & 0x07
        self.rx2_dr = clear[11] & 0x0F
        self.rx_delay_s = (clear[12] & 0x0F) or 1
        self.cflist = bytes(clear[13:end])
        self.mic_valid = mic_matches(app_key.mic(clear, end), clear, end)


def session_keys(app_key, join_nonce, net_id, dev_nonce):
    """(NwkSKey, AppSKey) of LoRaWAN 1.0.x as bytes; the nonces and NetID are wire bytes (3, 3, 2)."""
    keys = []
    for kind in (1, 2):
        block = bytearray(16)
        block[0] = kind
        block[1:4] = join_nonce
        block[4:7] = net_id
        block[7:9] = dev_nonce
        app_key.encrypt(block)
        keys.append(bytes(block))
    return keys[0], keys[1]
