"""Throw damaged and random bytes at the strict decoders, on this interpreter: CPython and genuine MicroPython alike.

    fuzz_here.py COUNT

Everything is either refused, or is written again to the same bytes. Prints a sum over all outcomes, which must be the
same on both interpreters. The numbers come from a generator that stays within small integers.
"""

import sys
from binascii import unhexlify

from firmware.payload.cbor import dumps, loads
from firmware.payload.commands import decode_command
from firmware.payload.errors import CborError, PayloadError

SEEDS = [
    unhexlify(text)
    for text in (
        "841904d2182f18d718b5",
        "840a8618d72021010303861870010120212018b5",
        "861928a20203449f3c12a71118b5",
        "8212a301190384028200190fa0031850",
        "8217a10c82183c181e",
        "8216a1161a58370200",
        "a26161016162820203",
        "8480a04060",
        "3bffffffffffffffff",
        "5affffffff00",
        "9bffffffffffffffff",
        "f97e00",
        "81818180",
    )
]


def refused_at(data):
    """The byte that a refusal names; -1 when the item is accepted, and then written again alike."""
    try:
        value = loads(data)
    except CborError as error:
        return int(str(error)[5:].split(":")[0])
    assert dumps(value) == data, data
    return -1


def main(count):
    state = 12345
    total = accepted = commands = 0
    data = bytearray()
    for i in range(count):
        if i % 8 == 0:
            data = bytearray(SEEDS[i // 8 % len(SEEDS)])
        for _ in range(1 + i % 3):
            # Park and Miller's generator in 15 + 15 bits: no product leaves a 32-bit port's small integers.
            state = (state * 75 + 74) % 65537
            at = state % (len(data) + 1)
            state = (state * 75 + 74) % 65537
            way = state % 5
            byte = state >> 3 & 0xFF
            if way == 0 and at < len(data):
                data[at] ^= 1 << (byte & 7)
            elif way == 1 and at < len(data):
                data[at] = byte
            elif way == 2 and len(data) < 40:
                data = data[:at] + bytearray([byte]) + data[at:]
            elif way == 3:
                data = data[:at]
            elif len(data) < 40:
                data += SEEDS[byte % len(SEEDS)]
        place = refused_at(data)
        accepted += place < 0
        total = (total * 31 + place) & 0xFFFFF
        try:
            decode_command(data)
            commands += 1
        except PayloadError:
            total = (total * 31 + 3) & 0xFFFFF
    print(count, accepted, commands, total)


if __name__ == "__main__":
    main(int(sys.argv[1]))
