"""Channel activity detection of SX126x: whether somebody sends with a certain spreading factor (section 13.4.5).

It finds LoRa symbols far below the noise, where a level says nothing, within a few symbols.

Parameters: Semtech AN1200.48 "SX126x CAD Performance Evaluation", Rev 2.1, best setting of each spreading factor at
125 kHz, as RadioLib has them, too.
"""

from .errors import RadioBusy
from .windows import symbol_us

try:
    from micropython import const
except ImportError:

    def const(value):
        """On CPython a constant is just its value."""
        return value


_SET_CAD = const(0xC5)
_SET_CAD_PARAMS = const(0x88)
_IRQ_CAD_DONE = const(0x080)
_IRQ_CAD_DETECTED = const(0x100)
_ON_2_SYMBOLS = const(1)  # table 13-73
_ON_4_SYMBOLS = const(2)
_PEAKS = b"\x16\x16\x16\x16\x17\x18\x19\x1c"  # cadDetPeak for SF5 to SF12
_FOUR_SYMBOLS_FROM_SF = const(9)
_MIN = const(10)  # cadDetMin
_THEN_STANDBY = const(0)  # cadExitMode CAD_ONLY; it has no time-out
_PATIENCE_SYMBOLS = const(16)


def activity(radio, freq_hz, sf, bw_hz, inverted=0):
    """Whether there is a LoRa signal now; the radio sleeps afterwards. `inverted`: look for downlinks, not uplinks.

    Takes 2.5 symbols up to SF8 and 4.5 from SF9 on (1 to 150 ms at 125 kHz) beside setting up. Raises RadioError.
    """
    clock = radio._clock
    radio._wake()
    radio._ready()
    radio._tune(freq_hz, sf, bw_hz, 255, 0, inverted)
    symbols = _ON_4_SYMBOLS if sf >= _FOUR_SYMBOLS_FROM_SF else _ON_2_SYMBOLS
    radio._set(_SET_CAD_PARAMS, 7, symbols, _PEAKS[sf - 5], _MIN, _THEN_STANDBY)
    radio._clear_irq()
    radio._set(_SET_CAD, 0)
    try:
        for _ in range(_PATIENCE_SYMBOLS):
            clock.sleep_us(symbol_us(sf, bw_hz))
            irq = radio._irq()
            if irq & _IRQ_CAD_DONE:
                return bool(irq & _IRQ_CAD_DETECTED)
        raise RadioBusy("the detection of channel activity does not end")
    finally:
        radio.sleep()
