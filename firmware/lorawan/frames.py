"""Data frames: built into a buffer, and taken apart (TS001-1.0.4 section 4). Byte positions, no state.

MHDR(1)  DevAddr(4)  FCtrl(1)  FCnt(2)  FOpts(0..15)  [FPort(1)  FRMPayload]  MIC(4)

Frames of a join are in `activation`.
"""

from .crypto import DOWN, UP, mic_matches
from .errors import Malformed

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

# FType, bits 7..5 of MHDR (TS001-1.0.4 4.2.1); Major R1 is 0.
JOIN_REQUEST = 0x00
JOIN_ACCEPT = 0x20
UNCONFIRMED_UP = 0x40
UNCONFIRMED_DOWN = 0x60
CONFIRMED_UP = 0x80
CONFIRMED_DOWN = 0xA0
_DOWNWARDS = const(0x20)  # the bit in which the data frames of the two directions differ

# FCtrl (TS001-1.0.4 4.3.1)
ADR = 0x80
ADR_ACK_REQ = 0x40
ACK = 0x20
F_PENDING = 0x10
CLASS_B = 0x10

JOIN_REQUEST_BYTES = 23
JOIN_ACCEPT_BYTES = (17, 33)
MIC_BYTES = 4
FOPTS_MAX_BYTES = 15
_FHDR_END = const(8)  # MHDR and FHDR without FOpts
_DATA_MIN_BYTES = _FHDR_END + MIC_BYTES


def build_data(buffer, ftype, dev_addr, fctrl, fcnt, fopts, fopts_len, port, data, nwk_key, app_key):
    """Write a data frame into `buffer`; gives its length.

    `dev_addr` 4 wire bytes; `fctrl` without FOptsLen; `fcnt` 32 bits; `fopts[:fopts_len]` at most 15 bytes; `port` None
    for a frame without FPort; keys are `crypto.Key`s.
    """
    direction = DOWN if ftype & _DOWNWARDS else UP
    buffer[0] = ftype
    for i in range(4):
        buffer[1 + i] = dev_addr[i]
    buffer[5] = fctrl | fopts_len
    buffer[6] = fcnt & 0xFF
    buffer[7] = (fcnt >> 8) & 0xFF
    end = _FHDR_END
    for i in range(fopts_len):
        buffer[end] = fopts[i]
        end += 1
    if port is not None:
        buffer[end] = port
        end += 1
        start = end
        for byte in data:
            buffer[end] = byte
            end += 1
        (nwk_key if port == 0 else app_key).crypt(buffer, start, end, direction, dev_addr, fcnt)
    put_mic(buffer, end, nwk_key.data_mic(buffer, end, direction, dev_addr, fcnt))
    return end + MIC_BYTES


def put_mic(buffer, at, mic):
    """Write the first four bytes of `mic`."""
    for i in range(MIC_BYTES):
        buffer[at + i] = mic[i]


class DataFrame:
    """A data frame taken apart: fields and positions in `raw`; nothing is decrypted or checked against a key.

    `ftype`; `uplink`; `confirmed`; `dev_addr` (4 wire bytes); `fctrl`; `fcnt16`; `fopts` = raw[8:fopts_end];
    `port` or None; FRMPayload = raw[payload_start:mic_at].
    """

    def __init__(self, raw):
        """Raises `Malformed` for what a receiver has to drop unread (TS001-1.0.4 4.1 to 4.3)."""
        length = len(raw)
        if length < _DATA_MIN_BYTES:
            raise Malformed("%d bytes are too few for a data frame" % length)
        if raw[0] & 0x03:
            raise Malformed("major version %d" % (raw[0] & 0x03))
        self.ftype = raw[0] & 0xE0
        if not UNCONFIRMED_UP <= self.ftype <= CONFIRMED_DOWN:
            raise Malformed("frame type %d carries no data" % (self.ftype >> 5))
        self.raw = raw
        self.uplink = self.ftype in (UNCONFIRMED_UP, CONFIRMED_UP)
        self.confirmed = self.ftype in (CONFIRMED_UP, CONFIRMED_DOWN)
        self.dev_addr = bytes(raw[1:5])
        self.fctrl = raw[5]
        self.fcnt16 = raw[6] | raw[7] << 8
        self.mic_at = length - MIC_BYTES
        self.fopts_end = _FHDR_END + (self.fctrl & 0x0F)
        if self.fopts_end > self.mic_at:
            raise Malformed("FOpts run past the MIC")
        if self.fopts_end < self.mic_at:
            self.port = raw[self.fopts_end]
            self.payload_start = self.fopts_end + 1
            if self.port == 0 and self.fopts_end > _FHDR_END:
                raise Malformed("FOpts together with FPort 0")
        else:
            self.port = None
            self.payload_start = self.mic_at

    @property
    def fopts(self):
        """FOpts as bytes."""
        return bytes(self.raw[_FHDR_END : self.fopts_end])

    def mic_valid(self, nwk_key, fcnt):
        """Whether the MIC holds under `nwk_key` with the full 32-bit counter `fcnt`."""
        direction = UP if self.uplink else DOWN
        return mic_matches(
            nwk_key.data_mic(self.raw, self.mic_at, direction, self.dev_addr, fcnt), self.raw, self.mic_at
        )

    def decrypted(self, key, fcnt):
        """FRMPayload in clear, as a bytearray; `key`: NwkSKey for FPort 0, else AppSKey."""
        clear = bytearray(self.raw[self.payload_start : self.mic_at])
        key.crypt(clear, 0, len(clear), UP if self.uplink else DOWN, self.dev_addr, fcnt)
        return clear


def full_fcnt(fcnt16, last):
    """The 32-bit counter that a received `fcnt16` stands for after `last` (None: nothing yet); None for a replay.

    A frame from before a roll-over gives a wrong upper half, which its MIC then betrays (facts of TS001-1.0.4 4.3.1.5).
    """
    if last is None:
        return fcnt16
    delta = (fcnt16 - last) & 0xFFFF
    if delta == 0 or last + delta > 0xFFFFFFFF:
        return None
    return last + delta
