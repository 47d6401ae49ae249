"""Reports as bytes: flags set, and what is sent late made to say so."""

from firmware.payload.encoder import ABSENT, CLOCK_UNSET, LATE, encode_into

ENCODE_LIMIT = 51
"""What always fits, at every data rate (EU868 DR0 to DR2): a stored report must not wait for a better link."""

_AGE_MAX_MIN = 65_535


def blank(table):
    """The values list of a table: nothing read yet; extension fields are not sent unless somebody sets them."""
    return [None if index < table.BASE else ABSENT for index in range(len(table.FIELDS))]


class Encoder:
    """Encodes reports of any table into one buffer that lives as long as the node."""

    def __init__(self):
        self._buffer = bytearray(ENCODE_LIMIT)

    def encode(self, table, values, flags):
        """A view of the encoded report, valid until the next call. Raises PayloadTooLong."""
        count = encode_into(table, values, flags, self._buffer, ENCODE_LIMIT)
        return memoryview(self._buffer)[:count]


def late(table, payload, age_min, limit):
    """The stored report `payload` as it is sent later: flag LATE, its age, at most `limit` bytes if that is possible.

    `age_min` None: taken before the last reset, nobody knows when; then the age is empty and CLOCK_UNSET is set.
    Extension fields go first when it does not fit, the last first; flags and age stay.
    """
    from firmware.payload.cbor import dumps, loads  # rarely needed, and large

    items = loads(bytes(payload))
    base = table.BASE
    age_at = table.AGE + 1  # one place after the fields: the flags
    while len(items) <= age_at:
        items.append(0 if len(items) == base else None)
    items[base] |= LATE | (CLOCK_UNSET if age_min is None else 0)
    items[age_at] = None if age_min is None else min(age_min, _AGE_MAX_MIN)
    place = len(items) - 1
    while True:
        data = dumps(items)
        if len(data) <= limit or place <= base:
            return data
        if place == age_at:
            pass
        elif place == len(items) - 1:
            items.pop()
        else:
            items[place] = None
        place -= 1
