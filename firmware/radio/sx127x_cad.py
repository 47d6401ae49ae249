"""Channel activity detection of SX127x: whether somebody sends with a certain spreading factor (section 4.1.7).

It finds LoRa symbols far below the noise, where a level says nothing. The chip has no parameters for it.
"""

from .errors import RadioBusy
from .windows import symbol_us

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


_CAD = const(7)  # RegOpMode
_IRQ_CAD_DONE = const(0x04)
_IRQ_CAD_DETECTED = const(0x01)
_PATIENCE_SYMBOLS = const(16)


def activity(radio, freq_hz, sf, bw_hz, inverted=0):
    """Whether there is a LoRa signal now; the radio sleeps afterwards. `inverted`: look for downlinks, not uplinks.

    Takes about two symbols (2 to 70 ms at 125 kHz) beside setting up. Raises RadioError.
    """
    clock = radio._clock
    radio._wake()
    radio._ready()
    radio._tune(freq_hz, sf, bw_hz, 255, 0, inverted)
    radio._clear_irq()
    radio._mode(_CAD)
    try:
        for _ in range(_PATIENCE_SYMBOLS):
            clock.sleep_us(symbol_us(sf, bw_hz))
            irq = radio._irq()
            if irq & _IRQ_CAD_DONE:
                return bool(irq & _IRQ_CAD_DETECTED)
        raise RadioBusy("the detection of channel activity does not end")
    finally:
        radio.sleep()
