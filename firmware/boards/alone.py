"""A board's LoRaWAN for programs that are no Spatz node: the parts that the board's facts name, and the API over them.

    from firmware.boards import alone
    from firmware.boards.heltec_v3 import facts
    from firmware.lorawan.regions import eu868

    lorawan = alone.lorawan(facts, eu868)

A board without a folder here needs no more than a RADIO like those in `facts.py` of its neighbours.
"""

import os
import time

import machine

from firmware.boards.radio_bus import radio_spi
from firmware.lorawan.store import IDENTITY, FileStore
from firmware.node.clock import Clock

_ABP_IDENTITY_BYTES = 44  # `firmware.lorawan.abp.IDENTITY_BYTES`, without loading it


def lorawan(facts, region, store=None, class_c=False, asynchronous=False):
    """A `firmware.lorawan.device.LoRaWAN` (`asynchronous`: that of `device_async`), not started.

    `facts`: a board's facts, or anything with such a RADIO; `region`: a module of `firmware.lorawan.regions`; `store`:
    where identity and state are, by default files in /lorawan. What the identity is for, joining or a personalised
    device, is seen from it.
    """
    chip = facts.RADIO["chip"]
    if not chip.startswith("sx1"):
        raise ValueError("%s brings a LoRaWAN stack of its own: see firmware.radio.rui3" % chip)
    store = store or FileStore()
    if asynchronous:
        from firmware.lorawan.device_async import LoRaWAN
    else:
        from firmware.lorawan.device import LoRaWAN
    if chip.startswith("sx127"):
        from firmware.boards import stack_sx127x as stack

        if class_c:
            from firmware.boards.class_c_sx127x import KINDS
    else:
        from firmware.boards import stack_sx126x as stack

        if class_c:
            from firmware.boards.class_c_sx126x import KINDS
    if class_c:
        kind, radio = KINDS
    else:
        from firmware.lorawan.mac import Mac as kind

        radio = None
    if chip == "sx1261":
        from firmware.radio.sx1261 import SX1261 as radio

        if class_c:
            from firmware.radio.listening import Listening

            radio = type("SX1261ClassC", (Listening, radio), {})
    if len(store.load(IDENTITY) or b"") == _ABP_IDENTITY_BYTES:
        from firmware.lorawan.abp import personalised

        kind = personalised(kind)
    clock = Clock(time)
    mac, radio = stack.build(
        _Parts(facts.RADIO),
        machine,
        facts.RADIO,
        clock,
        region,
        "",
        lambda region, _, random_u32, parts: kind(region, store, random_u32, parts),
        radio,
    )
    return LoRaWAN(mac, radio, clock)


class _Parts:
    """What a stack asks its board for."""

    def __init__(self, facts):
        self._facts = facts

    def radio_spi(self):
        return radio_spi(machine, self._facts)

    def random_u32(self):
        return int.from_bytes(os.urandom(4), "big")

    def battery_level(self):
        return 255  # DevStatusAns (TS001-1.0.4 section 5.5): not known
