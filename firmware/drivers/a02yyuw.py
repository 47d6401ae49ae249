"""A02YYUW (DFRobot SEN0311), ultrasonic distance over UART; also other DYP parts with the same frame.

9600 8N1, free running. Frame: FF, high byte, low byte, sum; value in mm; sum = low byte of FF + high + low
(DFRobot SEN0311 page). With RX open or high the part filters and sends every 100 to 300 ms.

Traps, each of them met in the field:

* FF also occurs as payload: after a bad sum go on by one byte, not by four.
* The receive buffer is full of old frames after sleep: drop them, use the newest (esphome/issues 5763).
* No object is 0 or a stale value; newer firmware says FFFD = no object, FFFE = interference (DFRobot SEN0754 page).
* A reading below the blanking distance means full or lens covered. It is not the same as nothing seen.
"""

from firmware.drivers import faults

try:
    from micropython import const
except ImportError:

    def const(value):
        """CPython: a constant is its value."""
        return value


BLANKING_MM = 30
"""Nothing nearer can be measured (SEN0311 page: range 30..4500 mm)."""
MAX_MM = 4500

FRAME_BYTES = 4
_START = const(0xFF)
_INTERFERENCE = const(0xFFFE)

_PINGS = const(7)
"""Echoes of one reading; their median is taken (profile N1)."""
_MIN_VALID = const(3)
"""With fewer good echoes than this there is no reading."""
_POWER_UP_MS = const(1000)
"""First good frame after switching on: 0.5 to 1 s (unverified)."""
_PING_MS = const(300)
"""Longest time between two frames with RX open."""
_POLL_MS = const(100)
"""Shortest time between two frames, so looking more often finds nothing new."""
_SPREAD_PERCENT = const(10)
"""A reading whose echoes differ more than this is doubtful (profile N1)."""


def distance(raw):
    """The value of a good frame as mm, or the fault word for what it means."""
    if raw == _INTERFERENCE:
        return faults.INTERFERENCE
    if raw == 0 or raw > MAX_MM:  # FFFD, the newer word for no object, is beyond too
        return faults.NO_TARGET
    if raw < BLANKING_MM:
        return faults.BELOW_BLANKING
    return raw


def frames(data):
    """All readings in `data` in their order: mm or fault words; CHECKSUM for each place where a frame did not fit.

    Bytes that cannot begin a frame are passed over silently: the receiver may have joined in the middle.
    """
    readings = []
    at = 0
    end = len(data)
    while end - at >= FRAME_BYTES:
        if data[at] != _START:
            at += 1
            continue
        high, low = data[at + 1], data[at + 2]
        if (_START + high + low) & 0xFF == data[at + 3]:
            readings.append(distance(high << 8 | low))
            at += FRAME_BYTES
        else:
            readings.append(faults.CHECKSUM)
            at += 1
    return readings


def median(values):
    """The middle of sorted `values`; of an even count the mean of the middle two, rounded half up."""
    values.sort()
    half = len(values) // 2
    if len(values) % 2:
        return values[half]
    return (values[half - 1] + values[half] + 1) // 2


class A02YYUW:
    """One sensor on `uart` (an object with `machine.UART`'s `any` and `read`), timed by `clock`.

    After `read()`, `valid` is the number of good echoes and `doubtful` tells whether they spread too widely.
    """

    def __init__(self, uart, clock):
        self._uart = uart
        self._clock = clock
        self._since = 0
        self._limit_ms = 0
        self.valid = 0
        self.doubtful = False

    def start(self):
        """Begin a reading: drop what is old and wait for the next echoes."""
        self._uart.read()
        self._since = self._clock.ticks_ms()
        self._limit_ms = _POWER_UP_MS + _PINGS * _PING_MS

    def ready_in_ms(self):
        """0 when `read()` has something to say; else when to ask again."""
        passed = self._clock.ticks_diff(self._clock.ticks_ms(), self._since)
        left = self._limit_ms - passed
        if left <= 0 or self._uart.any() >= (_PINGS + 1) * FRAME_BYTES:  # one more: the first may be cut
            return 0
        return min(left, _POLL_MS)

    def read(self):
        """Median distance of the newest echoes in mm, or a fault word."""
        data = self._uart.read()
        self.valid = 0
        self.doubtful = False
        if not data:
            return faults.NO_RESPONSE
        readings = frames(data)
        good = [reading for reading in readings if not faults.is_fault(reading)][-_PINGS:]
        self.valid = len(good)
        if len(good) < _MIN_VALID:
            return self._why(readings)
        middle = median(good)
        self.doubtful = (good[-1] - good[0]) * 100 > _SPREAD_PERCENT * middle
        return middle

    def _why(self, readings):
        """The fault that explains best why there is no reading: the most frequent of the newest, sum errors last."""
        told = [reading for reading in readings if faults.is_fault(reading) and reading != faults.CHECKSUM][-_PINGS:]
        if told:
            return max(told, key=told.count)
        return faults.CHECKSUM if faults.CHECKSUM in readings else faults.NO_DATA
