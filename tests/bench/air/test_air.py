import json

import pytest

from bench.air.air import DEMODULATORS, Air
from bench.air.transmission import Tuning, on_air
from bench.schedule import Schedule

FREQ = 868_300_000
S = 1_000_000


class Gateway:
    def __init__(self, name="gateway"):
        self.name = name
        self.received = []

    def ignores(self, frame):
        return "polarity (IQ) differs" if frame.iq_inverted else None

    def on_received(self, received):
        self.received.append(received)


class Node:
    def __init__(self, name="node"):
        self.name = name
        self.steps = []
        self.received = []

    def on_preamble(self, frame):
        self.steps.append("preamble")

    def on_header(self, frame, whole):
        self.steps.append("header" if whole else "bad header")

    def on_received(self, received):
        self.steps.append("frame")
        self.received.append(received)


class Bench:
    def __init__(self, **settings):
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0, **settings)
        self.gateway = Gateway()
        self.node = Node()
        self.air.add_gateway(self.gateway)
        self.air.add_node(self.node)

    def uplink(self, start_us=0, sender="node", sf=7, freq_hz=FREQ, payload=b"x" * 13, **changes):
        return self.air.transmit(on_air(start_us, payload, sender, freq_hz, sf, **changes))

    def downlink(self, start_us=0, sf=7, freq_hz=FREQ, sender="gateway", **changes):
        settings = {"iq_inverted": True, "crc_on": False} | changes
        frame = on_air(start_us, b"y" * 20, sender, freq_hz, sf, **settings)
        return self.air.transmit(frame)

    def window(self, open_us, close_us, **changes):
        settings = {
            "freq_hz": FREQ,
            "sf": 7,
            "bw_hz": 125_000,
            "sync_word": 0x34,
            "iq_inverted": True,
            "low_data_rate": False,
        }
        tuning = Tuning(**(settings | changes))
        self.schedule.at(open_us, lambda: self.air.open_window(self.node, tuning))
        self.schedule.at(close_us, lambda: self.air.close_window(self.node))

    def run(self, seconds=10):
        self.schedule.run_until(seconds * S)


@pytest.fixture
def bench():
    return Bench()


class TestUplink:
    def test_arrives_at_its_end_with_the_level_of_the_link(self, bench):
        bench.air.set_loss("node", "gateway", 120.0)
        record = bench.uplink(power_dbm=14)
        bench.schedule.run_until(46_335)
        assert bench.gateway.received == []
        bench.run()
        received = bench.gateway.received[0]
        assert received.payload == b"x" * 13
        assert received.rssi_dbm == -106
        assert received.snr_db == pytest.approx(11.03)
        assert record.heard["gateway"] is received

    @pytest.mark.parametrize(
        ("sf", "loss_db", "heard"), [(7, 138, True), (7, 139, False), (12, 151, True), (12, 152, False)]
    )
    def test_sensitivity_follows_the_spreading_factor(self, bench, sf, loss_db, heard):
        bench.air.set_loss("node", "gateway", loss_db)
        record = bench.uplink(sf=sf, power_dbm=14)
        bench.run()
        assert bool(bench.gateway.received) is heard
        assert heard or "too weak" in record.unheard["gateway"]

    def test_nodes_do_not_hear_nodes(self, bench):
        other = Node("other")
        bench.air.add_node(other)
        bench.window(0, S)
        record = bench.uplink(sender="other")
        bench.run()
        assert bench.node.received == []
        assert record.unheard["node"] == "polarity (IQ) differs"

    def test_distance_gives_the_loss(self, bench):
        bench.air.place("node", 0, 0)
        bench.air.place("gateway", 1000, 0)
        assert bench.air.loss_db("gateway", "node") == pytest.approx(128.95)

    def test_a_deaf_gateway_is_one_that_transmits(self, bench):
        record = bench.uplink(0)
        bench.downlink(40_000)
        bench.run()
        assert record.unheard["gateway"] == "gateway was transmitting"

    def test_more_frames_than_demodulators(self, bench):
        records = [
            bench.uplink(i * 100, sender=f"n{i}", freq_hz=FREQ + 200_000 * i, sf=9) for i in range(DEMODULATORS + 1)
        ]
        bench.run()
        assert len(bench.gateway.received) == DEMODULATORS
        assert "demodulators" in records[-1].unheard["gateway"]


class TestCollision:
    def outcome(self, bench, *, second=(), first=()):
        bench.uplink(0, sender="a", **dict(first))
        bench.uplink(20_000, sender="b", **dict(second))
        bench.run()
        return [(received.frame.sender, received.crc_ok) for received in bench.gateway.received]

    def test_equal_frames_destroy_each_other(self, bench):
        assert self.outcome(bench) == [("a", False), ("b", False)]
        assert bench.gateway.received[0].payload != b"x" * 13
        assert bench.air.records[0].unheard["gateway"] == "collision with a frame of b"

    def test_six_decibels_save_the_stronger(self, bench):
        assert self.outcome(bench, first={"power_dbm": 14}, second={"power_dbm": 8}) == [("a", True), ("b", False)]

    def test_less_than_six_save_none(self, bench):
        assert self.outcome(bench, first={"power_dbm": 14}, second={"power_dbm": 8.5}) == [("a", False), ("b", False)]

    @pytest.mark.parametrize("second", [{"freq_hz": 868_500_000}, {"sf": 8}], ids=["channel", "spreading factor"])
    def test_another_channel_or_spreading_factor_does_not_touch(self, bench, second):
        assert all(whole for _, whole in self.outcome(bench, second=second))

    def test_an_overlap_with_the_first_symbols_of_a_preamble_does_no_harm(self, bench):
        # The preamble has 8 symbols of 1024 us; the last five are needed.
        bench.uplink(0, sender="a")
        bench.uplink(46_336 - 3_000, sender="b")
        bench.run()
        assert [(r.frame.sender, r.crc_ok) for r in bench.gateway.received] == [("a", False), ("b", True)]

    def test_one_after_the_other_is_no_collision(self, bench):
        bench.uplink(0, sender="a")
        bench.uplink(46_336, sender="b")
        bench.run()
        assert all(received.crc_ok for received in bench.gateway.received)


class TestReceiveWindow:
    def test_an_open_window_hears(self, bench):
        bench.window(0, S)
        record = bench.downlink(10_000)
        bench.run()
        assert bench.node.steps == ["preamble", "header", "frame"]
        assert "node" in record.heard

    def test_no_window_hears_nothing(self, bench):
        record = bench.downlink(10_000)
        bench.run()
        assert record.unheard["node"] == "no receive window was open"

    @pytest.mark.parametrize(("open_us", "heard"), [(13_072, True), (13_073, False)])
    def test_a_window_may_open_while_five_symbols_of_preamble_are_left(self, bench, open_us, heard):
        bench.window(open_us, S)  # frame at 10 ms, its preamble ends 8.192 ms later
        record = bench.downlink(10_000)
        bench.run()
        assert bool(bench.node.received) is heard
        assert heard or "too late" in record.unheard["node"]

    @pytest.mark.parametrize(("close_us", "step"), [(15_100, []), (15_200, ["preamble"])])
    def test_a_window_has_to_stay_open_until_five_symbols_were_heard(self, bench, close_us, step):
        bench.window(0, close_us)
        record = bench.downlink(10_000)
        bench.run()
        assert bench.node.steps == step
        assert "node" in record.unheard

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"freq_hz": 868_500_000}, "868500000 Hz"),
            ({"sf": 9}, "SF9"),
            ({"iq_inverted": False}, "polarity"),
            ({"sync_word": 0x12}, "sync word"),
            ({"low_data_rate": True}, "low-data-rate"),
        ],
    )
    def test_a_wrongly_tuned_window_hears_nothing(self, bench, changes, reason):
        bench.window(0, S, **changes)
        record = bench.downlink(10_000)
        bench.run()
        assert bench.node.received == []
        assert reason in record.unheard["node"]

    def test_an_uplink_polarity_downlink_is_not_heard_by_nodes(self, bench):
        bench.window(0, S)
        record = bench.downlink(10_000, iq_inverted=False)
        bench.run()
        assert record.unheard["node"] == "polarity (IQ) differs"

    @pytest.mark.parametrize(
        ("late_us", "steps"),
        [(15_000, ["preamble", "bad header"]), (25_000, ["preamble", "header", "frame"])],
    )
    def test_a_collision_spoils_the_header_or_the_rest(self, bench, late_us, steps):
        # At SF7 the header of a frame ends after 20.7 ms.
        bench.window(0, S)
        record = bench.downlink(0)
        bench.downlink(late_us, sender="far")
        bench.run()
        assert bench.node.steps == steps
        assert "collision" in record.unheard["node"]
        assert not any(received.crc_ok for received in bench.node.received)

    def test_a_receiver_follows_one_frame_at_a_time(self, bench):
        bench.air.add_gateway(Gateway("far"))
        bench.window(0, S)
        bench.downlink(0)
        late = bench.downlink(2_000, sender="far", power_dbm=4)
        bench.run()
        assert len(bench.node.received) == 1
        assert late.unheard["node"] == "busy with a frame of gateway"


class TestFaults:
    def test_frames_lost_on_purpose(self, bench):
        bench.air.lose_next("node", 1)
        first, second = bench.uplink(0), bench.uplink(S)
        bench.run()
        assert first.unheard["gateway"] == "lost on purpose"
        assert "gateway" in second.heard

    def test_a_share_of_losses_repeats_from_the_seed(self):
        def heard(seed):
            bench = Bench(seed=seed)
            bench.air.lose_share(0.3)
            for number in range(100):
                bench.uplink(number * 100_000)
            bench.run(20)
            return [received.frame.start_us for received in bench.gateway.received]

        assert heard(1) == heard(1)
        assert heard(1) != heard(2)
        assert 55 <= len(heard(1)) <= 85

    def test_every_frame_is_on_record(self, bench):
        bench.uplink(0)
        bench.downlink(S)
        bench.run()
        assert [record.number for record in bench.air.records] == [0, 1]
        assert bench.air.records[1].unheard.keys() == {"node"}
        line = json.loads(json.dumps(bench.air.records[0].as_dict()))
        assert line["sender"] == "node"
        assert line["airtime_us"] == 46_336
        assert line["heard"]["gateway"]["rssi_dbm"] == -91
        assert line["downlink"] is False
