"""Encode reports as a node does. CPython and genuine MicroPython run this same file.

    node_here.py FILE [FOLDER]

FILE has one JSON array a line, [profile module, values, flags, limit]; bytes are {"x": hex}. FOLDER, if given, holds
table modules beside those of the firmware. Prints one frame a line in hex, or `too long`.
"""

import json
import sys
from binascii import hexlify, unhexlify

from firmware.payload.encoder import encode_into
from firmware.payload.errors import PayloadTooLong

_tables = {}


def table(name, folder):
    if name not in _tables:
        if folder:
            sys.path.insert(0, folder)
            _tables[name] = __import__(name)
        else:
            _tables[name] = getattr(__import__("firmware.payload.tables." + name).payload.tables, name)
    return _tables[name]


def main(path, folder=None):
    buf = bytearray(242)
    with open(path, encoding="utf-8") as file:  # noqa: PTH123 - MicroPython has no pathlib
        for line in file:
            name, values, flags, limit = json.loads(line)
            values = [unhexlify(v["x"]) if isinstance(v, dict) else v for v in values]
            try:
                size = encode_into(table(name, folder), values, flags, buf, limit)
            except PayloadTooLong:
                print("too long")
            else:
                print(hexlify(memoryview(buf)[:size]).decode())


if __name__ == "__main__":
    main(*sys.argv[1:])
