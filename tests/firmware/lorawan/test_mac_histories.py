"""Random lives of a device: losses, replays, forgeries, resets, power cuts, MAC commands, long silences."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st

from firmware.lorawan.errors import PayloadTooLong, StateCorrupt, Wait
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Device, Network, names
from tests.firmware.lorawan.test_power_cuts import FailingStore, PowerCut

COMMANDS = [
    b"",
    b"\x06",
    bytes.fromhex("0352070002"),
    bytes.fromhex("0312070003"),
    bytes.fromhex("0703184f8450"),
    bytes.fromhex("0523d2ad84"),
    bytes.fromhex("0802"),
    bytes.fromhex("0a00184f84"),
    bytes.fromhex("0402"),
    b"\x0d\x00\x00\x00\x00\x00\xff\x03",
]

steps = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 60), st.booleans(), st.sampled_from(["none", "new", "replay", "forged"])),
    st.tuples(st.just("command"), st.sampled_from(COMMANDS)),
    st.tuples(st.just("rejoin"), st.booleans()),
    st.tuples(st.just("reset")),
    st.tuples(st.just("cut"), st.integers(0, 4), st.sampled_from(["before", "after"])),
    st.tuples(st.just("wait"), st.integers(0, 4_000_000)),
)


class Life:
    """Carries out the steps and keeps watch over what must never happen."""

    def __init__(self):
        self.network = Network()
        self.records = MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY).records
        self.device = Device(self.network, MemoryStore(self.records))
        self.accepted = Counter()
        self.sent = []  # (end in ms, band, airtime in us)
        self.old_downlinks = []

    def transmit(self, exchange, answer=None):
        """The exchange and its repetitions."""
        while exchange is not None:
            end_ms = self.device.now_ms + exchange.airtime_us // 1000
            self.sent.append((end_ms, self.band(exchange.freq_hz), exchange.airtime_us))
            events = self.device.finish(exchange, answer)
            exchange = None
            for event in events:
                if names([event]) == ["Repeat"]:
                    exchange = event.exchange
                    self.device.now_ms = max(self.device.now_ms, event.not_before_ms)
                elif names([event]) == ["Downlink"]:
                    key = (self.network.sessions, event.fcnt)
                    self.accepted[key] += 1
                    assert self.accepted[key] == 1, "a downlink was taken twice"

    @staticmethod
    def band(freq_hz):
        (band,) = [n for n, (low, high, _) in enumerate(eu868.BANDS) if low <= freq_hz < high]
        return band

    def join(self, accepted=True):
        try:
            exchange = self.device.mac.join(self.device.now_ms)
        except Wait as wait:
            self.device.now_ms += wait.ms
            return
        self.network.hear(exchange)
        self.transmit(exchange, self.network.accept(exchange.frame) if accepted else None)
        if accepted:
            self.old_downlinks = []

    def send(self, size, confirmed, answer):
        if not self.device.mac.joined:
            self.join()
            return
        try:
            exchange = self.device.mac.send(1, bytes(size), self.device.now_ms, confirmed)
        except Wait as wait:
            self.device.now_ms += wait.ms
            return
        except PayloadTooLong:
            assert size > self.device.mac.room(self.device.now_ms)
            return
        self.network.hear(exchange)
        frame = None
        if answer == "new":
            frame = self.network.downlink(7, b"hi", ack=confirmed)
            self.old_downlinks.append(frame)
        elif answer == "replay" and self.old_downlinks:
            frame = self.old_downlinks[len(self.old_downlinks) // 2]
        elif answer == "forged":
            forged = bytearray(self.network.downlink(7, b"hi", fcnt=self.network.fcnt_down + 3))
            forged[-1] ^= 0x01
            frame = bytes(forged)
        before = sum(self.accepted.values())
        self.transmit(exchange, frame)
        if answer == "forged":  # a replay is judged by its counter: one lost to a power cut may come again
            assert sum(self.accepted.values()) == before

    def command(self, fopts):
        if self.device.mac.joined:
            try:
                exchange = self.device.mac.send_answers(self.device.now_ms)
            except Wait as wait:
                self.device.now_ms += wait.ms
                return
            self.network.hear(exchange)
            self.transmit(exchange, self.network.downlink(fopts=fopts))

    def rejoin(self, accepted):
        # An accept that the device cannot store ends in one of two sessions; the network here knows only the last.
        self.join(accepted)

    def reset(self):
        self.device.boot()

    def cut(self, write, how):
        """The power fails at one of the next writes while the device sends."""
        if not self.device.mac.joined:
            return
        self.device.store = FailingStore(self.records, write, how)
        try:
            self.device.boot()
            for _ in range(3):
                self.send(5, False, "new")
        except PowerCut:
            pass
        self.device.store = MemoryStore(self.records)
        self.device.boot()

    def wait(self, ms):
        self.device.now_ms += ms

    def judge_airtime(self):
        for end_ms, band, _ in self.sent:
            spent = sum(us for ms, other, us in self.sent if other == band and end_ms <= ms < end_ms + 3_600_000)
            assert spent <= 1000 * eu868.BANDS[band][2]


@settings(max_examples=250, deadline=None)
@given(st.lists(steps, min_size=5, max_size=60))
def test_no_history_repeats_a_nonce_or_counter_takes_a_replay_or_overspends_a_band(history):
    life = Life()
    for name, *arguments in history:
        getattr(life, name)(*arguments)
    life.judge_airtime()


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["nonce", "hot", "cold", "identity"]), st.integers(0), st.integers(1, 255))
def test_no_damage_of_a_record_goes_unnoticed(name, at, change):
    life = Life()
    life.join()
    life.send(5, False, "new")
    framed = bytearray(life.records[name])
    framed[at % len(framed)] ^= change
    life.records[name] = bytes(framed)

    try:
        life.reset()
    except StateCorrupt:
        return
    raise AssertionError("damage was not noticed")


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=60), st.booleans())
def test_no_bytes_upset_a_device(frame, joining):
    life = Life()
    if not joining:
        life.join()
        life.device.now_ms += 60_000
    device = life.device
    exchange = device.mac.join(device.now_ms) if joining else device.mac.send(1, b"x", device.now_ms)

    assert not exchange.wants(frame)
    events = device.finish(exchange, frame)

    assert names(events) == (["JoinFailed"] if joining else [])


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200))
def test_no_mac_commands_upset_a_device(commands):
    life = Life()
    life.join()
    device = life.device
    device.uplink(answer=lambda: life.network.downlink(0, commands) if commands else None)

    device.boot()
    device.uplink(pause_ms=4_000_000)
    assert device.mac.room(device.now_ms) > 0
