"""AES-CMAC, LoRaWAN MIC and payload cipher (TS001-1.0.4 4.3.3, 4.4, 6.2.3, 6.2.6). A device only ever encrypts.

`cryptolib` does the blocks where the port has it, else `aes.py`. Nothing is allocated after a `Key` was made.
"""

try:
    from cryptolib import aes as _aes

    def block_cipher(key):
        """An object with `encrypt(source, target)` for 16-byte blocks."""
        return _aes(key, 1)  # 1: ECB

except ImportError:
    from .aes import Aes as block_cipher

UP = 0
DOWN = 1


class Key:
    """A 16-byte key in use. Keeps its cipher, its CMAC subkeys and one block of working memory."""

    def __init__(self, key):
        self._encrypt = block_cipher(bytes(key)).encrypt
        self._block = bytearray(16)
        self._header = bytearray(16)
        self._k1 = None
        self._k2 = None

    def encrypt(self, block):
        """Encrypt a 16-byte bytearray in place."""
        self._encrypt(block, block)

    def subkeys(self):
        """(K1, K2) of RFC 4493 section 2.3."""
        if self._k1 is None:
            zero = bytearray(16)
            self._encrypt(zero, zero)
            self._k1 = _doubled(zero)
            self._k2 = _doubled(self._k1)
        return self._k1, self._k2

    def mic(self, data, end, header=None):
        """RFC 4493 CMAC over `header` (16 bytes, if given) and `data[:end]`; 16 bytes, valid until the next call.

        Its first four bytes are the MIC of a Join-Request, a Join-Accept or, with B0 as header, a data frame.
        """
        if self._k1 is None:
            self.subkeys()
        block = self._block
        for i in range(16):
            block[i] = header[i] if header else 0
        if header and end:
            self._encrypt(block, block)
        at = 0
        while end - at > 16:
            for i in range(16):
                block[i] ^= data[at + i]
            self._encrypt(block, block)
            at += 16
        rest = end - at
        if header and not end:
            rest = 16
        else:
            for i in range(rest):
                block[i] ^= data[at + i]
        if rest == 16:
            last = self._k1
        else:
            last = self._k2
            block[rest] ^= 0x80
        for i in range(16):
            block[i] ^= last[i]
        self._encrypt(block, block)
        return block

    def data_mic(self, frame, end, direction, dev_addr, fcnt):
        """CMAC whose first four bytes are the MIC of the data frame `frame[:end]` (MHDR .. FRMPayload)."""
        self._fill_header(0x49, direction, dev_addr, fcnt, end)
        return self.mic(frame, end, self._header)

    def crypt(self, buffer, start, end, direction, dev_addr, fcnt):
        """Encrypt or decrypt FRMPayload `buffer[start:end]` in place (the cipher is its own inverse)."""
        block = self._block
        header = self._header
        self._fill_header(0x01, direction, dev_addr, fcnt, 0)
        at = start
        while at < end:
            header[15] += 1
            self._encrypt(header, block)
            for i in range(min(16, end - at)):
                buffer[at + i] ^= block[i]
            at += 16

    def _fill_header(self, first, direction, dev_addr, fcnt, last):
        """B0 and A_i share their layout: first, 4 zeros, direction, DevAddr, FCnt32, zero, last."""
        header = self._header
        header[0] = first
        header[5] = direction
        for i in range(4):
            header[6 + i] = dev_addr[i]
            header[10 + i] = (fcnt >> (8 * i)) & 0xFF
        header[15] = last


def _doubled(block):
    """Multiplication by x in GF(2^128): shift left, on carry XOR 0x87 (RFC 4493 section 2.3)."""
    result = bytearray(16)
    carry = 0
    for i in range(15, -1, -1):
        result[i] = (block[i] << 1) & 0xFF | carry
        carry = block[i] >> 7
    if carry:
        result[15] ^= 0x87
    return result


def mic_matches(mic, frame, at):
    """Whether `frame[at:at+4]` is the start of `mic`; looks at all four bytes whatever it finds."""
    difference = 0
    for i in range(4):
        difference |= mic[i] ^ frame[at + i]
    return difference == 0
