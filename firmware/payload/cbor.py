"""Strict subset of CBOR (RFC 8949): what our payloads use, and not one form more.

Accepted: unsigned and negative integers of up to 64 bit, byte strings, text (valid UTF-8), arrays, maps, false,
true, null; definite lengths, shortest heads, map keys ascending in the bytewise order of RFC 8949 section 4.2.1.
One value has exactly one encoding, so `dumps(loads(x)) == x` for everything that `loads` accepts.

Refused: floats, tags, undefined and other simple values, indefinite lengths, reserved and over-long heads, lengths
beyond the input (checked before anything is allocated), containers nested deeper than `MAX_DEPTH`, keys that are
doubled, out of order or not integer, bytes or text, and bytes after the item.

Runs on MicroPython and CPython. The encoder for reports, which allocates nothing, is `encoder.py`.
"""

from firmware.payload.errors import CborError

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


# Our deepest payload is an answer: array in array in array. One level to spare, then recursion ends,
# because stacks on the node are small.
MAX_DEPTH = 4

_UINT = const(0)
_NINT = const(1)
_BYTES = const(2)
_TEXT = const(3)
_ARRAY = const(4)
_MAP = const(5)
_SIMPLE = const(7)


def loads(data: bytes):
    """Read exactly one item from `data` (bytes-like) and return it as int, bytes, str, list, dict, bool or None.

    Raises CborError for everything outside the subset. Time and memory are bounded by `len(data)`.
    """
    reader = _Reader(bytes(data))
    value = reader.item(0)
    if reader.at != len(reader.data):
        raise CborError("byte %d: %d bytes after the end" % (reader.at, len(reader.data) - reader.at))
    return value


def dumps(value) -> bytes:
    """Write `value` in its one canonical form and return bytes.

    Takes what `loads` returns, also bytearray, memoryview and tuple. Raises CborError for other types, integers
    beyond 64 bit and nesting deeper than `MAX_DEPTH`.
    """
    out = bytearray()
    _write(out, value, 0)
    return bytes(out)


class _Reader:
    def __init__(self, data):
        self.data = data
        self.at = 0

    def fail(self, place, why):
        raise CborError("byte %d: %s" % (place, why))

    def head(self):
        """Read one head; return (major type, argument)."""
        data = self.data
        start = self.at
        if start >= len(data):
            self.fail(start, "input ends where an item must begin")
        major = data[start] >> 5
        info = data[start] & 31
        self.at = start + 1
        if info < 24:
            return major, info
        if major == _SIMPLE:
            self.fail(start, "float or simple value")
        if info > 27:
            self.fail(start, "indefinite length or reserved head")
        width = 1 << (info - 24)
        end = self.at + width
        if end > len(data):
            self.fail(start, "head is cut off")
        argument = 0
        for i in range(self.at, end):
            argument = argument << 8 | data[i]
        # RFC 8949 section 4.2.1: the shortest head that holds the argument.
        if argument < 24 if width == 1 else argument >> (4 * width) == 0:
            self.fail(start, "head is longer than needed")
        self.at = end
        return major, argument

    def item(self, depth):
        start = self.at
        major, n = self.head()
        if major == _UINT:
            return n
        if major == _NINT:
            return -1 - n
        left = len(self.data) - self.at
        if major in (_BYTES, _TEXT):
            if n > left:
                self.fail(start, "length %d, but %d bytes left" % (n, left))
            self.at += n
            part = self.data[self.at - n : self.at]
            if major == _BYTES:
                return part
            if not _is_utf8(part):
                self.fail(start, "text is not UTF-8")
            return str(part, "utf-8")
        if major == _SIMPLE:
            if n == 20:
                return False
            if n == 21:
                return True
            if n == 22:
                return None
            self.fail(start, "undefined or unassigned simple value")
        if major not in (_ARRAY, _MAP):
            self.fail(start, "tag")
        if depth >= MAX_DEPTH:
            self.fail(start, "nested deeper than %d" % MAX_DEPTH)
        # Each member takes at least one byte: an honest count never exceeds what is left.
        if n > (left if major == _ARRAY else left // 2):
            self.fail(start, "%d members, but %d bytes left" % (n, left))
        if major == _ARRAY:
            return [self.item(depth + 1) for _ in range(n)]
        return self.map(n, depth)

    def map(self, n, depth):
        result = {}
        before = b""
        for _ in range(n):
            start = self.at
            if start < len(self.data) and self.data[start] >> 5 > _TEXT:
                # true equals 1 in Python: such keys would silently collide.
                self.fail(start, "key is not an integer, bytes or text")
            key = self.item(depth + 1)
            encoded = self.data[start : self.at]
            if encoded <= before:
                self.fail(start, "key is doubled or out of order")
            before = encoded
            result[key] = self.item(depth + 1)
        return result


def _is_utf8(part):
    """RFC 3629 section 4, checked here because MicroPython lets over-long forms and surrogates pass."""
    i = 0
    end = len(part)
    while i < end:
        lead = part[i]
        i += 1
        if lead < 0x80:
            continue
        if lead < 0xC2 or lead > 0xF4:
            return False
        more = 1 if lead < 0xE0 else 2 if lead < 0xF0 else 3
        if i + more > end:
            return False
        second = part[i]
        if (
            (lead == 0xE0 and second < 0xA0)  # over-long
            or (lead == 0xED and second > 0x9F)  # surrogate
            or (lead == 0xF0 and second < 0x90)  # over-long
            or (lead == 0xF4 and second > 0x8F)  # beyond U+10FFFF
        ):
            return False
        for _ in range(more):
            if part[i] >> 6 != 2:
                return False
            i += 1
    return True


def _write(out, value, depth):
    if value is None:
        out.append(0xF6)
    elif value is True:
        out.append(0xF5)
    elif value is False:
        out.append(0xF4)
    elif isinstance(value, int):
        if value >= 0:
            _write_head(out, _UINT, value)
        else:
            _write_head(out, _NINT, -1 - value)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        part = bytes(value)
        _write_head(out, _BYTES, len(part))
        out.extend(part)
    elif isinstance(value, str):
        part = value.encode("utf-8")
        _write_head(out, _TEXT, len(part))
        out.extend(part)
    elif isinstance(value, (list, tuple, dict)):
        if depth >= MAX_DEPTH:
            raise CborError("value nested deeper than %d" % MAX_DEPTH)
        if isinstance(value, dict):
            _write_map(out, value, depth)
        else:
            _write_head(out, _ARRAY, len(value))
            for member in value:
                _write(out, member, depth + 1)
    else:
        raise CborError("%s has no place in the subset" % type(value).__name__)


def _write_map(out, value, depth):
    pairs = []
    for key in value:
        encoded = bytearray()
        if key is None or key is True or key is False or isinstance(key, tuple):
            raise CborError("map keys are integers, bytes or text")
        _write(encoded, key, depth + 1)
        pairs.append((bytes(encoded), key))
    pairs.sort()
    _write_head(out, _MAP, len(pairs))
    for encoded, key in pairs:
        out.extend(encoded)
        _write(out, value[key], depth + 1)


def _write_head(out, major, n):
    major <<= 5
    if n < 24:
        out.append(major | n)
        return
    if n < 0x100:
        width = 1
    elif n < 0x10000:
        width = 2
    elif n < 0x100000000:
        width = 4
    elif n >> 64 == 0:
        width = 8
    else:
        raise CborError("integer beyond 64 bit")
    out.append(major | (23 + (1, 2, 0, 3, 0, 0, 0, 4)[width - 1]))
    for shift in range(8 * (width - 1), -1, -8):
        out.append(n >> shift & 0xFF)
