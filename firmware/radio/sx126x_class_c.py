"""The SX126x of a class C node."""

from .listening import Listening
from .sx126x import SX1262


class SX1262ClassC(Listening, SX1262):
    """As `SX1262`, with `listen(window)` and `poll()`."""
