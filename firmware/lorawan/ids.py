"""Identifiers as values: shown big-endian, sent little-endian. Which of the two is in the name of the call."""

import binascii


class _Identifier:
    SIZE = 0

    def __init__(self, wire):
        """`wire`: the bytes in the order of the air interface (least significant first)."""
        if len(wire) != self.SIZE:
            raise ValueError("%d bytes, not %d" % (self.SIZE, len(wire)))
        self._wire = bytes(wire)

    @classmethod
    def from_wire(cls, wire):
        """From the bytes of a frame."""
        return cls(wire)

    @classmethod
    def from_hex(cls, text):
        """From the printed form; `-`, `:` and spaces between the digits are allowed."""
        for separator in "-: ":
            text = text.replace(separator, "")
        return cls(bytes(reversed(binascii.unhexlify(text))))

    def to_wire(self):
        """The bytes as they are sent."""
        return self._wire

    def __str__(self):
        return binascii.hexlify(bytes(reversed(self._wire))).decode()

    def __repr__(self):
        return "%s.from_hex('%s')" % (type(self).__name__, self)

    def __eq__(self, other):
        return type(self) is type(other) and self._wire == other._wire

    def __hash__(self):
        return hash(self._wire)


class Eui(_Identifier):
    """An EUI-64: DevEUI or JoinEUI."""

    SIZE = 8


class DevAddr(_Identifier):
    """A 32-bit device address, given by the network at each join."""

    SIZE = 4


class NetId(_Identifier):
    """A 24-bit network identifier."""

    SIZE = 3
