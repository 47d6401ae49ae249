"""ChirpStack's default ADR algorithm ("Default ADR algorithm (LoRa only)").

Source: chirpstack `adr/default.rs`. Steps of 3 dB of SNR margin raise the data rate first, then lower the power;
missing margin raises the power only, and only when the history is full, and never lowers the data rate: that is
the device's own back-off.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

ALGORITHM_ID = "default"
ALGORITHM_NAME = "Default ADR algorithm (LoRa only)"
HISTORY_LENGTH = 20
STEP_DB = 3.0
NB_TRANS_MAX = 3
LOSS_TABLE = ((5.0, (1, 1, 2)), (10.0, (1, 2, 3)), (30.0, (2, 3, 3)), (float("inf"), (3, 3, 3)))
"""Below a packet loss in per cent: next NbTrans by the present one (1, 2, 3)."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One uplink in the ADR history."""

    f_cnt: int
    max_snr_db: float
    tx_power_index: int
    gateway_count: int


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """What a LinkADRReq sets."""

    dr: int
    tx_power_index: int
    nb_trans: int


@dataclass(frozen=True, slots=True)
class AdrRequest:
    """What the algorithm looks at."""

    current: LinkSettings
    required_snr_db: float
    installation_margin_db: float
    max_dr: int
    tx_power_index_max: int
    history: Sequence[Heard]


def advise(request: AdrRequest) -> LinkSettings:
    """The settings the device should have; equal to the current ones when nothing is to be changed."""
    current = request.current
    dr = min(current.dr, request.max_dr)
    nb_trans = next_nb_trans(current.nb_trans, packet_loss_percent(request.history))
    max_snr_db = max((heard.max_snr_db for heard in request.history), default=-999.0)
    steps = int((max_snr_db - request.required_snr_db - request.installation_margin_db) / STEP_DB)
    same_power = sum(1 for heard in request.history if heard.tx_power_index == current.tx_power_index)
    if steps < 0 and same_power != HISTORY_LENGTH:
        return LinkSettings(dr, current.tx_power_index, nb_trans)
    power = current.tx_power_index
    if steps < 0:
        return LinkSettings(dr, max(power + steps, 0), nb_trans)
    faster = min(steps, max(request.max_dr - dr, 0))
    quieter = min(steps - faster, max(request.tx_power_index_max - power, 0))
    return LinkSettings(dr + faster, power + quieter, nb_trans)


def next_nb_trans(current: int, loss_percent: float) -> int:
    """NbTrans for a packet loss."""
    column = min(max(current, 1), NB_TRANS_MAX) - 1
    return next(row for limit, row in LOSS_TABLE if loss_percent < limit)[column]


def packet_loss_percent(history: Sequence[Heard]) -> float:
    """Share of counters missing in a full history; 0 while it is not full."""
    if len(history) < HISTORY_LENGTH:
        return 0.0
    lost = sum(max(b.f_cnt - a.f_cnt - 1, 0) for a, b in itertools.pairwise(history))
    return 100.0 * lost / len(history)
