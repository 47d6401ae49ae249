"""Own LoRaWAN stack over an SX1261, SX1262 or SX1268."""

from firmware.lorawan.mac import Mac
from firmware.lorawan.store import FileStore


def build(hardware, machine, facts, clock, region, directory, mac=Mac, radio=None):
    """(MAC, radio), not started; supplies that the radio needs are on. `facts`: RADIO of the board.

    `mac`, `radio`: their classes, when they are not the plain ones.
    """
    if radio is None:
        from firmware.radio.sx126x import SX1262 as radio

    pin = machine.Pin
    radio = radio(
        hardware.radio_spi(),
        pin(facts["cs"], pin.OUT, value=1),
        pin(facts["busy"], pin.IN),
        pin(facts["dio1"], pin.IN),
        pin(facts["reset"], pin.OUT, value=1),
        clock,
        facts,
    )
    return mac(region, FileStore(directory), hardware.random_u32, hardware), radio
