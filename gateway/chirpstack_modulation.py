"""Modulations in ChirpStack's gateway API (chirpstack_api.gw), from and to our own values.

Shared by the destination that speaks to ChirpStack and the source that speaks to Concentratord: both use them.
"""

from __future__ import annotations

from typing import Any

from chirpstack_api import gw

from gateway.errors import BadFrame
from gateway.frames import Fsk, LoRa, LrFhss, Modulation

# gw.CodeRate by Semtech's words; unknown words are CR_UNDEFINED.
_CODE_RATES = {
    "4/5": gw.CR_4_5,
    "4/6": gw.CR_4_6,
    "4/7": gw.CR_4_7,
    "4/8": gw.CR_4_8,
    "3/8": gw.CR_3_8,
    "2/6": gw.CR_2_6,
    "1/4": gw.CR_1_4,
    "1/6": gw.CR_1_6,
    "5/6": gw.CR_5_6,
    "4/5LI": gw.CR_LI_4_5,
    "4/6LI": gw.CR_LI_4_6,
    "4/8LI": gw.CR_LI_4_8,
}
_CODE_RATE_WORDS = {number: word for word, number in _CODE_RATES.items()}


def write_modulation(target: Any, modulation: Modulation) -> None:
    """Fill a gw.Modulation with exactly what other forwarders set: ChirpStack's de-duplication compares these bytes."""
    if isinstance(modulation, LoRa):
        target.lora.bandwidth = modulation.bandwidth_hz
        target.lora.spreading_factor = modulation.spreading_factor
        target.lora.code_rate = _CODE_RATES.get(modulation.code_rate, gw.CR_UNDEFINED)
    elif isinstance(modulation, Fsk):
        target.fsk.datarate = modulation.datarate_bps
    else:
        target.lr_fhss.operating_channel_width = modulation.channel_width_hz
        target.lr_fhss.code_rate = _CODE_RATES.get(modulation.code_rate, gw.CR_UNDEFINED)
        target.lr_fhss.grid_steps = modulation.grid_steps


def read_modulation(modulation: Any) -> Modulation:
    """The modulation in a gw.Modulation. Raises BadFrame `modulation`."""
    kind = modulation.WhichOneof("parameters")
    if kind == "lora":
        lora = modulation.lora
        return LoRa(lora.spreading_factor, lora.bandwidth, _CODE_RATE_WORDS.get(lora.code_rate, ""))
    if kind == "fsk":
        return Fsk(modulation.fsk.datarate, modulation.fsk.frequency_deviation)
    if kind == "lr_fhss":
        hopping = modulation.lr_fhss
        code_rate = _CODE_RATE_WORDS.get(hopping.code_rate, "")
        return LrFhss(hopping.operating_channel_width, code_rate, hopping.grid_steps)
    raise BadFrame("modulation")
