"""The port of all radios, and the value it gives.

    start()                 reset and set up; raises RadioError
    carry_out(exchange)     transmit, then listen in both windows: `Heard`, or None; sleeps afterwards
    transmit(exchange)      transmit only; gives the end of the transmission in ticks_us
    sleep()                 lowest power; every other call wakes it up
    random_u32()            32 bits of receiver noise

An exchange has `frame`, `freq_hz`, `sf`, `bw_hz`, `power_dbm` (EIRP), `airtime_us`, two windows `rx1` and `rx2`
(`delay_ms` after the end of the transmission, `freq_hz`, `sf`, `bw_hz`), `wants(frame)`, and `sense_first`: None, or
how quiet the channel has to be and how long (dBm, ms), else `ChannelBusy` is raised.
"""


class Heard:
    """A received frame: `frame` (a view, valid until the radio is used again), levels, and the `window` 1 or 2."""

    def __init__(self, frame, rssi_dbm, snr_db_x4, window):
        self.frame = frame
        self.rssi_dbm = rssi_dbm
        self.snr_db_x4 = snr_db_x4
        self.window = window
