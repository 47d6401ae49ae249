"""Encode a report on the node without touching the heap.

The caller keeps one list of values and one buffer for the life of the node. `encode_into` measures first, then
writes, so a refused report leaves the buffer as it was. The table comes from `tables/<profile>.py`, which
`spatz payload build` makes from the profile's TOML file: six small integers a field,

    kind, step, offset, low, high, items

where wire = floor((value - offset + step / 2) / step) in whole numbers (round half up), `low..high` are limits of
the wire value, and `items` is the length of a byte string or the largest number of members of a column.

Wire form (CBOR array, positional): fields of version 1, then - only when needed - the flags, then extensions.
A table with BASE = -1 is the makers' map instead: the index of a field is its key, absent fields are not sent.
"""

from firmware.payload.errors import PayloadTooLong

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


# What to put into the values list for an extension field that is not sent. None means: fitted, but no reading.
ABSENT = "absent"

# Bits of the flags word (sent only when not zero).
LOW_BATTERY = 1
SENSOR_FAULT = 2
TAMPER = 4
CLOCK_UNSET = 8
LATE = 16
CONFIG_REFUSED = 32
WATCHDOG = 64
DROPPED = 128

_INT = const(0)
_BOOL = const(1)
_BYTES = const(2)
_COUNTS = const(3)
_SERIES = const(4)
_LIST = const(5)
_CLIP = const(8)  # added to the kind: a value beyond the limits is sent as the limit, not as null

_STRIDE = const(6)


def encode_into(table, values, flags, buf, limit, first=0, end=-1):
    """Encode `values` (in the order of `table.FIELDS`) into `buf` and return the number of bytes.

    A value is a whole number in the quantity's unit (see quantities.toml), None or a fault word for "no valid
    reading", True/False, bytes, a list of such numbers for a column, or ABSENT. A number outside the field's range
    is sent as null, or as the limit where the profile says so: a wrong number is never sent.
    `first` and `end` choose readings of all columns of a batch (`batch.py`); -1 means up to the last.

    If the report exceeds `limit` bytes, extension fields are left out, the last first; the age of the report is
    never left out. Raises PayloadTooLong, with nothing written, when that is not enough.
    """
    cut = len(table.FIELDS)
    while True:
        size = _report(None, table, values, flags, cut, first, end)
        if size <= limit:
            return _report(buf, table, values, flags, cut, first, end)
        if table.BASE < 0 or cut <= table.BASE:
            raise PayloadTooLong(size, limit)
        cut -= 1


def size_of(table, values, flags, first=0, end=-1):
    """Return the bytes `encode_into` would need with all extension fields."""
    return _report(None, table, values, flags, len(table.FIELDS), first, end)


def _report(buf, table, values, flags, cut, first, end):
    # With buf None this only counts: one code path, so measuring and writing cannot disagree.
    if table.BASE < 0:
        return _map(buf, table, values, flags)
    last = len(table.FIELDS)
    while last > table.BASE and _gone(table, values, cut, last - 1):
        last -= 1
    if last > table.BASE:
        pos = _head(buf, 0, 0x80, last + 1)
    else:
        pos = _head(buf, 0, 0x80, last + 1 if flags else last)
    i = 0
    while i < last:
        if i == table.BASE:
            pos = _head(buf, pos, 0, flags)
        if i >= table.BASE and _gone(table, values, cut, i):
            pos = _simple(buf, pos, 0xF6)
        else:
            pos = _field(buf, pos, table.SPEC, i * _STRIDE, values[i], first, end)
        i += 1
    if flags and last == table.BASE:
        pos = _head(buf, pos, 0, flags)
    return pos


def _gone(table, values, cut, i):
    return values[i] == ABSENT or (i >= cut and i != table.AGE)


def _map(buf, table, values, flags):
    count = 1 if flags else 0
    i = 1  # key 0 is the flags word
    while i < len(table.FIELDS):
        if values[i] != ABSENT:
            count += 1
        i += 1
    pos = _head(buf, 0, 0xA0, count)
    if flags:
        pos = _head(buf, pos, 0, 0)
        pos = _head(buf, pos, 0, flags)
    i = 1
    while i < len(table.FIELDS):
        if values[i] != ABSENT:
            pos = _head(buf, pos, 0, i)
            pos = _field(buf, pos, table.SPEC, i * _STRIDE, values[i], 0, -1)
        i += 1
    return pos


def _field(buf, pos, spec, k, value, first, end):
    if value is None or isinstance(value, str):
        return _simple(buf, pos, 0xF6)
    kind = spec[k] & 7
    if kind == _INT:
        return _int(buf, pos, _wire(spec, k, value))
    if kind == _BOOL:
        return _simple(buf, pos, 0xF5 if value else 0xF4)
    if kind == _BYTES:
        if len(value) != spec[k + 5]:
            return _simple(buf, pos, 0xF6)
        return _bytes(buf, pos, value, 0, len(value))
    if end < 0:
        end = len(value)
    if kind == _COUNTS and _fits_bytes(spec, k, value, first, end):
        pos = _head(buf, pos, 0x40, end - first)
        while first < end:
            pos = _simple(buf, pos, _wire(spec, k, value[first]))
            first += 1
        return pos
    pos = _head(buf, pos, 0x80, end - first)
    before = 0
    while first < end:
        wire = _wire(spec, k, value[first])
        if kind == _SERIES and wire is not None:
            # The first reading is absolute, each later one the step from the last valid one.
            pos = _int(buf, pos, wire - before)
            before = wire
        else:
            pos = _int(buf, pos, wire)
        first += 1
    return pos


def _fits_bytes(spec, k, value, first, end):
    """True when a column is shorter as a byte string: all 0..255, and not all short enough for one-byte integers."""
    shorter = False
    while first < end:
        wire = _wire(spec, k, value[first])
        if wire is None or wire < 0 or wire > 255:
            return False
        if wire > 23:
            shorter = True
        first += 1
    return shorter


def _wire(spec, k, value):
    if value is None or isinstance(value, str):
        return None
    wire = (value - spec[k + 2] + (spec[k + 1] >> 1)) // spec[k + 1]
    if wire < spec[k + 3]:
        return spec[k + 3] if spec[k] & _CLIP else None
    if wire > spec[k + 4]:
        return spec[k + 4] if spec[k] & _CLIP else None
    return wire


def _int(buf, pos, wire):
    if wire is None:
        return _simple(buf, pos, 0xF6)
    if wire < 0:
        return _head(buf, pos, 0x20, -1 - wire)
    return _head(buf, pos, 0, wire)


def _bytes(buf, pos, value, first, end):
    pos = _head(buf, pos, 0x40, end - first)
    while first < end:
        pos = _simple(buf, pos, value[first])
        first += 1
    return pos


def _simple(buf, pos, byte):
    if buf is not None:
        buf[pos] = byte
    return pos + 1


def _head(buf, pos, major, n):
    """Write the shortest head (RFC 8949 section 4.2.1) for n below 2**30; return the position after it."""
    if n < 24:
        width = 0
        major |= n
    elif n < 0x100:
        width = 1
        major |= 24
    elif n < 0x10000:
        width = 2
        major |= 25
    else:
        width = 4
        major |= 26
    if buf is not None:
        buf[pos] = major
        while width:
            width -= 1
            pos += 1
            buf[pos] = n >> (8 * width) & 0xFF
        return pos + 1
    return pos + 1 + width
