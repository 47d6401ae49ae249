"""Fault words: what a driver returns in place of a number. A fault never comes with a number.

A reading is an `int` in the registry's unit or one of these `str`; `is_fault(reading)` tells them apart.
"""

SATURATED = "saturated"
"""The input was beyond the converter's range: the true value is larger than anything it can say."""
BELOW_BLANKING = "below-blanking"
"""Something is nearer than the sensor can see: a full container or a covered lens."""
NO_TARGET = "no-target"
"""The sensor works and saw nothing in its range."""
NO_RESPONSE = "no-response"
"""The part does not answer: absent, unplugged, without supply."""
CHECKSUM = "checksum"
"""Only frames with a wrong checksum arrived: noise on the line, or another device than expected."""
CRC = "crc"
"""A CRC did not fit: the value may be anything."""
BUS = "bus"
"""The bus itself is wrong: a line held low, or a part that is not the one expected."""
NO_DATA = "no-data"
"""The part answers, but had nothing new within its time."""
POWER_ON_VALUE = "power-on-value"
"""The register still holds what it holds after power-on: nothing was measured."""
FAILED_CONVERSION = "failed-conversion"
"""The part itself says that its conversion failed."""
WARM_UP = "warm-up"
"""The part was switched on too recently to be trusted."""
INTERFERENCE = "interference"
"""The sensor hears another of its kind."""


def is_fault(reading):
    """True when `reading` is a fault word, False when it is a number."""
    return isinstance(reading, str)
