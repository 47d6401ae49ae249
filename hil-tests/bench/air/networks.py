"""What a concentrator of each region listens to and may send on: eight channels, one wide one, a range of frequencies.

As common `global_conf` files have it; of US915 and AU915 the second sub-band, which public networks use. The
names are those of a node's configuration.
"""

from __future__ import annotations

from typing import NamedTuple

from bench.air.concentrator import EU868_CHANNELS, EU868_TX_HZ, Channel

_MHZ = 1_000_000


class Network(NamedTuple):
    """The arguments of a `Concentrator` in a region."""

    channels: tuple[Channel, ...]
    tx_range_hz: tuple[int, int]


def _network(narrow_hz: list[int], tx_mhz: tuple[float, float], wide: tuple[int, int, int] | None = None) -> Network:
    """`wide`: (Hz, bandwidth in Hz, SF)."""
    channels = [Channel(number, number // 5, hz) for number, hz in enumerate(narrow_hz)]
    if wide is not None:
        hz, bandwidth_hz, sf = wide
        channels.append(Channel(8, 0, hz, bandwidth_hz, (sf,)))
    low, high = tx_mhz
    return Network(tuple(channels), (round(low * _MHZ), round(high * _MHZ)))


def _row(first_hz: int, number: int) -> list[int]:
    return [first_hz + 200_000 * index for index in range(number)]


NETWORKS: dict[str, Network] = {
    "EU868": Network(EU868_CHANNELS, EU868_TX_HZ),
    "IN865": _network([865_062_500, 865_402_500, 865_985_000, 865_232_500, 865_572_500], (865, 867)),
    "KR920": _network(_row(922_100_000, 7), (920.9, 923.3)),
    "US915": _network(_row(903_900_000, 8), (923, 928), (904_600_000, 500_000, 8)),
    "AU915": _network(_row(916_800_000, 8), (923, 928), (917_500_000, 500_000, 8)),
    "AS923-1": _network([*_row(923_200_000, 2), *_row(922_200_000, 5)], (915, 928), (922_100_000, 250_000, 7)),
    "AS923-2": _network([*_row(921_400_000, 2), *_row(920_400_000, 5)], (920, 923), (920_300_000, 250_000, 7)),
    "AS923-3": _network([*_row(916_600_000, 2), *_row(918_000_000, 5)], (915, 921), (917_900_000, 250_000, 7)),
    "AS923-4": _network([*_row(917_300_000, 2), *_row(918_000_000, 5)], (917, 920), (917_900_000, 250_000, 7)),
}
