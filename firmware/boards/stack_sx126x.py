"""Own LoRaWAN stack over an SX1261, SX1262 or SX1268."""

from firmware.lorawan.mac import Mac
from firmware.lorawan.store import FileStore


def build(hardware, machine, facts, clock, region, directory):
    """(MAC, radio), not started; supplies that the radio needs are on. `facts`: RADIO of the board."""
    from firmware.radio.sx126x import SX1262

    pin = machine.Pin
    for supply in ("module_power", "rf_power"):
        if facts.get(supply) is not None:
            pin(facts[supply], pin.OUT, value=1)
    spi = machine.SPI(
        facts["spi"],
        baudrate=4_000_000,
        sck=pin(facts["sck"]),
        mosi=pin(facts["mosi"]),
        miso=pin(facts["miso"]),
    )
    radio = SX1262(
        spi,
        pin(facts["cs"], pin.OUT, value=1),
        pin(facts["busy"], pin.IN),
        pin(facts["dio1"], pin.IN),
        pin(facts["reset"], pin.OUT, value=1),
        clock,
        facts,
    )
    return Mac(region, FileStore(directory), hardware.random_u32, hardware), radio
