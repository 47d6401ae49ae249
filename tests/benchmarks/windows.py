"""What the error budget of the receive windows costs: energy of listening in vain, beside that of the uplink itself.

The driver runs on the chip's model; how long its receiver is open is what is counted, in RX1 and RX2 together, when the
network has nothing to say. Currents: SX1262 with DC-DC at 3.3 V, by its data sheet Rev 2.1.
"""

from collections.abc import Iterator
from typing import Any

from firmware.lorawan.airtime import airtime_us
from tests.firmware.radio.rig import Rig, exchange

_BUDGETS_MS = (10, 20, 40, 100, 500)
_RX_MA = 5.3  # boosted gain, LoRa 125 kHz
_TX_MA = 45.0  # +14 dBm at 868 MHz
_SUPPLY_V = 3.3
_FRAME_BYTES = 13 + 24  # a report of 24 bytes
_UPLINKS_A_DAY = 96  # a report every 15 minutes


def open_ms(sf: int, budget_ms: int) -> float:
    """For how long the receiver is open after one uplink that nobody answers; RX2 at SF9, as some networks have it."""
    rig = Rig()
    rig.radio.start()
    rig.radio.rx_error_us = 1_000 * budget_ms
    opened_us: list[int] = []
    total_us = 0
    open_window, close_window = rig.air.open_window, rig.air.close_window

    def opening(radio: Any, tuning: Any) -> None:
        open_window(radio, tuning)
        opened_us.append(rig.schedule.now_us)

    def closing(radio: Any) -> None:
        nonlocal total_us
        close_window(radio)
        if opened_us:
            total_us += rig.schedule.now_us - opened_us.pop()

    rig.air.open_window, rig.air.close_window = opening, closing  # type: ignore[method-assign]
    rig.radio.carry_out(exchange(sf, bytes(_FRAME_BYTES), rx2_sf=9))
    return total_us / 1_000


def run() -> Iterator[dict[str, Any]]:
    """One line a spreading factor and budget."""
    for sf in range(7, 13):
        tx_mas = airtime_us(_FRAME_BYTES, sf, 125_000) / 1e6 * _TX_MA
        for budget_ms in _BUDGETS_MS:
            listening_ms = open_ms(sf, budget_ms)
            rx_mas = listening_ms / 1e3 * _RX_MA
            yield {
                "measure": "energy of both receive windows, nothing heard",
                "ran_on": "the SX1262 driver over the chip's model, virtual time",
                "uplink": f"SF{sf}, {_FRAME_BYTES} bytes, RX2 at SF9",
                "budget_ms": budget_ms,
                "open_ms": round(listening_ms, 1),
                "rx_mas": round(rx_mas, 3),
                "tx_mas": round(tx_mas, 3),
                "rx_mj": round(rx_mas * _SUPPLY_V, 2),
                "tx_mj": round(tx_mas * _SUPPLY_V, 2),
                "rx_per_tx": round(rx_mas / tx_mas, 3),
                "rx_share_of_uplink": round(rx_mas / (rx_mas + tx_mas), 3),
                "rx_mah_per_day": round(rx_mas * _UPLINKS_A_DAY / 3600, 3),
            }
