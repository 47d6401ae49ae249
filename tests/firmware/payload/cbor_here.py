"""Run the known answers of CBOR on this interpreter. CPython and genuine MicroPython run this same file.

    cbor_here.py cbor-vectors.json

Prints how many vectors went both ways and how many malformed inputs were refused; a wrong answer raises.
"""

import json
import sys
from binascii import hexlify, unhexlify

from firmware.payload.cbor import CborError, dumps, loads

# (what is wrong, hex): one of each form that the subset leaves out.
MALFORMED = (
    ("nothing", ""),
    ("head cut off", "19"),
    ("head cut off in the middle", "1904"),
    ("bytes cut off", "4401"),
    ("array cut off", "8401"),
    ("map cut off", "a101"),
    ("text cut off", "6261"),
    ("0 in two bytes", "1800"),
    ("23 in two bytes", "1817"),
    ("24 in three bytes", "190018"),
    ("255 in three bytes", "1900ff"),
    ("65535 in five bytes", "1a0000ffff"),
    ("32 bit in nine bytes", "1b00000000ffffffff"),
    ("negative in a long head", "3800"),
    ("length in a long head", "580100"),
    ("array count in a long head", "980100"),
    ("indefinite bytes", "5f4101ff"),
    ("indefinite text", "7f6161ff"),
    ("indefinite array", "9f01ff"),
    ("indefinite map", "bf0101ff"),
    ("break alone", "ff"),
    ("reserved 28", "1c"),
    ("reserved 29", "5d"),
    ("reserved 30", "9e"),
    ("bytes of 4 GB", "5affffffff00"),
    ("text of 4 GB", "7affffffff00"),
    ("array of 4 G items", "9affffffff00"),
    ("map of 4 G pairs", "baffffffff0000"),
    ("bytes of 2^64", "5bffffffffffffffff"),
    ("array of 2^64 items", "9bffffffffffffffff"),
    ("nested five deep", "818181818100"),
    ("nested forty deep", "81" * 40 + "00"),
    ("nested a thousand deep", "81" * 1000),
    ("maps nested five deep", "a100a100a100a100a10000"),
    ("doubled key", "a201010102"),
    ("keys out of order", "a202010102"),
    ("array as a whole key", "a18000"),
    ("true as key", "a1f500"),
    ("null as key", "a1f600"),
    ("half float", "f93c00"),
    ("float", "fa3f800000"),
    ("double", "fb3ff0000000000000"),
    ("NaN", "f97e00"),
    ("tag", "c074323031332d30332d32315432303a30343a30305a"),
    ("tag of a number", "c11a514b67b0"),
    ("undefined", "f7"),
    ("unassigned simple value", "e0"),
    ("simple value in two bytes", "f8ff"),
    ("something after the end", "0000"),
    ("text that is no UTF-8", "61ff"),
    ("over-long UTF-8", "62c080"),
    ("surrogate in UTF-8", "63eda080"),
    ("beyond Unicode", "64f4908080"),
    ("UTF-8 cut off", "61c3"),
)


def value_of(item):
    """A value of the vectors: $bytes and $map stand for what JSON cannot say."""
    if isinstance(item, dict):
        if "$bytes" in item:
            return unhexlify(item["$bytes"])
        if "$map" in item:
            return {key: value_of(value) for key, value in item["$map"]}
        return {key: value_of(value) for key, value in item.items()}
    if isinstance(item, list):
        return [value_of(one) for one in item]
    return item


def refusal(data):
    """What `loads` says about the bytes; empty when it takes them."""
    try:
        loads(data)
    except CborError as error:
        return str(error)
    return ""


def main(path):
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - MicroPython has no pathlib
        vectors = json.load(file)
    for vector in vectors:
        data = unhexlify(vector["hex"])
        value = value_of(vector["value"])
        assert loads(data) == value, vector
        assert hexlify(dumps(value)).decode() == vector["hex"], vector
    print("vectors", len(vectors))
    refused = 0
    for name, text in MALFORMED:
        assert refusal(unhexlify(text)).startswith("byte "), name
        refused += 1
    print("refused", refused)


if __name__ == "__main__":
    main(sys.argv[1])
