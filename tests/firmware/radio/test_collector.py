"""The collector keeps out of the receive windows, on genuine MicroPython."""

from tests.on_micropython import run_on_micropython

SCRIPT = """
import gc
from firmware.radio.sx126x import SX1262

class Clock:
    def ticks_us(self):
        return 0
    def sleep_ms(self, ms):
        pass

class Radio(SX1262):
    def _transmission(self, exchange):
        yield 1
        print("during", gc.threshold())
        raise OSError(5)
    def sleep(self):
        pass

class Exchange:
    sense_first = None

gc.threshold(4096)
try:
    Radio(None, None, None, None, None, Clock(), {}).carry_out(Exchange())
except OSError:
    print("after", gc.threshold())
"""


def test_no_collection_by_threshold_inside_an_exchange_and_the_threshold_comes_back_whatever_happens():
    assert run_on_micropython(SCRIPT) == "during -1\nafter 4096\n"
