"""Where and when a frame goes out: the channel, the airtime in the books, and the windows that follow it."""

from .airtime import airtime_us
from .errors import DutyCycleWait, LorawanError
from .exchange import BW_UNIT_HZ

try:
    from micropython import const
except ImportError:
    const = int  # CPython: a constant is just its value

JOIN_ACCEPT_DELAY1_MS = 5_000  # RP002-1.0.4 section 2.3, as the following
RX2_AFTER_RX1_MS = 1_000
_LATENCY_MS = const(1_000)  # at most, between asking for an exchange and its transmission


class Outgoing:
    """Fills the exchange of a `Mac`. `channel` and `data_rate` are those of the last transmission."""

    def __init__(self, link, duty, records, random_u32, exchange):
        self._link = link
        self._duty = duty
        self._records = records
        self._random_u32 = random_u32
        self._exchange = exchange
        self._region = link.region
        self._channel = 0
        self._joining = False
        self.data_rate = 0

    def airtime_us(self, length, data_rate):
        """Time on air of an uplink of `length` bytes."""
        region = self._region
        return airtime_us(length, region.SPREADING_FACTORS[data_rate], BW_UNIT_HZ * region.BANDWIDTHS[data_rate])

    def wait_ms(self, length, data_rate, now_ms):
        """How long until an uplink of `length` bytes may go out; None when waiting does not help."""
        plan = self._link.plan
        plan.ready(data_rate, False, self._duty, self.airtime_us(length, data_rate), now_ms)
        return plan.wait_ms

    def choose(self, data_rate, airtime, now_ms, joining=False):
        """A channel for a transmission now; raises `DutyCycleWait`, or `LorawanError` when waiting does not help."""
        self._joining = joining
        channel = self._pick(data_rate, airtime, now_ms)
        if channel is None:
            if self._link.plan.wait_ms is None:
                raise LorawanError("no channel for DR%d" % data_rate)
            raise DutyCycleWait(self._link.plan.wait_ms)
        return channel

    def send(self, channel, data_rate, airtime, eirp_dbm, now_ms, begin_ms):
        """Book a transmission that begins at `begin_ms`, store that, and describe it and its windows."""
        freq_hz = self._link.plan.frequency_hz(channel)
        self._records.cover(freq_hz, airtime, now_ms)
        self._duty.charge(freq_hz, airtime, begin_ms + (airtime // 1000 + _LATENCY_MS), self._link.max_duty)
        exchange = self._exchange
        self._channel = channel
        self.data_rate = data_rate
        exchange.freq_hz = freq_hz
        exchange.sf = self._region.SPREADING_FACTORS[data_rate]
        exchange.bw_hz = BW_UNIT_HZ * self._region.BANDWIDTHS[data_rate]
        exchange.power_dbm = eirp_dbm
        exchange.airtime_us = airtime
        self._link.plan.limit(exchange)
        self._open_windows()

    def _open_windows(self):
        """The windows after the uplink; after a Join-Request the regional ones, whatever a former session had."""
        region, link, exchange = self._region, self._link, self._exchange
        rx1_ms = JOIN_ACCEPT_DELAY1_MS
        rx1_dr = self.data_rate * region.RX1_OFFSETS
        rx2_dr, rx2_hz = region.RX2_DR, region.RX2_HZ
        if not self._joining:
            rx1_ms = 1000 * link.rx_delay_s
            rx1_dr += link.rx1_dr_offset
            rx2_dr, rx2_hz = link.rx2_dr, link.rx2_hz
        rx1_hz = link.plan.rx1_hz(self._channel, self._joining)
        exchange.rx1.set(rx1_ms, rx1_hz, region, max(region.RX1_DR[rx1_dr], link.plan.lowest_rx1_dr))
        exchange.rx2.set(rx1_ms + RX2_AFTER_RX1_MS, rx2_hz, region, rx2_dr)

    def age_ms(self, length, number):
        """How long ago the uplink ended, when a downlink of `length` bytes in window `number` is complete."""
        window = self._exchange.rx2 if number == 2 else self._exchange.rx1
        return window.delay_ms + airtime_us(length, window.sf, window.bw_hz, crc=False) // 1000

    def repeat(self, now_ms, earliest_ms):
        """Put the same frame on another channel; gives when it may go out, or None when that is never."""
        exchange = self._exchange
        airtime = exchange.airtime_us
        channel = self._pick(self.data_rate, airtime, earliest_ms)
        if channel is None:
            if self._link.plan.wait_ms is None:
                return None
            earliest_ms += self._link.plan.wait_ms
            channel = self._pick(self.data_rate, airtime, earliest_ms)
            if channel is None:
                return None
        self.send(channel, self.data_rate, airtime, exchange.power_dbm, now_ms, earliest_ms)
        return earliest_ms

    def _pick(self, data_rate, airtime, now_ms):
        return self._link.plan.choose(data_rate, self._joining, self._duty, airtime, now_ms, self._random_u32)
