"""Random lives of a device: losses, duplicates, replays, forgeries, resets, power cuts, damaged records, MAC commands,
long silences, and a clock that is wrong by up to 1 %."""

import copy
from collections import Counter
from contextlib import suppress

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from firmware.lorawan import crypto
from firmware.lorawan.activation import session_keys
from firmware.lorawan.crypto import Key
from firmware.lorawan.duty import DutyCycle
from firmware.lorawan.errors import PayloadTooLong, StateCorrupt, Wait
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868
from tests.firmware.lorawan.net import APP_KEY, DEV_EUI, JOIN_EUI, Device, Network, names
from tests.firmware.lorawan.test_power_cuts import FailingStore, PowerCut


class FastAes:
    """The interpreted AES, which the vectors judge, would take two thirds of the time of thousands of lives."""

    def __init__(self, key):
        self._block = Cipher(algorithms.AES(key), modes.ECB()).encryptor()

    def encrypt(self, source, target):
        target[:] = self._block.update(bytes(source))


@pytest.fixture(scope="module", autouse=True)
def fast_aes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(crypto, "block_cipher", FastAes)
        yield


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

HOUR_MS = 3_600_000
JOIN_BUDGETS_MS = ((1, 36_000), (11, 72_000))
"""Cumulated: up to so many hours since the first try, so much airtime. Then 8.7 s in each 24 h begun."""

FRESH = {"data_rate": eu868.DEFAULT_DR, "power": 0, "nb_trans": 1, "max_duty": 0}
"""What a session begins with when the power failed before its counters were stored."""

REMEMBERED = 16
"""JoinNonces of the last accepts, none of which is believed again (decision 0007)."""

answers = st.sampled_from(["none", "new", "twice", "replay", "forged", "other device"])
what = st.one_of(
    st.tuples(st.just("join"), st.just(b"")),
    st.tuples(st.just("send"), st.sampled_from(COMMANDS)),
)
steps = st.one_of(
    st.tuples(st.just("send"), st.integers(0, 60), st.booleans(), answers),
    st.tuples(st.just("command"), st.sampled_from(COMMANDS)),
    st.tuples(st.just("rejoin"), st.sampled_from(["accept", "none", "lost", "anew"])),
    st.tuples(st.just("rejoin"), st.sampled_from(["replay", "forged"]), st.integers(0, 100)),
    st.tuples(st.just("reset"), st.integers(0, 4_000_000)),
    st.tuples(st.just("cut"), what, st.integers(0, 5), st.sampled_from(["before", "after", "empty"])),
    st.tuples(st.just("damage"), st.sampled_from(["nonce", "hot", "cold", "identity"]), st.integers(0, 200)),
    st.tuples(st.just("wait"), st.integers(0, 4_000_000)),
    st.tuples(st.just("wait"), st.integers(0, 40 * HOUR_MS)),
)
joins = st.one_of(
    st.tuples(st.just("rejoin"), st.sampled_from(["accept", "lost", "anew"])),
    st.tuples(st.just("rejoin"), st.just("replay"), st.integers(0, 100)),
    st.tuples(st.just("reset"), st.just(0)),
    st.tuples(st.just("cut"), st.just(("join", b"")), st.integers(0, 5), st.just("before")),
)
histories = st.tuples(st.integers(-10_000, 10_000), st.booleans(), st.lists(steps, min_size=5, max_size=60))
"""By how many ppm the device's clock is fast, whether it wants JoinNonces to rise, and what happens."""


class Life:
    """Carries out the steps and keeps watch over what must never happen.

    The device lives by its own clock, which is wrong and begins anew with each reset; the law counts in true time.
    """

    def __init__(self, clock_error_ppm=0, strict=False):
        self.network = Network()
        self.records = MemoryStore.provisioned(DEV_EUI, JOIN_EUI, APP_KEY).records
        self.device = Device(self.network, MemoryStore(self.records))
        self.device.strict_join = strict
        self.device.boot()
        self.rate = 1_000_000 + clock_error_ppm
        self.since_ms = self.device.now_ms, 0  # its time and the true one at the last reset
        self.powered_ms = 0  # of earlier lives, in its time
        self.accepted = Counter()
        self.sent = []  # (true end in ms, band, airtime in us)
        self.joins = []  # (powered ms, airtime in ms) of the running series
        self.concluded = True
        self.old_downlinks = []
        self.accepts = []  # (JoinNonce, frame) of all that the network ever sent
        self.join_nonce = 0  # of the network's last accept
        self.taken = []  # JoinNonces that the device began a session with, the newest first
        self.numbered = 0  # sessions
        self.sessions = {}  # both session keys -> (number, nwk_skey, app_skey)

    def twin(self):
        """Another of the same past, whose future is its own."""
        other = Life()
        for name, value in vars(self).items():
            if name != "device":
                setattr(other, name, copy.deepcopy(value))
        other.device = Device(other.network, MemoryStore(other.records))
        other.device.strict_join = self.device.strict_join
        other.device.random.state = self.device.random.state
        other.device.now_ms = self.device.now_ms
        return other

    @property
    def true_ms(self):
        own, true = self.since_ms
        return true + (self.device.now_ms - own) * 1_000_000 // self.rate

    def transmit(self, exchange, answer=None):
        """The exchange and its repetitions."""
        while exchange is not None:
            self.sent.append(
                (self.true_ms + exchange.airtime_us // 1000, self.band(exchange.freq_hz), exchange.airtime_us)
            )
            events = self.device.finish(exchange, answer)
            exchange = None
            for event in events:
                if names([event]) == ["Repeat"]:
                    exchange = event.exchange
                    self.device.now_ms = max(self.device.now_ms, event.not_before_ms)
                    self.network.hear(exchange)
                elif names([event]) == ["Downlink"]:
                    key = (self.network.sessions, event.fcnt)
                    self.accepted[key] += 1
                    assert self.accepted[key] == 1, "a downlink was taken twice"
        return events

    @staticmethod
    def band(freq_hz):
        (band,) = [n for n, (low, high, *_) in enumerate(eu868.BANDS) if low <= freq_hz < high]
        return band

    # What may happen

    def rejoin(self, answer="accept", which=0):
        """A try to join. "lost": the accept is never heard, but recorded; "anew": the server counts from 1 again;
        "replay": any accept there ever was comes once more."""
        device, network = self.device, self.network
        try:
            exchange = device.mac.join(device.now_ms)
        except Wait as wait:
            device.now_ms += wait.ms
            return
        network.hear(exchange)
        self.note_join(exchange)
        before = network.nwk_skey, network.app_skey, network.fcnt_down, network.sessions
        number, frame = None, None
        if answer == "anew":
            self.join_nonce = 0
        if answer in ("accept", "anew", "lost"):
            self.join_nonce += 1
            number, frame = self.join_nonce, network.accept(exchange.frame, join_nonce=self.join_nonce)
            self.accepts.append((number, frame))
        elif answer in ("replay", "forged") and self.accepts:
            number, frame = self.accepts[which % len(self.accepts)]
            network.nwk_skey, network.app_skey = keys_of(number, exchange.frame)
        if answer == "forged" and frame:
            frame = frame[:-1] + bytes((frame[-1] ^ 1,))
        believed = frame is not None and answer not in ("lost", "forged") and self.believes(number)
        if believed:
            self.numbered += 1
            network.sessions, network.fcnt_down = self.numbered, 0
            self.remember()
        events = self.transmit(exchange, None if answer == "lost" else frame)
        assert (names(events) == ["Joined"]) == believed, "an accept was taken that should not, or the other way round"
        if believed:
            self.old_downlinks = []
            self.concluded = True
            self.taken.insert(0, number)
        else:
            network.nwk_skey, network.app_skey, network.fcnt_down, network.sessions = before

    def believes(self, join_nonce):
        """Whether a genuine accept begins a session: never one that is remembered; `strict_join`: later ones only."""
        remembered = self.taken[:REMEMBERED]
        if self.device.strict_join:
            return join_nonce > (remembered or [-1])[0]
        return join_nonce not in remembered

    def note_join(self, exchange):
        """Airtime of joins, by the device's powered time since the first try of a series."""
        now_ms = self.powered_ms + self.device.now_ms - self.since_ms[0]
        if self.concluded and (not self.joins or now_ms - self.joins[0][0] >= HOUR_MS):
            self.joins = []
        self.concluded = False
        self.joins.append((now_ms, exchange.airtime_us / 1000))
        hours = (now_ms - self.joins[0][0]) / HOUR_MS
        budget_ms = next((ms for until, ms in JOIN_BUDGETS_MS if hours < until), 72_000 + 8_700 * (hours + 13) // 24)
        assert sum(airtime for _, airtime in self.joins) <= budget_ms, "more airtime for joins than the back-off allows"

    def remember(self):
        keys = self.network.nwk_skey, self.network.app_skey
        self.sessions[b"".join(map(bytes, keys))] = (self.network.sessions, *keys)

    def send(self, size, confirmed, answer, fopts=b""):
        device, network = self.device, self.network
        if not device.mac.joined:
            self.rejoin()
            return
        try:
            exchange = device.mac.send(1, bytes(size), device.now_ms, confirmed)
        except Wait as wait:
            device.now_ms += wait.ms
            return
        except PayloadTooLong:
            assert size > device.mac.room(device.now_ms)
            return
        network.hear(exchange)
        frame = None
        if answer in ("new", "twice"):
            frame = network.downlink(7, b"hi", fopts=fopts, ack=confirmed)
            self.old_downlinks.append(frame)
        elif answer == "replay" and self.old_downlinks:
            frame = self.old_downlinks[len(self.old_downlinks) // 2]
        elif answer == "forged":
            forged = bytearray(network.downlink(7, b"hi", fcnt=network.fcnt_down + 3))
            forged[-1] ^= 0x01
            frame = bytes(forged)
        elif answer == "other device":
            frame = bytearray(network.downlink(7, b"hi", fcnt=network.fcnt_down))
            frame[1] ^= 0x01
            frame = bytes(frame)
        before = sum(self.accepted.values())
        self.transmit(exchange, frame)
        if answer in ("forged", "other device"):  # a replay is judged by its counter: one lost to a cut may come again
            assert sum(self.accepted.values()) == before
        if answer == "twice":
            self.send(size, False, "replay")

    def command(self, fopts):
        if self.device.mac.joined:
            try:
                exchange = self.device.mac.send_answers(self.device.now_ms)
            except Wait as wait:
                self.device.now_ms += wait.ms
                return
            self.network.hear(exchange)
            self.transmit(exchange, self.network.downlink(fopts=fopts))

    def reset(self, off_ms=0):
        """Power off and on: the device's time begins anew."""
        true_ms = self.true_ms + off_ms
        self.powered_ms += self.device.now_ms - self.since_ms[0]
        self.device.now_ms = 500
        self.since_ms = self.device.now_ms, true_ms
        self.device.store = MemoryStore(self.records)
        self.device.boot()
        self.settle()

    def settle(self):
        """The network goes on in the session that the device is in."""
        session = self.device.mac._records.session
        if session is not None:
            network = self.network
            number, network.nwk_skey, network.app_skey = self.sessions[bytes(session.skeys)]
            if number != network.sessions:
                self.old_downlinks = []
                network.fcnt_down = 0 if session.fcnt_down is None else session.fcnt_down + 1
                network.sessions = number

    def cut(self, operation, write, how):
        """The power fails at one of the writes of a join or of an uplink with its answer.

        Afterwards every setting is that of before or that of after, and every counter lies between them.
        """
        before = observed(self.records)
        whole = self.twin()
        whole.reset()
        whole.carry_out(operation)
        after = observed(whole.records)
        self.reset()
        self.device.store = FailingStore(self.records, write, how)
        self.device.boot()
        with suppress(PowerCut):
            self.carry_out(operation)
        self.reset()
        found = observed(self.records)
        self.taken = found["taken"]
        for name, value in found.items():
            if name == "dev_nonce":
                assert before[name] <= value <= after[name]
            elif name == "fcnt_up":  # in a session that nothing was sent in yet it may be 0
                low = before[name] if found["keys"] == before["keys"] else 0
                assert low <= value <= (after[name] if found["keys"] == after["keys"] else before[name])
            elif name in FRESH and found["keys"] != before["keys"]:
                assert value in (after[name], FRESH[name]), name
            else:
                assert value in (before[name], after[name]), name

    def carry_out(self, operation):
        kind, commands = operation
        if kind == "join":
            self.rejoin()
        elif self.device.mac.joined:
            self.send(5, False, "new", commands)

    def damage(self, name, at):
        """A record is damaged: the device refuses to live until somebody has put it right."""
        good = self.records.get(name)
        if not good:
            return
        bad = bytearray(good)
        bad[at % len(bad)] ^= 0x10
        self.records[name] = bytes(bad)
        try:
            self.device.store = MemoryStore(self.records)
            self.device.boot()
        except StateCorrupt:
            pass
        else:
            raise AssertionError("damage was not noticed")
        self.records[name] = good
        self.reset()

    def wait(self, ms):
        self.device.now_ms += ms

    def judge_airtime(self):
        for end_ms, band, _ in self.sent:
            spent = sum(us for ms, other, us in self.sent if other == band and end_ms <= ms < end_ms + HOUR_MS)
            assert spent <= 1000 * eu868.BANDS[band][2]


def observed(records):
    """What a device that starts with these records believes."""
    device = Device(Network(), MemoryStore(dict(records)))
    mac = device.mac
    session, link = mac._records.session, mac._link
    found = {"dev_nonce": mac._join.dev_nonce, "keys": None, "fcnt_up": 0, "fcnt_down": None}
    taken = mac._join.taken
    found["taken"] = [int.from_bytes(taken[at : at + 3], "little") for at in range(0, len(taken), 3)]
    if session is not None:
        found.update(keys=session.skeys, fcnt_up=session.fcnt_up, fcnt_down=session.fcnt_down)
        for name in ("data_rate", "power", "nb_trans", "max_duty", "rx1_dr_offset", "rx2_dr", "rx2_hz", "rx_delay_s"):
            found[name] = getattr(link, name)
        found["channels"] = bytes(link.plan.pack())
    else:
        names = ("data_rate", "power", "nb_trans", "max_duty", "rx1_dr_offset", "rx2_dr", "rx2_hz", "rx_delay_s")
        found.update(dict.fromkeys((*names, "channels")))
    return found


def keys_of(join_nonce, request):
    """(NwkSKey, AppSKey) that a device has after believing this accept as the answer to its Join-Request."""
    return session_keys(Key(APP_KEY), join_nonce.to_bytes(3, "little"), b"\x13\x00\x00", bytes(request[17:19]))


def live_through(history):
    clock_error_ppm, strict, what_happens = history
    life = Life(clock_error_ppm, strict)
    for name, *arguments in what_happens:
        getattr(life, name)(*arguments)
    life.judge_airtime()


@settings(max_examples=250, deadline=None)
@given(histories)
def test_no_history_repeats_a_nonce_or_counter_takes_a_replay_or_overspends_a_band(history):
    live_through(history)


@settings(max_examples=250, deadline=None)
@given(st.booleans(), st.lists(joins, min_size=5, max_size=60))
def test_no_remembered_accept_and_with_strict_join_no_older_one_begins_a_session(strict, joins):
    life = Life(0, strict)
    for name, *arguments in joins:
        getattr(life, name)(*arguments)
        life.wait(86_400_000)


@pytest.mark.soak
@pytest.mark.parametrize("thousand", range(20))
@settings(max_examples=1_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(histories)
def test_twenty_thousand_histories(thousand, history):
    live_through(history)


def test_a_clock_that_is_one_percent_fast_does_not_spend_two_budgets_in_an_hour():
    freq_hz, budget_us = 868_100_000, 36_000_000
    for begin_ms in range(0, 700_000, 1_000):
        duty = DutyCycle(eu868)
        duty.charge(freq_hz, budget_us, begin_ms)
        wait_ms = duty.wait_ms(freq_hz, budget_us, begin_ms)

        assert wait_ms / 1.01 >= HOUR_MS


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(["nonce", "hot", "cold", "identity"]), st.integers(0), st.integers(1, 255))
def test_no_damage_of_a_record_goes_unnoticed(name, at, change):
    life = Life()
    life.rejoin()
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
        life.rejoin()
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
    life.rejoin()
    device = life.device
    device.uplink(answer=lambda: life.network.downlink(0, commands) if commands else None)

    device.boot()
    device.uplink(pause_ms=4_000_000)
    assert device.mac.room(device.now_ms) > 0
