"""DevEUI, JoinEUI and AppKey: where they come from and which are refused.

Rules after TR007 v1.1 section 3 (LoRa Alliance): root keys have no pattern that links them between devices,
one draw of the system's generator per key; a DevEUI is used once, ever.
"""

from __future__ import annotations

import secrets

from provisioning.errors import KeyRefused, SettingsError

APP_KEY_BYTES = 16
EUI_BYTES = 8
MAC_BYTES = 6

# Keys printed in manuals, examples and specifications. A device with one of them is open to anybody.
KNOWN_KEYS = frozenset(
    bytes.fromhex(text)
    for text in (
        "2b7e151628aed2a6abf7158809cf4f3c",  # FIPS-197 / RFC 4493 example, default of LoRaMac-node and its children
        "000102030405060708090a0b0c0d0e0f",  # FIPS-197 appendix C
        "0102030405060708090a0b0c0d0e0f10",
        "01010101010101010101010101010101",
        "00112233445566778899aabbccddeeff",
        "0123456789abcdef0123456789abcdef",
        "00000000000000000000000000000001",
        "88888888888888888888888888886601",  # Heltec examples
        "98929b92c49edba9676d646d3b612456",  # lora-packet test vectors
        "b6b53f4a168a7a88bdf7ea135ce9cfca",  # published EU868 capture
        "44024241ed4ce9a68c6a8bc055233fd3",
        "ec925802ae430ca77fd3dd73cb2cc588",
    )
)


def new_app_key() -> bytearray:
    """16 bytes from the operating system's generator; the caller wipes them after use."""
    while True:
        key = bytearray(secrets.token_bytes(APP_KEY_BYTES))
        try:
            check_app_key(key)
        except KeyRefused:  # one in 2**120
            continue
        return key


def check_app_key(key: bytes | bytearray) -> None:
    """Refuse a key that protects nothing. Duplicates are the vault's business."""
    if len(key) != APP_KEY_BYTES:
        raise KeyRefused("key-length", expected=APP_KEY_BYTES, got=len(key))
    if len(set(key)) == 1:
        raise KeyRefused("key-trivial")
    if bytes(key) in KNOWN_KEYS:
        raise KeyRefused("key-known")


def parse_eui(text: str, *, where: str) -> str:
    """A EUI as people write it (with or without `:` `-` and blanks) -> 16 lower-case hex digits, as printed."""
    digits = text.lower().translate({ord(c): None for c in ":- "})
    if len(digits) != 2 * EUI_BYTES or any(c not in "0123456789abcdef" for c in digits):
        raise SettingsError("eui-malformed", where=where, text=text)
    if digits in ("0" * 16, "f" * 16):
        raise KeyRefused("eui-trivial", where=where, eui=digits)
    return digits


def dev_eui_from_mac(mac: bytes) -> str:
    """EUI-64 of an EUI-48: FF FE in the middle; the U/L bit stays (turning it is IPv6's habit, not LoRaWAN's)."""
    if len(mac) != MAC_BYTES or mac in (bytes(MAC_BYTES), b"\xff" * MAC_BYTES):
        raise SettingsError("mac-unusable", mac=mac.hex())
    return (mac[:3] + b"\xff\xfe" + mac[3:]).hex()


def random_dev_eui() -> str:
    """A locally administered EUI for the laboratory: bit 1 of the first octet set, bit 0 (group) clear."""
    eui = bytearray(secrets.token_bytes(EUI_BYTES))
    eui[0] = (eui[0] | 0x02) & 0xFE
    return eui.hex()


def is_local(eui: str) -> bool:
    """True for a locally administered EUI, which no registry guarantees to be unique."""
    return bool(int(eui[:2], 16) & 0x02)
