"""Network time on a node: seconds since the GPS epoch (1980-01-06), as DeviceTimeAns and TS003 give it."""


class GpsClock:
    """Keeps GPS time over the node's milliseconds. Unknown until `set`."""

    def __init__(self):
        self._offset_ms = None  # GPS time less the node's

    @property
    def known(self):
        """Whether the time was ever set."""
        return self._offset_ms is not None

    def now_s(self, now_ms):
        """GPS seconds; while unknown, seconds since power-on, as TS003 has it for the first request."""
        return (now_ms + (self._offset_ms or 0)) // 1000

    def set(self, event, now_ms):
        """Take the event `NetworkTime`, concluded at `now_ms`."""
        gps_ms = 1000 * event.gps_s + event.fraction_256 * 1000 // 256 + event.age_ms
        self._offset_ms = gps_ms - now_ms

    def correct(self, seconds):
        """Move the clock by `seconds`, and believe it from now on."""
        self._offset_ms = (self._offset_ms or 0) + 1000 * seconds
