"""MicroPython's `time` and `machine` objects on the host, over the ports of chip models and virtual time.

With these, device code runs on CPython against the same models that a virtual board meets, without a
board between: `SHT4x(HostI2C(schedule, [model]), 0x44, clock)`. Names, argument order and return values
follow MicroPython's `machine` and `time` modules; every transfer costs the time that it takes on a real
wire, and that time passes on the `Schedule`, so models go on living while the bus is busy.
"""

from bench.wires.buses import HostI2C, HostSPI, HostUART
from bench.wires.clock import TICK_CALL_US, TICKS_PERIOD, HostTime
from bench.wires.onewire import HostDS18X20, HostOneWire, OneWireError
from bench.wires.pins import HostADC, HostPin

__all__ = [
    "TICKS_PERIOD",
    "TICK_CALL_US",
    "HostADC",
    "HostDS18X20",
    "HostI2C",
    "HostOneWire",
    "HostPin",
    "HostSPI",
    "HostTime",
    "HostUART",
    "OneWireError",
]
