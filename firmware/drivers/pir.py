"""PIR motion sensors (AM312, RAK12006, HC-SR501): presence events counted by interrupt.

One event is one active phase; phases nearer than `merge_gap_ms` are one. A PIR counts presences, not people, and
after its hold and dead time cannot count faster than about 0.2 Hz. After power-up it fires on its own for up to a
minute, so edges within `warmup_ms` are ignored.

The interrupt handler allocates nothing and only it writes the counters; `take()` reads and compares. An edge that
comes while another is being handled shows in the level that the handler reads.
"""

from firmware.drivers import faults

AM312_WARMUP_MS = 60_000
"""10 to 60 s (unverified): the longest is waited."""
MERGE_GAP_MS = 1_000
DEBOUNCE_MS = 20
"""Shorter changes are bouncing or radio bursts; 20 to 50 ms is usual."""

_COUNT_MASK = 0x0FFFFFFF
"""Counters wrap as small ints."""


class Presence:
    """Pure counting: edges in, events and occupied time out. Times are `ticks_ms` values of `clock`."""

    def __init__(self, clock, merge_gap_ms=MERGE_GAP_MS, debounce_ms=DEBOUNCE_MS):
        self._diff = clock.ticks_diff
        self._bridge_ms = max(merge_gap_ms, debounce_ms)
        self._debounce_ms = debounce_ms
        self._active = False
        self._counted = False  # the present phase is an event already
        self._open = False  # a phase is running, or over so recently that the next may join it
        self._start = 0
        self._end = 0
        self._events = 0
        self._occupied_ms = 0  # of closed phases
        self._taken_events = 0
        self._taken_ms = 0
        self.generation = 0
        """Rises with every edge: lets a reader notice that it was interrupted."""

    def edge(self, ticks, active):
        """The sensor became `active` (or not) at `ticks`. Called by the interrupt handler."""
        self.generation = (self.generation + 1) & _COUNT_MASK
        if active == self._active:
            return
        self._active = active
        if active:
            if self._open and self._diff(ticks, self._end) < self._bridge_ms:
                return  # the same presence goes on
            self._close()
            self._open = True
            self._counted = False
            self._start = ticks
        else:
            self._end = ticks
            self._count(ticks)

    def _count(self, ticks):
        if self._open and not self._counted and self._diff(ticks, self._start) >= self._debounce_ms:
            self._counted = True
            self._events = (self._events + 1) & _COUNT_MASK

    def _close(self):
        if self._open and self._counted:
            self._occupied_ms = (self._occupied_ms + self._diff(self._end, self._start)) & _COUNT_MASK
        self._open = False

    def settle(self, ticks):
        """Bring the state up to `ticks`: count a phase that is long enough, close one that nothing can join any more.

        Call it with edges held off, or again when `generation` changed meanwhile. Needed at least every 6 days.
        """
        if self._active:
            self._count(ticks)
            if self._counted:
                self._occupied_ms = (self._occupied_ms + self._diff(ticks, self._start)) & _COUNT_MASK
                self._start = ticks
        elif self._open and self._diff(ticks, self._end) >= self._bridge_ms:
            self._close()

    def take(self):
        """(events, occupied ms) since the last call."""
        events = self._events
        occupied_ms = self._occupied_ms
        result = (events - self._taken_events) & _COUNT_MASK, (occupied_ms - self._taken_ms) & _COUNT_MASK
        self._taken_events = events
        self._taken_ms = occupied_ms
        return result


class PIR:
    """A sensor on `pin` (an object with `machine.Pin`'s `value` and `irq`), its output at level `active` on motion."""

    def __init__(self, pin, clock, active=1, warmup_ms=AM312_WARMUP_MS, presence=None):
        self._pin = pin
        self._clock = clock
        self._level = active
        self._warmup_ms = warmup_ms
        self._since = 0
        self._warm = False
        self._listening = False
        self._presence = presence if presence is not None else Presence(clock)

    def start(self):
        """Begin to count; later calls change nothing, counting never pauses."""
        if self._listening:
            return
        self._listening = True
        self._since = self._clock.ticks_ms()
        self._pin.irq(handler=self._edge, trigger=self._pin.IRQ_RISING | self._pin.IRQ_FALLING)

    def _edge(self, pin):
        ticks = self._clock.ticks_ms()
        if not self._warm:
            if self._clock.ticks_diff(ticks, self._since) < self._warmup_ms:
                return
            self._warm = True
        self._presence.edge(ticks, pin.value() == self._level)

    def ready_in_ms(self):
        """Always 0: a count exists at any time."""
        return 0

    def read(self):
        """Events since the last reading, or WARM_UP while the sensor cannot be trusted yet."""
        ticks = self._clock.ticks_ms()
        if not self._warm:
            if self._clock.ticks_diff(ticks, self._since) < self._warmup_ms:
                return faults.WARM_UP
            self._warm = True
        while True:
            before = self._presence.generation
            self._presence.settle(ticks)
            if self._presence.generation == before:
                break
            ticks = self._clock.ticks_ms()
        return self._presence.take()[0]
