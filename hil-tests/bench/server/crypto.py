"""LoRaWAN 1.0.x cryptography of the server side, on the `cryptography` package.

Source: TS001-1.0.4 sections 4.3.3 (payload), 4.4 (MIC), 6.2 (join); RFC 4493 (CMAC). Keys are 16 bytes as they
are written; addresses, nonces and the NetID are integers or text as people read them (big-endian) and are
turned around here, in one place.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

BLOCK_BYTES = 16
MIC_BYTES = 4


@dataclass(frozen=True, slots=True)
class SessionKeys:
    """The two keys of a 1.0.x session. Neither shows up in a representation."""

    nwk_s_key: bytes = field(repr=False)
    app_s_key: bytes = field(repr=False)


def encrypt_blocks(key: bytes, data: bytes) -> bytes:
    """AES-128 in ECB over whole blocks."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(data) + encryptor.finalize()


def decrypt_blocks(key: bytes, data: bytes) -> bytes:
    """The inverse of `encrypt_blocks`; the server encrypts a join-accept with it, so that a device never has to."""
    decryptor = Cipher(algorithms.AES(key), modes.ECB()).decryptor()
    return decryptor.update(data) + decryptor.finalize()


def cmac(key: bytes, data: bytes) -> bytes:
    """AES-CMAC, 16 bytes (RFC 4493)."""
    mac = CMAC(algorithms.AES(key))
    mac.update(data)
    return mac.finalize()


def join_mic(key: bytes, body: bytes) -> bytes:
    """MIC of a join-request or of a plain join-accept: `body` is everything before the MIC (TS001 6.2.5, 6.2.6)."""
    return cmac(key, body)[:MIC_BYTES]


def session_keys(app_key: bytes, *, join_nonce: int, net_id: str, dev_nonce: int) -> SessionKeys:
    """NwkSKey and AppSKey of the session that this join opens (TS001 6.2.6). `net_id`: 6 hexadecimal digits."""
    rest = join_nonce.to_bytes(3, "little") + bytes.fromhex(net_id)[::-1] + dev_nonce.to_bytes(2, "little") + bytes(7)
    return SessionKeys(
        nwk_s_key=encrypt_blocks(app_key, b"\x01" + rest),
        app_s_key=encrypt_blocks(app_key, b"\x02" + rest),
    )


def data_mic(nwk_s_key: bytes, body: bytes, *, dev_addr: str, f_cnt: int, downlink: bool) -> bytes:
    """MIC of a data frame: `body` is MHDR..FRMPayload, `f_cnt` the full 32-bit counter (TS001 4.4)."""
    b0 = b"\x49" + _direction_address_counter(dev_addr, f_cnt, downlink) + bytes((0, len(body)))
    return cmac(nwk_s_key, b0 + body)[:MIC_BYTES]


def crypt_payload(key: bytes, payload: bytes, *, dev_addr: str, f_cnt: int, downlink: bool) -> bytes:
    """FRMPayload encrypted or decrypted, which is the same (TS001 4.3.3). Key: AppSKey, or NwkSKey for FPort 0."""
    common = b"\x01" + _direction_address_counter(dev_addr, f_cnt, downlink) + b"\x00"
    count = -(-len(payload) // BLOCK_BYTES)
    stream = encrypt_blocks(key, b"".join(common + bytes((i,)) for i in range(1, count + 1)))
    return bytes(a ^ b for a, b in zip(payload, stream, strict=False))


def _direction_address_counter(dev_addr: str, f_cnt: int, downlink: bool) -> bytes:
    """The part that the blocks B0 and A_i share: four zeros, direction, DevAddr, FCnt."""
    return bytes(4) + bytes((downlink,)) + bytes.fromhex(dev_addr)[::-1] + f_cnt.to_bytes(4, "little")
