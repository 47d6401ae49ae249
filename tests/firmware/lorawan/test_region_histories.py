"""Random orders of a network, good and bad ones, in every region: no transmission leaves what the network has set."""

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.lorawan.airtime import airtime_us
from firmware.lorawan.errors import LorawanError, PayloadTooLong, Wait
from firmware.lorawan.regions import as923_1, as923_2, as923_3, as923_4, au915, eu868, in865, kr920, us915
from tests.firmware.lorawan.net import Device, names

REGIONS = (eu868, in865, kr920, us915, au915, as923_1, as923_2, as923_3, as923_4)
DWELL_REGIONS = (au915, as923_1, as923_2, as923_3, as923_4)
EIRP_DBM = (8, 10, 12, 13, 14, 16, 18, 20, 21, 24, 26, 27, 29, 30, 33, 36)

requests = st.lists(
    st.tuples(
        st.integers(0, 15),
        st.integers(0, 15),
        st.sampled_from((0, 1, 3, 7, 0x00FF, 0xFF00, 0xFFFF)) | st.integers(0, 0xFFFF),
        st.integers(0, 7),
        st.integers(0, 15),
    ),
    min_size=1,
    max_size=3,
)
steps = st.one_of(
    st.tuples(st.just("adr"), requests),
    st.tuples(st.just("tx_params"), st.integers(0, 0x3F)),
    st.tuples(st.just("channel"), st.integers(0, 17), st.integers(-3, 40), st.integers(0, 255)),
    st.tuples(st.just("send"), st.integers(0, 242)),
    st.tuples(st.just("silence"), st.integers(1, 200)),
    st.tuples(st.just("reset")),
)


class Network:
    """What a network knows to be set, in its own words: sets of channels, and plain rules of RP002-1.0.4."""

    def __init__(self, region):
        self.region = region
        self.fixed = region in (us915, au915)
        self.rates = 5 if region is us915 else 7 if region is au915 else len(region.SPREADING_FACTORS)
        if self.fixed:
            self.channels = {
                n: (region.FIRST_NARROW_HZ + 200_000 * n, 0, region.WIDE_DR - 1)
                if n < 64
                else (region.FIRST_WIDE_HZ + 1_600_000 * (n - 64), region.WIDE_DR, region.WIDE_DR)
                for n in range(72)
            }
        else:
            self.channels = {n: (hz, 0, 5) for n, hz in enumerate(region.DEFAULT_CHANNELS_HZ)}
        self.enabled = set(self.channels)
        self.dwell = region in DWELL_REGIONS
        self.eirp_dbm = region.MAX_EIRP_DBM

    def after(self, enabled, control, mask):
        """The enabled channels after one LinkADRReq; None when it cannot be carried out."""
        bits = {n for n in range(16) if mask >> n & 1}
        low = {n for n in bits if n < 8}
        if not self.fixed:
            if control == 6:
                return set(self.channels)
            return bits if control == 0 and bits <= set(self.channels) else None
        narrow = {n for n in enabled if n < 64}
        if control < 4:
            return {n for n in enabled if n // 16 != control} | {16 * control + n for n in bits}
        if control == 5:
            narrow = {8 * octet + n for octet in low for n in range(8)}
        elif control > 5:
            narrow = set(range(64)) if control == 6 else set()
        return narrow | {64 + n for n in low}

    def judge(self, block):
        """The status that a block of LinkADRReq deserves, and the enabled channels after it."""
        enabled = self.enabled
        for _, _, mask, control, _ in block:
            enabled = None if enabled is None else self.after(enabled, control, mask)
        return enabled

    def carries(self, enabled, rate):
        """The channels of `enabled` for a data rate."""
        if self.dwell and rate < 2:
            return set()
        return {n for n in enabled if n in self.channels and self.channels[n][1] <= rate <= self.channels[n][2]}

    def usable(self, enabled, rate):
        fit = self.carries(enabled, rate)
        return len(fit) >= (2 if self.region is us915 and rate < 4 else 1)


class Life:
    """A device with its network, which follows what the device answers and nothing else."""

    def __init__(self, region, seed):
        self.device = Device(region=region, seed=seed)
        self.device.join(dl_settings=region.RX2_DR)
        self.known = Network(region)
        self.unanswered = 0

    @property
    def rate(self):
        return self.device.mac.state(self.device.now_ms)["data_rate"]

    def state(self):
        link = self.device.mac._link  # the mask is nobody's business but the network's
        return (link.plan.pack_mask(), bytes(link.plan.pack()), link.data_rate, link.power, link.nb_trans)

    def uplink(self, size=0, fopts=None):
        """One uplink, judged; then `fopts` as the answer."""
        device = self.device
        device.now_ms += 4_000_000
        try:
            exchange = device.mac.send(1, bytes(size), device.now_ms)
        except PayloadTooLong:
            return None
        except Wait as wait:
            device.now_ms += wait.ms
            return None
        self.judge(exchange)
        self.before, self.rate_before = self.state(), self.rate  # sending may be a step of the ADR back-off
        found = device.network.hear(exchange)
        answer = None if fopts is None else device.network.downlink(fopts=fopts)
        device.finish(exchange, answer)
        device.mac.abandon(exchange)
        return found

    def judge(self, exchange):
        region, known = self.known.region, self.known
        rates = [
            rate
            for rate in range(known.rates)
            if (region.SPREADING_FACTORS[rate], 125_000 * region.BANDWIDTHS[rate]) == (exchange.sf, exchange.bw_hz)
        ]
        allowed = {known.channels[n][0] for rate in rates for n in known.carries(known.enabled, rate)}
        assert exchange.freq_hz in allowed, "a channel that is not enabled for this rate"
        assert exchange.airtime_us == airtime_us(len(exchange.frame), exchange.sf, exchange.bw_hz)
        if known.dwell or region is us915:
            assert exchange.airtime_us <= 400_000
        assert exchange.power_dbm <= known.eirp_dbm
        if region is kr920:
            assert exchange.power_dbm <= (10 if exchange.freq_hz < 922_100_000 else 14)
        if region is us915 and exchange.bw_hz == 500_000:
            assert exchange.power_dbm <= 26

    def order(self, fopts):
        """Give an order with the answer to an uplink; whether there was one."""
        if self.uplink(fopts=fopts) is None:
            return False
        self.unanswered = 0
        return True

    def adr(self, block):
        wire = b"".join(
            bytes((0x03, rate << 4 | power, mask & 0xFF, mask >> 8, control << 4 | repeats))
            for rate, power, mask, control, repeats in block
        )
        enabled = self.known.judge(block)
        if not self.order(wire):
            return
        rate, power = block[-1][0], block[-1][1]
        rate = self.rate_before if rate == 15 else rate
        channels_good = bool(enabled)
        rate_good = rate < self.known.rates and self.known.usable(enabled or self.known.enabled, rate)
        power_good = power == 15 or power <= self.known.region.TX_POWER_LOWEST
        good = channels_good and rate_good and power_good
        answers = bytes(self.device.mac._link.answers)
        assert answers == bytes((3, channels_good | rate_good << 1 | power_good << 2)) * len(block)
        if good:
            self.known.enabled = enabled
            assert self.rate == rate
        else:
            assert self.state() == self.before, "an invalid LinkADRReq changed something"

    def tx_params(self, params):
        if not self.order(bytes((0x09, params))):
            return
        if self.known.region not in DWELL_REGIONS:
            assert self.state() == self.before
            return
        self.known.dwell = bool(params & 0x10)
        self.known.eirp_dbm = EIRP_DBM[params & 15]
        if not self.known.usable(self.known.enabled, self.rate):  # the device helps itself: its first channels
            first = 72 if self.known.fixed else len(self.known.region.DEFAULT_CHANNELS_HZ)
            self.known.enabled |= set(range(first))
        assert self.known.carries(self.known.enabled, self.rate), "no channel carries the data rate"

    def channel(self, number, step, rates):
        known = self.known
        base_hz = 923_300_000 if known.fixed else known.region.DEFAULT_CHANNELS_HZ[0]
        freq_hz = 0 if step < -1 else base_hz + 200_000 * step
        if not self.order(bytes((0x07, number)) + (freq_hz // 100).to_bytes(3, "little") + bytes((rates,))):
            return
        answers = bytes(self.device.mac._link.answers)
        if known.fixed:
            assert answers == b""
            assert self.state() == self.before
        elif answers == b"\x07\x03":
            if freq_hz:
                assert any(low <= freq_hz < high for low, high, _ in known.region.BANDS)
                known.channels[number] = (freq_hz, rates & 15, rates >> 4)
                known.enabled.add(number)
            else:
                known.channels.pop(number, None)
                known.enabled.discard(number)
                if not known.enabled:
                    known.enabled = set(range(len(known.region.DEFAULT_CHANNELS_HZ)))
        else:
            assert self.state() == self.before

    def send(self, size):
        if self.uplink(size) is not None:
            self.silent(1)

    def silence(self, number):
        for _ in range(number):
            if self.uplink() is not None:
                self.silent(1)

    def silent(self, number):
        """The network knows when a device gives its settings up: from ADRACKCnt 64 + 32 on it may use all channels."""
        self.unanswered += number
        if self.unanswered >= 96:
            defaults = range(72) if self.known.fixed else range(len(self.known.region.DEFAULT_CHANNELS_HZ))
            self.known.enabled |= set(defaults)

    def reset(self):
        self.device.boot()


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(REGIONS), st.integers(1, 1000), st.lists(steps, min_size=1, max_size=12))
def test_no_history_makes_a_device_transmit_outside_of_what_its_network_has_set(region, seed, history):
    life = Life(region, seed)
    for name, *arguments in history:
        try:
            getattr(life, name)(*arguments)
        except LorawanError as error:
            raise AssertionError(f"{region.NAME} {names([error])}: {error}") from error


@settings(max_examples=40, deadline=None)
@given(st.sampled_from(REGIONS), st.integers(1, 1000), st.integers(1, 40))
def test_no_series_of_joins_leaves_the_channels_and_rates_of_the_region(region, seed, tries):
    device = Device(region=region, seed=seed)
    known = Network(region)
    for _ in range(tries):
        device.now_ms += 90_000_000
        exchange = device.mac.join(device.now_ms)
        rates = [
            rate
            for rate in region.JOIN_DRS
            if (region.SPREADING_FACTORS[rate], 125_000 * region.BANDWIDTHS[rate]) == (exchange.sf, exchange.bw_hz)
        ]
        assert exchange.freq_hz in {known.channels[n][0] for rate in rates for n in known.carries(known.enabled, rate)}
        assert exchange.power_dbm <= region.MAX_EIRP_DBM
        if region in DWELL_REGIONS or region is us915:
            assert exchange.airtime_us <= 400_000
        device.finish(exchange)
