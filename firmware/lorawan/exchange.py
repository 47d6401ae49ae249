"""One transmission and its two receive windows, computed together and carried as one value."""

BW_UNIT_HZ = 125_000  # regions give bandwidths in this unit


class Window:
    """A receive window: opens `delay_ms` after the end of the uplink, on `freq_hz` with `sf` and `bw_hz`."""

    def __init__(self):
        self.delay_ms = 0
        self.freq_hz = 0
        self.sf = 0
        self.bw_hz = 0

    def set(self, delay_ms, freq_hz, region, data_rate):
        """Tune the window to a data rate of `region`."""
        self.delay_ms = delay_ms
        self.freq_hz = freq_hz
        self.sf = region.SPREADING_FACTORS[data_rate]
        self.bw_hz = BW_UNIT_HZ * region.BANDWIDTHS[data_rate]


class Exchange:
    """What the radio has to do for one uplink.

    `frame`: PHYPayload (a view, valid until the exchange is concluded); `freq_hz`, `sf`, `bw_hz`; `power_dbm`: EIRP;
    `airtime_us`; `rx1`, `rx2`: `Window`; `rxc`: where a class C node listens in the pauses, or None. The stack owns one
    such object and fills it anew for each uplink.

    `sense_first`: None, or (dBm, ms): transmit only if the channel stayed below that for so long; otherwise nothing is
    sent, and the MAC is told by `not_sent`.
    """

    sense_first = None

    def __init__(self, wants):
        self.frame = None
        self.freq_hz = 0
        self.sf = 0
        self.bw_hz = 0
        self.power_dbm = 0
        self.airtime_us = 0
        self.rx1 = Window()
        self.rx2 = Window()
        self.rxc = None
        self._wants = wants

    def wants(self, frame):
        """Whether `frame`, heard in RX1, is a genuine answer to us, so that RX2 stays closed. Changes nothing."""
        return self._wants(frame)
