"""LoRa arithmetic: symbols, airtime, sensitivity. Integers in microseconds and hertz.

Source: Semtech SX1261/2 data sheet, section 6.1.4 (time on air) and table 6-1 (demodulator SNR); the same
formula with its low-data-rate rule stands in LoRaWAN regional documents.
"""

from __future__ import annotations

DEMODULATOR_SNR_DB = {5: -2.5, 6: -5.0, 7: -7.5, 8: -10.0, 9: -12.5, 10: -15.0, 11: -17.5, 12: -20.0}
"""Lowest SNR at which a spreading factor can still be demodulated (table 6-1)."""

NOISE_FIGURE_DB = 6.0
THERMAL_NOISE_DBM_HZ = -174.0

LOW_DATA_RATE_SYMBOL_US = 16_000  # optimisation is wanted from a symbol of 16 ms on
HEADER_SYMBOLS = 8  # an explicit header fills the first eight symbols after the sync word


def symbols_us(count: int, sf: int, bw_hz: int) -> int:
    """Length of `count` symbols of 2^SF / BW each."""
    return count * (1 << sf) * 1_000_000 // bw_hz


def low_data_rate(sf: int, bw_hz: int) -> bool:
    """Whether the optimisation for long symbols is to be used."""
    return (1 << sf) * 1_000_000 >= LOW_DATA_RATE_SYMBOL_US * bw_hz


def sync_quarter_symbols(sf: int) -> int:
    """Sync word and start-of-frame delimiter after the preamble, in quarters of symbols: 4.25, or 6.25 below SF7."""
    return 25 if sf < 7 else 17


def header_end_us(sf: int, bw_hz: int, preamble: int) -> int:
    """From the start of a frame to the end of its explicit header."""
    quarters = 4 * preamble + sync_quarter_symbols(sf) + 4 * HEADER_SYMBOLS
    return quarters * (1 << sf) * 250_000 // bw_hz


def airtime_us(
    size: int,
    sf: int,
    bw_hz: int = 125_000,
    *,
    coding_rate: int = 1,
    preamble: int = 8,
    crc_on: bool = True,
    implicit_header: bool = False,
    low_data_rate_on: bool | None = None,
) -> int:
    """Time on air of `size` bytes; `coding_rate` 1..4 means 4/5..4/8. Rounded to the nearest microsecond."""
    optimise = low_data_rate(sf, bw_hz) if low_data_rate_on is None else low_data_rate_on
    bits = 8 * size - 4 * sf + (28 if sf >= 7 else 20) + 16 * crc_on - 20 * implicit_header
    per_block = 4 * (sf - 2 * optimise)
    blocks = max(-(-bits // per_block), 0)
    quarters = 4 * preamble + sync_quarter_symbols(sf) + 4 * (8 + blocks * (coding_rate + 4))
    return (2 * quarters * (1 << sf) * 250_000 + bw_hz) // (2 * bw_hz)


def noise_floor_dbm(bw_hz: int) -> float:
    """Thermal noise in the bandwidth plus the receiver's noise figure."""
    decibels = {125_000: 50.97, 250_000: 53.98, 500_000: 56.99}
    return THERMAL_NOISE_DBM_HZ + decibels[bw_hz] + NOISE_FIGURE_DB
