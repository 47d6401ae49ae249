"""A modem with its own LoRaWAN stack (RUI3 AT commands)."""

from firmware.lorawan.store import FileStore
from firmware.node.modem import ModemMac
from firmware.radio.rui3 import BAUDS, RX_BUFFER_BYTES, Modem


def build(hardware, machine, facts, clock, region, directory):
    """(MAC, radio), not started. `facts`: RADIO of the board: `uart`, `tx`, `rx`, and `reset`, a pin or None."""
    pin = machine.Pin
    reset = None
    if facts["reset"] is not None:
        reset = pin(facts["reset"], pin.OPEN_DRAIN, value=1)  # the module pulls its RST up
    uart = machine.UART(
        facts["uart"], baudrate=BAUDS[0], tx=pin(facts["tx"]), rx=pin(facts["rx"]), rxbuf=RX_BUFFER_BYTES
    )
    modem = Modem(uart, clock, reset)
    return ModemMac(modem, region, FileStore(directory), hardware.random_u32), modem
