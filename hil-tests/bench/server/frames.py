"""LoRaWAN frames as values: parsed from bytes and built to bytes, both directions.

Source: TS001-1.0.4 sections 4 and 6.2. EUIs, DevAddr and NetID are lower-case hexadecimal text as people read
them (big-endian); on the air they are reversed. Nothing here checks a MIC: that needs a key and a full counter.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from bench.server import crypto
from bench.server.errors import FrameError

MAJOR_R1 = 0
MIC_BYTES = crypto.MIC_BYTES
JOIN_REQUEST_BYTES = 23
JOIN_ACCEPT_BYTES = (17, 33)
DATA_BYTES_MIN = 12
"""MHDR 1, DevAddr 4, FCtrl 1, FCnt 2, MIC 4."""
FOPTS_BYTES_MAX = 15
"""FOptsLen has four bits."""


class FType(IntEnum):
    """Frame types of MHDR bits 7..5 (TS001 4.2.1)."""

    JOIN_REQUEST = 0
    JOIN_ACCEPT = 1
    UNCONFIRMED_UP = 2
    UNCONFIRMED_DOWN = 3
    CONFIRMED_UP = 4
    CONFIRMED_DOWN = 5
    REJOIN_REQUEST = 6
    PROPRIETARY = 7


UPLINK_DATA = (FType.UNCONFIRMED_UP, FType.CONFIRMED_UP)
DOWNLINK_DATA = (FType.UNCONFIRMED_DOWN, FType.CONFIRMED_DOWN)


def frame_type(phy: bytes) -> FType:
    """Type of any frame of LoRaWAN R1."""
    if not phy:
        raise FrameError("the frame is empty")
    if phy[0] & 0b11 != MAJOR_R1:
        raise FrameError(f"the major version is {phy[0] & 0b11}, only R1 (0) exists")
    return FType(phy[0] >> 5)


@dataclass(frozen=True, slots=True)
class JoinRequest:
    """A join-request, 23 bytes (TS001 6.2.5)."""

    join_eui: str
    dev_eui: str
    dev_nonce: int
    mic: bytes
    body: bytes
    """What the MIC covers."""

    @classmethod
    def parse(cls, phy: bytes) -> JoinRequest:
        """From the bytes of the air."""
        if frame_type(phy) is not FType.JOIN_REQUEST or len(phy) != JOIN_REQUEST_BYTES:
            raise FrameError(f"a join-request has {JOIN_REQUEST_BYTES} bytes, this frame has {len(phy)}")
        return cls(
            join_eui=phy[8:0:-1].hex(),
            dev_eui=phy[16:8:-1].hex(),
            dev_nonce=int.from_bytes(phy[17:19], "little"),
            mic=phy[19:],
            body=phy[:19],
        )

    def mic_valid(self, app_key: bytes) -> bool:
        """Whether the sender knows the AppKey."""
        return crypto.join_mic(app_key, self.body) == self.mic


@dataclass(frozen=True, slots=True)
class JoinAccept:
    """A join-accept (TS001 6.2.6)."""

    join_nonce: int
    net_id: str
    dev_addr: str
    rx1_dr_offset: int
    rx2_dr: int
    rx_delay_s: int
    cf_list: bytes = b""
    """Empty or 16 bytes."""

    def build(self, app_key: bytes) -> bytes:
        """Bytes for the air: MIC appended, then all after MHDR passed through the inverse cipher."""
        body = (
            bytes((FType.JOIN_ACCEPT << 5 | MAJOR_R1,))
            + self.join_nonce.to_bytes(3, "little")
            + bytes.fromhex(self.net_id)[::-1]
            + bytes.fromhex(self.dev_addr)[::-1]
            + bytes((self.rx1_dr_offset << 4 | self.rx2_dr, self.rx_delay_s))
            + self.cf_list
        )
        return body[:1] + crypto.decrypt_blocks(app_key, body[1:] + crypto.join_mic(app_key, body))

    @classmethod
    def open(cls, phy: bytes, app_key: bytes) -> JoinAccept:
        """What a device makes of the bytes; raises `FrameError` when length or MIC is wrong."""
        if frame_type(phy) is not FType.JOIN_ACCEPT or len(phy) not in JOIN_ACCEPT_BYTES:
            raise FrameError(f"a join-accept has 17 or 33 bytes, this frame has {len(phy)}")
        plain = phy[:1] + crypto.encrypt_blocks(app_key, phy[1:])
        body, mic = plain[:-MIC_BYTES], plain[-MIC_BYTES:]
        if crypto.join_mic(app_key, body) != mic:
            raise FrameError("the MIC of the join-accept does not fit the key")
        return cls(
            join_nonce=int.from_bytes(body[1:4], "little"),
            net_id=body[6:3:-1].hex(),
            dev_addr=body[10:6:-1].hex(),
            rx1_dr_offset=body[11] >> 4 & 0b111,
            rx2_dr=body[11] & 0b1111,
            rx_delay_s=body[12],
            cf_list=body[13:],
        )


@dataclass(frozen=True, slots=True)
class DataFrame:
    """A data frame of either direction. `payload` is as on the air (encrypted) unless said otherwise."""

    ftype: FType
    dev_addr: str
    f_cnt16: int
    """The 16 bits on the air."""
    adr: bool = False
    adr_ack_req: bool = False
    """Uplinks only."""
    ack: bool = False
    f_pending: bool = False
    """Downlinks; the same bit says class B in an uplink."""
    f_opts: bytes = b""
    f_port: int | None = None
    payload: bytes = b""
    mic: bytes = b""

    @property
    def downlink(self) -> bool:
        """Direction as the cryptography wants it."""
        return self.ftype in DOWNLINK_DATA

    @property
    def confirmed(self) -> bool:
        """Whether the sender wants an acknowledgement."""
        return self.ftype in (FType.CONFIRMED_UP, FType.CONFIRMED_DOWN)

    @classmethod
    def parse(cls, phy: bytes) -> DataFrame:
        """From the bytes of the air, MIC not checked."""
        ftype = frame_type(phy)
        if ftype not in UPLINK_DATA + DOWNLINK_DATA:
            raise FrameError(f"{ftype.name} is no data frame")
        if len(phy) < DATA_BYTES_MIN:
            raise FrameError(f"a data frame has at least {DATA_BYTES_MIN} bytes, this one has {len(phy)}")
        control = phy[5]
        options_end = 8 + (control & 0b1111)
        if options_end > len(phy) - MIC_BYTES:
            raise FrameError("FOptsLen runs past the MIC")
        rest = phy[options_end:-MIC_BYTES]
        return cls(
            ftype=ftype,
            dev_addr=phy[4:0:-1].hex(),
            f_cnt16=int.from_bytes(phy[6:8], "little"),
            adr=bool(control & 0x80),
            adr_ack_req=bool(control & 0x40) and ftype in UPLINK_DATA,
            ack=bool(control & 0x20),
            f_pending=bool(control & 0x10),
            f_opts=phy[8:options_end],
            f_port=rest[0] if rest else None,
            payload=rest[1:],
            mic=phy[-MIC_BYTES:],
        )

    def body(self) -> bytes:
        """MHDR..FRMPayload: what the MIC covers."""
        if len(self.f_opts) > FOPTS_BYTES_MAX:
            raise FrameError(f"FOpts hold at most {FOPTS_BYTES_MAX} bytes")
        if self.payload and self.f_port is None:
            raise FrameError("a payload needs an FPort")
        control = self.adr << 7 | self.adr_ack_req << 6 | self.ack << 5 | self.f_pending << 4 | len(self.f_opts)
        return (
            bytes((self.ftype << 5 | MAJOR_R1,))
            + bytes.fromhex(self.dev_addr)[::-1]
            + bytes((control,))
            + self.f_cnt16.to_bytes(2, "little")
            + self.f_opts
            + (b"" if self.f_port is None else bytes((self.f_port,)))
            + self.payload
        )

    def mic_valid(self, nwk_s_key: bytes, f_cnt: int) -> bool:
        """Whether the MIC fits this key and this full counter."""
        expected = crypto.data_mic(nwk_s_key, self.body(), dev_addr=self.dev_addr, f_cnt=f_cnt, downlink=self.downlink)
        return expected == self.mic

    def plaintext(self, keys: crypto.SessionKeys, f_cnt: int) -> bytes:
        """The payload decrypted with the key its FPort asks for."""
        key = keys.app_s_key if self.f_port else keys.nwk_s_key
        return crypto.crypt_payload(key, self.payload, dev_addr=self.dev_addr, f_cnt=f_cnt, downlink=self.downlink)

    def build(self, keys: crypto.SessionKeys, f_cnt: int) -> bytes:
        """Bytes for the air from a frame whose payload is still plain."""
        sealed = DataFrame(
            self.ftype,
            self.dev_addr,
            f_cnt & 0xFFFF,
            self.adr,
            self.adr_ack_req,
            self.ack,
            self.f_pending,
            self.f_opts,
            self.f_port,
            self.plaintext(keys, f_cnt),
        ).body()
        return sealed + crypto.data_mic(
            keys.nwk_s_key, sealed, dev_addr=self.dev_addr, f_cnt=f_cnt, downlink=self.downlink
        )
