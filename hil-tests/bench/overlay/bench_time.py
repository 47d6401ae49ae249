"""`time` and `select` in the virtual time of the bench."""

import select as real_select
import time as real_time

import bench_ops as ops

PERIOD = 1 << 30  # ports/esp32 and ports/rp2: MICROPY_PY_TIME_TICKS_PERIOD
HALF = PERIOD >> 1
EPOCH_2000_S = 946684800  # 2000-01-01 in Unix time


class Namespace:
    """Stands in sys.modules where a module is expected."""


def make_time(bus, epoch_2000, clock):
    """The module `time`; `clock` is a list holding the seconds between bench time and the board's clock."""
    module = Namespace()
    shift_s = EPOCH_2000_S if epoch_2000 else 0
    charge = bus.charge

    def ticks_us():
        charge(5)
        return (bus.now - bus.base) & (PERIOD - 1)

    def ticks_ms():
        charge(5)
        return (bus.now - bus.base) // 1000 & (PERIOD - 1)

    def ticks_diff(a, b):
        return (a - b + HALF & (PERIOD - 1)) - HALF

    def ticks_add(a, delta):
        if not -HALF < delta < HALF:
            raise OverflowError("ticks interval overflow")
        return a + delta & (PERIOD - 1)

    def sleep_us(us):
        if us > 0:
            bus.sleep_until(bus.now + int(us))

    def sleep_ms(ms):
        if ms > 0:
            bus.sleep_until(bus.now + int(ms) * 1000)
        else:
            charge(5)

    def sleep(seconds):
        if seconds < 0:
            raise ValueError("sleep length must be non-negative")
        bus.sleep_until(bus.now + int(seconds * 1000000))

    def time():
        charge(5)
        return bus.now // 1000000 + clock[0] - shift_s

    def time_ns():
        charge(5)
        return (bus.now + (clock[0] - shift_s) * 1000000) * 1000

    def gmtime(seconds=None):
        return real_time.gmtime((time() if seconds is None else int(seconds)) + shift_s)

    def mktime(moment):
        # The unix port's mktime knows the host's zone; boards have none.
        return days(moment[0], moment[1], moment[2]) * 86400 + moment[3] * 3600 + moment[4] * 60 + moment[5] - shift_s

    module.ticks_us = ticks_us
    module.ticks_cpu = ticks_us
    module.ticks_ms = ticks_ms
    module.ticks_diff = ticks_diff
    module.ticks_add = ticks_add
    module.sleep_us = sleep_us
    module.sleep_ms = sleep_ms
    module.sleep = sleep
    module.time = time
    module.time_ns = time_ns
    module.gmtime = gmtime
    module.localtime = gmtime
    module.mktime = mktime
    module.__name__ = "time"
    return module


def days(year, month, day):
    """Days from 1970-01-01 to a date of the Gregorian calendar."""
    if month < 3:
        year -= 1
        month += 12
    return 365 * year + year // 4 - year // 100 + year // 400 + (153 * month - 457) // 5 + day - 719469


def make_select(bus):
    """The module `select`: waiting lets virtual time pass instead of real time."""
    module = Namespace()

    class poll:
        def __init__(self):
            self._real = real_select.poll()
            self.register = self._real.register
            self.unregister = self._real.unregister
            self.modify = self._real.modify

        def ipoll(self, timeout=-1, flags=0):
            return iter(self.poll(timeout, flags))

        def poll(self, timeout=-1, flags=0):
            until = ops.FOREVER_US if timeout < 0 else bus.now + timeout * 1000
            while True:
                ready = self._real.poll(0)
                if ready or bus.now >= until:
                    return ready
                bus.sleep_until(until, ops.WAKE_CONSOLE | ops.WAKE_UART)

    for name in ("POLLIN", "POLLOUT", "POLLERR", "POLLHUP"):
        setattr(module, name, getattr(real_select, name))
    module.poll = poll
    module.__name__ = "select"
    return module
