"""`spatz payload sizes`: the eight reference uplinks in our format and in others, with time on the air."""

from dataclasses import dataclass

from firmware.lorawan.airtime import airtime_us
from provisioning.codec.formats import FORMATS, wire_values
from provisioning.codec.schema import Schema

# Profiles of the eight reference uplinks (payload.md section 1), in its order; their values are the first examples.
REFERENCE = ("fill", "air", "light", "count", "level", "parking", "climate-batch", "status")
# LoRaWAN around the payload: MHDR 1, DevAddr 4, FCtrl 1, FCnt 2, FPort 1, MIC 4 (TS001-1.0.4 section 4).
OVERHEAD_BYTES = 13
MAX_PAYLOAD_BYTES = 51
_BANDWIDTH_HZ = 125_000
OURS = "Spatz"


@dataclass(frozen=True)
class Row:
    """One format: bytes of each reference uplink, and milliseconds at SF7 and SF12 (None: longer than 51 bytes)."""

    name: str
    sizes: tuple[int, ...]

    @property
    def total(self) -> int:
        """Bytes of all together."""
        return sum(self.sizes)

    def airtimes_ms(self, sf: int) -> tuple[int | None, ...]:
        """Time on the air of each uplink at this spreading factor."""
        return tuple(airtime_ms(size, sf) if size <= MAX_PAYLOAD_BYTES else None for size in self.sizes)


def airtime_ms(payload_bytes: int, sf: int) -> int:
    """Milliseconds of an uplink with so many payload bytes (EU868: 125 kHz, 4/5, CRC on)."""
    us: int = airtime_us(payload_bytes + OVERHEAD_BYTES, sf, _BANDWIDTH_HZ)
    return round(us / 1000)


def compare(schema: Schema) -> list[Row]:
    """Return one row a format, ours first."""
    reports = [schema.profile(name) for name in REFERENCE]
    rows = [Row(OURS, tuple(len(profile.examples[0].hex) // 2 for profile in reports))]
    for name, size_of in FORMATS:
        values = [wire_values(profile, dict(profile.examples[0].report)) for profile in reports]
        rows.append(Row(name, tuple(size_of(one) for one in values)))
    return rows
