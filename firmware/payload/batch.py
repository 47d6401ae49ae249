"""Split a batch that is too long for one frame (payload.md section 2, rule 10).

Every part is a complete report: the newest readings go first, an older part carries its own age and the flag LATE.
Columns are lists of readings, the oldest first, all of one length.
"""

from firmware.payload.encoder import ABSENT, LATE, encode_into, size_of

_STRIDE = 6
_COLUMNS = (3, 4, 5)  # kinds of encoder.py that hold several readings


def parts(table, values, flags, buf, limit, step_min):
    """Yield the number of bytes of one part after the other, each encoded into `buf`; the newest first.

    Send (or copy) `buf[:n]` before asking for the next. `step_min` are the minutes between two readings. The age in
    `values` is that of the newest reading, ABSENT or None for "just now". `limit` may be a function, asked before
    each part, because what the radio may send changes. Raises PayloadTooLong when not even one reading fits.
    """
    column = first_column(table)
    end = len(values[column])
    fresh_age = values[table.AGE]
    age = 0 if fresh_age is None or fresh_age == ABSENT else fresh_age
    total = end
    while end:
        room = limit() if callable(limit) else limit
        if end < total:
            values[table.AGE] = age + (total - end) * step_min
            flags |= LATE
        start = fit(table, values, flags, room, end)
        yield encode_into(table, values, flags, buf, room, start, end)
        end = start
    values[table.AGE] = fresh_age


def fit(table, values, flags, limit, end):
    """Return the first of the readings that fit into `limit` bytes together with all up to `end`.

    At least one reading is taken: whether it fits is for `encode_into` to say.
    """
    most = table.SPEC[first_column(table) * _STRIDE + 5]
    start = end - 1
    while start > 0 and end - start < most and size_of(table, values, flags, start - 1, end) <= limit:
        start -= 1
    return start


def first_column(table):
    """Return the index of the first field that holds several readings; ValueError without one."""
    for i in range(table.BASE):
        if table.SPEC[i * _STRIDE] & 7 in _COLUMNS:
            return i
    raise ValueError("profile %s has no column" % table.NAME)
