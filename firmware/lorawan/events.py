"""What `Mac.conclude` reports: plain values, one class for each thing that can happen."""


class Joined:
    """A Join-Accept was taken; the session is stored. `dev_addr`: the new DevAddr as it is printed."""

    def __init__(self, dev_addr):
        self.dev_addr = dev_addr


class JoinFailed:
    """No Join-Accept in either window. Call `join` again; it says when it may."""


class Downlink:
    """Application data for us.

    `port` 1..255; `data` bytes, decrypted; `confirmed`: the next uplink carries the acknowledgement by itself;
    `pending`: the network has more, send something soon; `fcnt` 32-bit counter; `rssi_dbm`, `snr_db_x4` as heard;
    `group`: number of the multicast group, None for a frame to this device alone.
    """

    def __init__(self, port, data, confirmed, pending, fcnt, rssi_dbm, snr_db_x4, group=None):
        self.port = port
        self.data = data
        self.confirmed = confirmed
        self.pending = pending
        self.fcnt = fcnt
        self.rssi_dbm = rssi_dbm
        self.snr_db_x4 = snr_db_x4
        self.group = group


class Pending:
    """A frame without application data said that the network has more: send something soon."""


class Acknowledged:
    """The confirmed uplink with counter `fcnt` arrived."""

    def __init__(self, fcnt):
        self.fcnt = fcnt


class NotAcknowledged:
    """The confirmed uplink with counter `fcnt` was sent as often as the network allows, without an answer."""

    def __init__(self, fcnt):
        self.fcnt = fcnt


class SettingsChanged:
    """MAC commands changed data rate, power, channels, windows or duty cycle; they are stored."""


class LinkCheck:
    """Answer to `request_link_check`: `margin_db` 0..254 above the demodulation floor, `gateways` that heard us."""

    def __init__(self, margin_db, gateways):
        self.margin_db = margin_db
        self.gateways = gateways


class NetworkTime:
    """Answer to `request_time`: GPS time at the end of the uplink that asked, in seconds and 1/256 s.

    `age_ms`: about how long ago that was when the answer was complete.
    """

    def __init__(self, gps_s, fraction_256, age_ms):
        self.gps_s = gps_s
        self.fraction_256 = fraction_256
        self.age_ms = age_ms


class Repeat:
    """The same frame goes out again: carry out `exchange` not before `not_before_ms` and conclude it.

    The stack stays busy until then; `Mac.abandon` gives the repetitions up.
    """

    def __init__(self, exchange, not_before_ms):
        self.exchange = exchange
        self.not_before_ms = not_before_ms
