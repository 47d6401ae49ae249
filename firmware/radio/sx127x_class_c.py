"""The SX127x of a class C node."""

from .listening import Listening
from .sx127x import SX1276


class SX1276ClassC(Listening, SX1276):
    """As `SX1276`, with `listen(window)` and `poll()`."""
