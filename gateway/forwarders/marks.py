"""Rule 8: what tells an application that a frame is late. Live frames carry none of it, to spare bytes on LTE."""

from __future__ import annotations

from gateway.dating import Dated
from gateway.turns import Parcel


def marks(parcel: Parcel, dated: Dated) -> dict[str, str]:
    """Metadata of a late frame: that it is late, how long, by which clock, and its place in the spool."""
    found = {"spatz_late": "1", "spatz_clock": dated.source, "spatz_seq": str(parcel.seq)}
    if dated.age_us is not None:
        found["spatz_rx_delay_ms"] = str(dated.age_us // 1000)
    return found
