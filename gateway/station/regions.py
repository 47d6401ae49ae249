"""What a station is told about its region: one page of data a region, and the channel plan made of it.

Source: LoRaWAN Regional Parameters RP002-1.0.4. Data rates are (SF, bandwidth kHz, downlink only), SF 0 for FSK,
(-1, 0, 0) for undefined, as router_config wants them. Channels are those of the named default plan; US915 and AU915
are given the second sub-band, the one public networks use. Not covered: CN470 and EU433.
"""

from __future__ import annotations

from typing import Any, NamedTuple

DataRate = tuple[int, int, int]

_UNDEFINED: DataRate = (-1, 0, 0)
_EUROPEAN: tuple[DataRate, ...] = (
    (12, 125, 0),
    (11, 125, 0),
    (10, 125, 0),
    (9, 125, 0),
    (8, 125, 0),
    (7, 125, 0),
    (7, 250, 0),
    (0, 0, 0),
)
_AMERICAN: tuple[DataRate, ...] = (
    (10, 125, 0),
    (9, 125, 0),
    (8, 125, 0),
    (7, 125, 0),
    (8, 500, 0),
    _UNDEFINED,
    _UNDEFINED,
    _UNDEFINED,
    (12, 500, 1),
    (11, 500, 1),
    (10, 500, 1),
    (9, 500, 1),
    (8, 500, 1),
    (7, 500, 1),
)
_AUSTRALIAN: tuple[DataRate, ...] = (*_EUROPEAN[:6], (8, 500, 0), _UNDEFINED, *_AMERICAN[8:])
# A radio of SX1301 and SX1302 hears 0.4 MHz to either side of its centre (multi-SF channels of 125 kHz).
_REACH_HZ = 462_500


class Region(NamedTuple):
    """`name` as stations spell it; frequencies in Hz; `wide` and `fsk` are (frequency, bandwidth or bit rate, SF)."""

    name: str
    range_hz: tuple[int, int]
    rates: tuple[DataRate, ...]
    radios_hz: tuple[int, int]
    channels_hz: tuple[int, ...]
    wide: tuple[int, int, int] | None = None
    fsk: tuple[int, int] | None = None


# RP002-1.0.4, per region; without it a station uses 14 dBm, except where it knows the region (EU863, US902, KR920).
_MAX_EIRP_DBM = {
    "EU863": 16,
    "US902": 30,
    "AU915": 30,
    **{f"AS923-{group}": 16 for group in range(1, 5)},
    "KR920": 14,
    "IN865": 30,
}


def _row(first_hz: int, step_hz: int, number: int) -> tuple[int, ...]:
    return tuple(first_hz + index * step_hz for index in range(number))


REGIONS: dict[str, Region] = {
    "EU868": Region(
        "EU863",
        (863_000_000, 870_000_000),
        _EUROPEAN,
        (867_500_000, 868_500_000),
        (868_100_000, 868_300_000, 868_500_000, *_row(867_100_000, 200_000, 5)),
        (868_300_000, 250_000, 7),
        (868_800_000, 50_000),
    ),
    "US915": Region(
        "US902",
        (902_000_000, 928_000_000),
        _AMERICAN,
        (904_300_000, 905_000_000),
        _row(903_900_000, 200_000, 8),
        (904_600_000, 500_000, 8),
    ),
    "AU915": Region(
        "AU915",
        (915_000_000, 928_000_000),
        _AUSTRALIAN,
        (917_200_000, 917_900_000),
        _row(916_800_000, 200_000, 8),
        (917_500_000, 500_000, 8),
    ),
    "AS923-1": Region(
        "AS923-1",
        (915_000_000, 928_000_000),
        _EUROPEAN,
        (922_300_000, 923_100_000),
        _row(922_000_000, 200_000, 8),
        (922_100_000, 250_000, 7),
        (921_800_000, 50_000),
    ),
    "AS923-2": Region(
        "AS923-2",
        (920_000_000, 923_000_000),
        _EUROPEAN,
        (920_500_000, 921_300_000),
        _row(920_200_000, 200_000, 8),
        (920_300_000, 250_000, 7),
    ),
    "AS923-3": Region(
        "AS923-3",
        (915_000_000, 921_000_000),
        _EUROPEAN,
        (915_700_000, 916_500_000),
        _row(915_400_000, 200_000, 8),
        (915_500_000, 250_000, 7),
    ),
    "AS923-4": Region(
        "AS923-4",
        (917_000_000, 920_000_000),
        _EUROPEAN,
        (917_600_000, 918_400_000),
        _row(917_300_000, 200_000, 8),
        (917_900_000, 250_000, 7),
    ),
    "KR920": Region(
        "KR920",
        (920_900_000, 923_300_000),
        _EUROPEAN[:6],
        (922_400_000, 923_000_000),
        _row(922_100_000, 200_000, 7),
    ),
    "IN865": Region(
        "IN865",
        (865_000_000, 867_000_000),
        (*_EUROPEAN[:6], _UNDEFINED, (0, 0, 0)),
        (865_200_000, 865_985_000),
        (865_062_500, 865_402_500, 865_985_000),
    ),
}


def router_config(region: Region, mux_time_s: float) -> dict[str, Any]:
    """The message that sets a station up."""
    rates = [*region.rates, *[_UNDEFINED] * (16 - len(region.rates))]
    return {
        "msgtype": "router_config",
        # null lets everything pass. An empty list does not: s2e.c then clears its table of NetIDs and drops every data
        # frame, and with an empty list of JoinEUIs it writes beside its table.
        "NetID": None,
        "JoinEui": None,
        "region": region.name,
        "hwspec": "sx1301/1",
        "freq_range": list(region.range_hz),
        "DRs": [list(rate) for rate in rates],
        "sx1301_conf": [_concentrator(region)],
        "max_eirp": _MAX_EIRP_DBM.get(region.name, 14),
        "nocca": False,
        "nodc": False,
        "nodwell": False,
        "MuxTime": mux_time_s,
    }


def _concentrator(region: Region) -> dict[str, Any]:
    conf: dict[str, Any] = {
        f"radio_{number}": {"enable": True, "freq": hz} for number, hz in enumerate(region.radios_hz)
    }
    for number in range(8):
        used = number < len(region.channels_hz)
        conf[f"chan_multiSF_{number}"] = _channel(region, region.channels_hz[number]) if used else {"enable": False}
    conf["chan_Lora_std"] = {"enable": False}
    if region.wide is not None:
        hz, bandwidth_hz, sf = region.wide
        conf["chan_Lora_std"] = {**_channel(region, hz), "bandwidth": bandwidth_hz, "spread_factor": sf}
    conf["chan_FSK"] = {"enable": False}
    if region.fsk is not None:
        hz, rate_bps = region.fsk
        conf["chan_FSK"] = {**_channel(region, hz), "bandwidth": 125_000, "datarate": rate_bps}
    return conf


def _channel(region: Region, hz: int) -> dict[str, Any]:
    """A channel on the radio whose centre is nearer, as the offset from it."""
    radio = min((0, 1), key=lambda number: abs(hz - region.radios_hz[number]))
    return {"enable": True, "radio": radio, "if": hz - region.radios_hz[radio]}


def reaches(region: Region) -> bool:
    """Whether every channel lies within reach of its radio; a page of data that does not is a mistake."""
    offsets = [_channel(region, hz)["if"] for hz in region.channels_hz]
    return all(abs(offset) <= _REACH_HZ for offset in offsets)
