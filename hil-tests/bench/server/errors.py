"""Everything that can go wrong in the network server, in one place.

ServerError
 +- Refused           a request that cannot be carried out; nothing was changed
 |   +- NotFound          no such object
 |   +- Duplicate         the object's key is taken
 |   +- Invalid           a value outside its rules
 |   +- BadHex            an identifier or key that is not hexadecimal of its length
 +- FrameError        bytes that are no LoRaWAN frame a server can receive
 +- CodecError        the payload codec failed
 +- Dropped           an uplink or acknowledgement that leads nowhere
"""


class ServerError(Exception):
    """Base of all errors of the network server."""


class Refused(ServerError):
    """A request from an operator or application that cannot be carried out; nothing was changed."""


class NotFound(Refused):
    """Raised when the object asked for does not exist. Check the identifier, or create the object first."""


class Duplicate(Refused):
    """Raised when the key is taken. The text is the database's, as ChirpStack passes it on; read the object back."""


class Invalid(Refused):
    """Raised when a value breaks its rule; the message names the value. Correct it and ask again."""


class BadHex(Refused):
    """Raised when an EUI, address or key is no hexadecimal text of its length. The value itself is not shown."""


class FrameError(ServerError):
    """Raised when bytes are no LoRaWAN R1 frame of a kind a server receives. The frame is dropped."""


class CodecError(ServerError):
    """Raised when the codec throws, runs too long, reports errors or returns no data. The event goes out undecoded."""


class Dropped(ServerError):
    """Raised inside a flow to end it: the frame or acknowledgement leads nowhere. The message says why."""
