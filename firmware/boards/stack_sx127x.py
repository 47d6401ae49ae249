"""Own LoRaWAN stack over an SX1276, SX1277, SX1278 or SX1279."""

from firmware.lorawan.mac import Mac
from firmware.lorawan.store import FileStore


def build(hardware, machine, facts, clock, region, directory, mac=Mac, radio=None):
    """(MAC, radio), not started; supplies that the radio needs are on. `facts`: RADIO of the board.

    `mac`, `radio`: their classes, when they are not the plain ones.
    """
    if radio is None:
        from firmware.radio.sx127x import SX1276 as radio

    pin = machine.Pin
    radio = radio(
        hardware.radio_spi(),
        pin(facts["cs"], pin.OUT, value=1),
        pin(facts["dio0"], pin.IN),
        pin(facts["reset"], pin.OUT, value=1),
        clock,
        facts,
    )
    return mac(region, FileStore(directory), hardware.random_u32, hardware), radio
