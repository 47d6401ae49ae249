"""Encode one report of every profile with the heap locked: any allocation ends this script. MicroPython only.

Prints each profile with its size and the heap bytes that encoding took.
"""

import gc

import micropython

from firmware.payload.encoder import encode_into
from firmware.payload.tables import air, climate_batch, count, event, fill, lab, level, light, parking, status

ABSENT = "absent"
REPORTS = (
    (fill, [1234, 47, 2150, 3620, ABSENT, ABSENT, ABSENT], 0),
    (fill, [None, "no-echo", -4000, 4200, 17, 2, 361], 3),
    (air, [38, 112, -420, 815, 3620, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT], 0),
    (air, [-38, None, 99999, 815, 3620, 47, [2321, 2304, None, 2388], 17, 3, 125, 250], 255),
    (light, [143, 37, 60, ABSENT, ABSENT, ABSENT, ABSENT], 0),
    (light, [90000, 70000, 100, ABSENT, ABSENT, ABSENT, ABSENT], 0),
    (count, [[3, 0, 7, 12, 25, 41, 38, 19, 8, 2, 0, 1], 3620, ABSENT, ABSENT], 0),
    (count, [[300, None, 7], 3620, ABSENT, 40], 1),
    (level, [2870, 14, 870, 930, 10034, 3620, ABSENT, ABSENT, ABSENT, ABSENT], 0),
    (parking, [True, 137, 3620, ABSENT, ABSENT], 0),
    (climate_batch, [10, [2150, 2140, 2120, 2130, 2160, 2190], [560, 565, 570, 565, 555, 550], 3620, ABSENT], 0),
    (climate_batch, [10, [2150, None, 2120], [560, 565, None], 3620, 20], 16),
    (status, [10402, 2, 3, b"\x9f\x3c\x12\xa7", 17, 3620, ABSENT, ABSENT, ABSENT, ABSENT, ABSENT], 0),
    (event, [1, 1, 84, 12, ABSENT], 0),
    (lab, [ABSENT, 2153, 562] + [ABSENT] * 21, 3),
)


def taken(table, values, flags, buf):
    before = gc.mem_alloc()
    encode_into(table, values, flags, buf, 51)
    return gc.mem_alloc() - before


def main():
    buf = bytearray(51)
    for table, values, flags in REPORTS:
        gc.collect()
        gc.disable()
        heap = taken(table, values, flags, buf)
        micropython.heap_lock()
        size = encode_into(table, values, flags, buf, 51)
        micropython.heap_unlock()
        gc.enable()
        print(table.NAME, size, heap)


main()
