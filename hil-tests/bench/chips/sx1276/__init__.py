"""SX1276 radio at register level, from Semtech's data sheet DS_SX1276-7-8-9 Rev. 7 and errata note Rev. 1.1."""

from bench.chips.sx1276.chip import SX1276

__all__ = ["SX1276"]
