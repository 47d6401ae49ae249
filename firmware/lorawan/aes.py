"""AES-128 encryption in interpreted Python, for ports without `cryptolib` (nRF52, STM32WL).

Source: FIPS 197 sections 5.1 and 5.2. About 300 times slower than `cryptolib`; LoRaWAN needs some ten blocks a frame.
Table look-ups depend on the key; whoever can time them on the node can also read its flash.
"""

_SBOX = (
    b"\x63\x7c\x77\x7b\xf2\x6b\x6f\xc5\x30\x01\x67\x2b\xfe\xd7\xab\x76"
    b"\xca\x82\xc9\x7d\xfa\x59\x47\xf0\xad\xd4\xa2\xaf\x9c\xa4\x72\xc0"
    b"\xb7\xfd\x93\x26\x36\x3f\xf7\xcc\x34\xa5\xe5\xf1\x71\xd8\x31\x15"
    b"\x04\xc7\x23\xc3\x18\x96\x05\x9a\x07\x12\x80\xe2\xeb\x27\xb2\x75"
    b"\x09\x83\x2c\x1a\x1b\x6e\x5a\xa0\x52\x3b\xd6\xb3\x29\xe3\x2f\x84"
    b"\x53\xd1\x00\xed\x20\xfc\xb1\x5b\x6a\xcb\xbe\x39\x4a\x4c\x58\xcf"
    b"\xd0\xef\xaa\xfb\x43\x4d\x33\x85\x45\xf9\x02\x7f\x50\x3c\x9f\xa8"
    b"\x51\xa3\x40\x8f\x92\x9d\x38\xf5\xbc\xb6\xda\x21\x10\xff\xf3\xd2"
    b"\xcd\x0c\x13\xec\x5f\x97\x44\x17\xc4\xa7\x7e\x3d\x64\x5d\x19\x73"
    b"\x60\x81\x4f\xdc\x22\x2a\x90\x88\x46\xee\xb8\x14\xde\x5e\x0b\xdb"
    b"\xe0\x32\x3a\x0a\x49\x06\x24\x5c\xc2\xd3\xac\x62\x91\x95\xe4\x79"
    b"\xe7\xc8\x37\x6d\x8d\xd5\x4e\xa9\x6c\x56\xf4\xea\x65\x7a\xae\x08"
    b"\xba\x78\x25\x2e\x1c\xa6\xb4\xc6\xe8\xdd\x74\x1f\x4b\xbd\x8b\x8a"
    b"\x70\x3e\xb5\x66\x48\x03\xf6\x0e\x61\x35\x57\xb9\x86\xc1\x1d\x9e"
    b"\xe1\xf8\x98\x11\x69\xd9\x8e\x94\x9b\x1e\x87\xe9\xce\x55\x28\xdf"
    b"\x8c\xa1\x89\x0d\xbf\xe6\x42\x68\x41\x99\x2d\x0f\xb0\x54\xbb\x16"
)
_ROUNDS = 10


class Aes:
    """One expanded key, called like `cryptolib.aes` in ECB mode: `encrypt(source, target)`, also in place."""

    def __init__(self, key):
        schedule = bytearray(16 * (_ROUNDS + 1))
        schedule[:16] = key
        rcon = 1
        for at in range(16, len(schedule), 4):
            t0, t1, t2, t3 = schedule[at - 4 : at]
            if at % 16 == 0:
                t0, t1, t2, t3 = _SBOX[t1] ^ rcon, _SBOX[t2], _SBOX[t3], _SBOX[t0]
                rcon = (rcon << 1) ^ (0x11B if rcon & 0x80 else 0)
            schedule[at] = schedule[at - 16] ^ t0
            schedule[at + 1] = schedule[at - 15] ^ t1
            schedule[at + 2] = schedule[at - 14] ^ t2
            schedule[at + 3] = schedule[at - 13] ^ t3
        self._schedule = schedule
        self._state = bytearray(16)

    def encrypt(self, source, target):
        """Encrypt the 16 bytes of `source` into `target`, which may be the same buffer."""
        sbox, schedule, state = _SBOX, self._schedule, self._state
        for i in range(16):
            target[i] = source[i] ^ schedule[i]
        for at in range(16, 16 * _ROUNDS, 16):
            for i in range(16):  # SubBytes and ShiftRows: row r of column c comes from column c + r
                state[i] = sbox[target[(i * 5) & 15]]
            for c in range(0, 16, 4):  # MixColumns, AddRoundKey
                a0 = state[c]
                a1 = state[c + 1]
                a2 = state[c + 2]
                a3 = state[c + 3]
                mix = a0 ^ a1 ^ a2 ^ a3
                k = at + c
                d = (a0 ^ a1) << 1
                target[c] = a0 ^ mix ^ schedule[k] ^ (d ^ 0x11B if d & 0x100 else d)
                d = (a1 ^ a2) << 1
                target[c + 1] = a1 ^ mix ^ schedule[k + 1] ^ (d ^ 0x11B if d & 0x100 else d)
                d = (a2 ^ a3) << 1
                target[c + 2] = a2 ^ mix ^ schedule[k + 2] ^ (d ^ 0x11B if d & 0x100 else d)
                d = (a3 ^ a0) << 1
                target[c + 3] = a3 ^ mix ^ schedule[k + 3] ^ (d ^ 0x11B if d & 0x100 else d)
        for i in range(16):
            state[i] = sbox[target[(i * 5) & 15]]
        for i in range(16):
            target[i] = state[i] ^ schedule[16 * _ROUNDS + i]
