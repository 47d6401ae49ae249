import pytest

from bench.air.air import Air
from bench.air.concentrator import Concentrator, TxPacket
from bench.air.transmission import Tuning, on_air
from bench.schedule import Schedule

S = 1_000_000


class Node:
    name = "node"

    def __init__(self):
        self.received = []

    def on_preamble(self, frame):
        pass

    def on_header(self, frame, whole):
        pass

    def on_received(self, received):
        self.received.append(received)


class Bench:
    def __init__(self):
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0)
        self.concentrator = Concentrator(self.schedule, self.air)
        self.packets = []
        self.concentrator.on_packet = self.packets.append
        self.node = Node()
        self.air.add_node(self.node)

    def listen(self, open_us, close_us, **changes):
        settings = {"freq_hz": 868_100_000, "sf": 7, "bw_hz": 125_000, "sync_word": 0x34}
        tuning = Tuning(**(settings | {"iq_inverted": True, "low_data_rate": False} | changes))
        self.schedule.at(open_us, lambda: self.air.open_window(self.node, tuning))
        self.schedule.at(close_us, lambda: self.air.close_window(self.node))

    def downlink(self, count_us, **changes):
        settings = {"payload": b"d" * 17, "freq_hz": 868_100_000, "sf": 7, "bw_hz": 125_000, "power_dbm": 14}
        return self.concentrator.request(TxPacket(count_us=count_us, **(settings | changes)))

    def run(self, seconds=10):
        self.schedule.run_until(self.schedule.now_us + seconds * S)


@pytest.fixture
def bench():
    return Bench()


@pytest.mark.parametrize("freq_hz", [868_100_000, 868_300_000, 868_500_000, *range(867_100_000, 868_000_000, 200_000)])
@pytest.mark.parametrize("sf", [7, 12])
def test_eight_channels_take_all_spreading_factors(bench, freq_hz, sf):
    bench.air.transmit(on_air(0, b"x" * 13, "node", freq_hz, sf))
    bench.run()
    assert bench.packets[0].channel.freq_hz == freq_hz


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"freq_hz": 869_525_000}, "no channel"),
        ({"sf": 6}, "no channel"),
        ({"iq_inverted": True}, "polarity"),
        ({"sync_word": 0x12}, "sync word"),
    ],
)
def test_what_no_channel_takes(bench, changes, reason):
    settings = {"freq_hz": 868_100_000, "sf": 7} | changes
    record = bench.air.transmit(on_air(0, b"x" * 13, "node", settings.pop("freq_hz"), settings.pop("sf"), **settings))
    bench.run()
    assert bench.packets == []
    assert reason in record.unheard["gateway"]


def test_a_radio_one_step_off_the_channel_is_heard(bench):
    bench.air.transmit(on_air(0, b"x" * 13, "node", 868_099_999, 7))
    bench.run()
    assert bench.packets[0].channel.freq_hz == 868_100_000


def test_frames_with_a_bad_crc_are_not_handed_on(bench):
    bench.air.transmit(on_air(0, b"x" * 13, "a", 868_100_000, 7))
    bench.air.transmit(on_air(1_000, b"x" * 13, "b", 868_100_000, 7))
    bench.run()
    assert bench.packets == []
    assert bench.concentrator.received == 2


def test_the_counter_is_stamped_at_the_end_of_the_frame_and_wraps(bench):
    bench.concentrator.set_count((1 << 32) - 10_000)
    bench.air.transmit(on_air(0, b"x" * 13, "node", 868_100_000, 7))
    bench.run()
    assert bench.packets[0].count_us == 46_336 - 10_000


def test_a_downlink_starts_at_the_exact_microsecond_also_across_the_wrap(bench):
    bench.concentrator.set_count((1 << 32) - 500_000)
    assert bench.downlink(500_000).error is None
    bench.run()
    assert bench.air.records[0].frame.start_us == 1_000_000


class TestReceiveWindow:
    """One second after an uplink the node listens for 20 ms around the expected instant."""

    def send(self, bench, count_offset_us=0, window=None, **changes):
        bench.air.transmit(on_air(0, b"x" * 13, "node", 868_100_000, 7))
        bench.schedule.run_until(46_336)
        opened_us = 46_336 + 1_000_000 - 10_000
        bench.listen(opened_us, opened_us + 200_000, **(window or {}))
        outcome = bench.downlink(bench.packets[0].count_us + 1_000_000 + count_offset_us, **changes)
        assert outcome.error is None
        bench.run()
        return bench.air.records[1]

    def test_the_right_instant_is_heard(self, bench):
        record = self.send(bench)
        assert "node" in record.heard
        assert bench.node.received[0].payload == b"d" * 17

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"count_offset_us": 1_000_000}, "no receive window"),
            ({"count_offset_us": -14_000}, "too late"),
            ({"freq_hz": 868_300_000}, "tuned to 868100000 Hz"),
            ({"sf": 9}, "SF7"),
            ({"iq_inverted": False}, "polarity"),
            ({"window": {"freq_hz": 869_525_000}}, "869525000"),
            ({"window": {"sf": 12, "low_data_rate": True}}, "SF12"),
        ],
    )
    def test_everything_else_is_lost_and_says_why(self, bench, changes, reason):
        record = self.send(bench, **changes)
        assert bench.node.received == []
        assert reason in record.unheard["node"]


def test_frequencies_outside_the_band_are_refused(bench):
    assert bench.downlink(S, freq_hz=902_300_000).error == "TX_FREQ"


def test_too_late_too_early_and_collision(bench):
    now_us = bench.concentrator.count_us
    assert bench.downlink(now_us + 40_000).error == "TOO_LATE"
    assert bench.downlink(now_us - S).error == "TOO_EARLY"
    assert bench.downlink(now_us + S).error is None
    assert bench.downlink(now_us + S).error == "COLLISION_PACKET"


def test_power_is_the_next_lower_of_the_table(bench):
    outcome = bench.downlink(bench.concentrator.count_us + S, power_dbm=15)
    assert (outcome.error, outcome.power_dbm) == (None, 14)
    bench.run()
    assert bench.air.records[0].frame.power_dbm == 14


def test_as_soon_as_possible(bench):
    assert bench.downlink(None).error is None
    bench.run()
    assert bench.air.records[0].frame.start_us == 80_000


def test_a_restart_forgets_the_queue_and_moves_the_counter(bench):
    before_us = bench.concentrator.count_us
    bench.downlink(before_us + S)
    bench.concentrator.restart()
    bench.run()
    assert bench.air.records == []
    assert bench.concentrator.count_us != before_us + 10 * S


def test_a_downlink_that_would_start_within_another_is_lost_after_it_was_accepted(bench):
    now_us = bench.concentrator.count_us
    bench.downlink(now_us + S, sf=12, payload=b"d" * 50)
    bench.schedule.run_until(S + 100_000)
    assert bench.downlink(bench.concentrator.count_us + 200_000).error is None
    bench.run()
    assert bench.concentrator.dropped_while_emitting == 1
    assert len(bench.air.records) == 1
