"""Own LoRaWAN stack over an SX1276, SX1277, SX1278 or SX1279."""

from firmware.lorawan.mac import Mac
from firmware.lorawan.store import FileStore


def build(hardware, machine, facts, clock, region, directory):
    """(MAC, radio), not started; supplies that the radio needs are on. `facts`: RADIO of the board."""
    from firmware.radio.sx127x import SX1276

    pin = machine.Pin
    radio = SX1276(
        hardware.radio_spi(),
        pin(facts["cs"], pin.OUT, value=1),
        pin(facts["dio0"], pin.IN),
        pin(facts["reset"], pin.OUT, value=1),
        clock,
        facts,
    )
    return Mac(region, FileStore(directory), hardware.random_u32, hardware), radio
