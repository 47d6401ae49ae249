"""Every error of the payload package, in one place.

    PayloadError (ValueError)
        CborError         bytes are not in our CBOR subset, or a value cannot be put into it
        PayloadTooLong    a report does not fit into what the radio may send now
        ReportError       host: a report given by people cannot be encoded
        DecodeError       host: well-formed CBOR that is not a frame of this FPort
        CommandError      a downlink command with keys that must not be carried out

One base, and `ValueError` under it: MicroPython cannot inherit from two native exceptions.
"""


class PayloadError(ValueError):
    """Base of all below. Catch it where a bad payload must not stop the program."""


class CborError(PayloadError):
    """Raised by `cbor.loads` and `cbor.dumps`; the text begins with the place (`byte 7: ...`).

    What to do: drop the input. It was damaged on the way, made by a foreign program, or is an attack.
    """


class PayloadTooLong(PayloadError):
    """Raised before a byte is written when a report exceeds `limit` bytes even without extension fields.

    `size` and `limit` are in bytes. What to do: split a batch (`batch.fit`), or send after the pending
    MAC answers are gone, when the limit is larger again.
    """

    def __init__(self, size, limit):
        super().__init__("report needs %d bytes, %d are free" % (size, limit))
        self.size = size
        self.limit = limit


class ReportError(PayloadError):
    """Raised by `encode` on the host; the text names the field and what is allowed there."""


class DecodeError(PayloadError):
    """Raised by `decode`; the text names the FPort or the field. What to do: log and drop the frame."""


class CommandError(PayloadError):
    """Raised when a command has a readable sequence number but must not be carried out.

    `seq` is the number to answer, `refusals` a list of (key, code) with the codes of `commands.py`.
    Nothing of the command may be carried out. What to do: send `encode_answer(seq, refusals)`.
    """

    def __init__(self, seq, refusals):
        super().__init__("command %d refused: %s" % (seq, refusals))
        self.seq = seq
        self.refusals = refusals
