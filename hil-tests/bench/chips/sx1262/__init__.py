"""SX1262 radio at command level, from Semtech's data sheet DS.SX1261-2.W.APP Rev 2.1 and its errata (chapter 15)."""

from bench.chips.sx1262.chip import SX1262

__all__ = ["SX1262"]
