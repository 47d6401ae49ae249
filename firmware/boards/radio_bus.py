"""The SPI bus of a board's radio chip."""

_BAUD_HZ = 4_000_000  # SX126x takes 16 MHz, SX127x 10 MHz; wires on a breadboard less


def radio_spi(machine, facts):
    """The bus by RADIO of a board's facts; supplies that the radio needs are on."""
    pin = machine.Pin
    for supply in ("module_power", "rf_power", "tcxo_power"):
        if facts.get(supply) is not None:
            pin(facts[supply], pin.OUT, value=1)
    return machine.SPI(
        facts["spi"],
        baudrate=_BAUD_HZ,
        sck=pin(facts["sck"]),
        mosi=pin(facts["mosi"]),
        miso=pin(facts["miso"]),
    )
