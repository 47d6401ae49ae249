"""Payloads: from readings to a few bytes, and back to readings with names and units.

On the node only `encoder`, `batch`, `commands`, `cbor` and the table of its profile are loaded. The two functions here
are for the host; they import their parts when first called, so that this module costs the node next to nothing.
"""


def encode(profile: str, report: dict, flags: int = 0) -> "tuple[int, bytes]":
    """Encode a report given in physical units; return (fport, bytes). See `report.encode`."""
    from firmware.payload import report as host

    return host.encode(profile, report, flags)


def decode(fport: int, data: bytes, received=None):
    """Decode an uplink strictly; return a `report.Report`, a dict of physical values. See `report.decode`."""
    from firmware.payload import report as host

    return host.decode(fport, data, received)
