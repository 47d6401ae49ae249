"""RAK3172 with RUI3 firmware: an AT modem on a UART with its own LoRaWAN stack and its own memory."""

from bench.chips.rui3.modem import Rak3172
from bench.chips.rui3.texts import DIALECTS, Dialect

__all__ = ["DIALECTS", "Dialect", "Rak3172"]
