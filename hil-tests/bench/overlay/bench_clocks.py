"""`machine.Timer`, `RTC` and `WDT` of a virtual board, in bench time.

Names and constants follow ports/esp32 and ports/rp2 of MicroPython 1.29; what differs is in `bench_port_*`.
"""

import struct

import bench_ops as ops


def make_timer(bus):
    """The class `Timer`; id -1 gives any number of virtual timers."""
    running = {}

    class Timer:
        ONE_SHOT = 0
        PERIODIC = 1

        def __init__(self, id=-1, **options):
            self._slot = None
            self._id = id
            if options:
                self.init(**options)

        def init(self, *, mode=1, period=-1, freq=-1, callback=None, hard=False):
            self.deinit()
            slot = self._id
            if slot < 0:
                slot = 16
                while slot in running:
                    slot += 1
            self._slot = slot
            running[slot] = (self, callback, mode)
            period_us = int(1000000 // freq) if freq != -1 else period * 1000
            bus.post(ops.TIMER, slot, mode, struct.pack("<q", period_us))

        def deinit(self):
            if self._slot is not None:
                bus.post(ops.TIMER, self._slot, 0, struct.pack("<q", 0))
                running.pop(self._slot, None)
                self._slot = None

    def interrupt(slot, value):
        if slot in running:
            timer, callback, mode = running[slot]
            if mode == Timer.ONE_SHOT:
                del running[slot]
                timer._slot = None
            if callback:
                callback(timer)

    bus.handlers[ops.IRQ_TIMER] = interrupt
    return Timer


def make_clocks(bus, port, clock):
    """The classes `RTC` and `WDT`; `clock` is a list holding the offset of the board's clock in seconds."""
    import time  # the bench's, installed just before

    class RTC:
        def __init__(self, id=0):
            pass

        def datetime(self, moment=None):
            if moment is None:
                now = time.gmtime()
                sub = bus.now % 1000000 // (1 if port.RTC_MICROSECONDS else 1000000)
                return (now[0], now[1], now[2], now[6], now[3], now[4], now[5], sub)
            year, month, day, _, hour, minute, second, _ = moment
            clock[0] += time.mktime((year, month, day, hour, minute, second, 0, 0)) - time.time()
            bus.post(ops.RTC_OFFSET, 0, 0, struct.pack("<q", clock[0]))

        def init(self, moment):
            self.datetime(moment)

    if port.RTC_MEMORY:

        def memory(self, data=None):
            if data is None:
                return bus.call(ops.RTC_MEMORY_GET)[2]
            data = data.encode() if isinstance(data, str) else bytes(data)
            if len(data) > 2048:  # ports/esp32: MICROPY_HW_RTC_USER_MEM_MAX
                raise ValueError("buffer too long")
            bus.post(ops.RTC_MEMORY_SET, 0, 0, data)

        RTC.memory = memory

    class WDT:
        def __init__(self, id=0, timeout=5000):
            if timeout < 1 or timeout > port.WDT_MAX_MS:
                raise ValueError("WDT timeout out of range")
            bus.post(ops.WDT, 0, timeout)

        def feed(self):
            bus.mention(ops.WDT_FEED)  # it only puts the end off

    return RTC, WDT
