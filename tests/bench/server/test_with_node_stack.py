"""The node's own LoRaWAN stack against the server: two implementations of one standard, over a perfect air.

Every downlink item must fit a window the node would open: same delay, frequency, spreading factor and bandwidth.
"""

import itertools
import random

import pytest
from chirpstack_api import gw
from server_node import APP_KEY, DEV_EUI, JOIN_EUI, NOW_US, Air, uplink_frame

from bench.server import maccommands
from bench.server.core import default_profile
from firmware.lorawan import events
from firmware.lorawan.ids import Eui
from firmware.lorawan.mac import Mac
from firmware.lorawan.memory_store import MemoryStore
from firmware.lorawan.regions import eu868
from firmware.radio.port import Heard

HOUR_MS = 3_600_000


class Battery:
    def battery_level(self):
        return 127


class Pair:
    """A node and a server that hear each other always; time is the node's, in milliseconds."""

    def __init__(self, *, profile=None, snr=8.0, window=0, **settings):
        self.air = Air(**settings)
        self.air.server.add_device(DEV_EUI, APP_KEY, profile=profile)
        store = MemoryStore.provisioned(Eui.from_hex(DEV_EUI), Eui.from_hex(JOIN_EUI), APP_KEY)
        chance = random.Random(1)
        self.mac = Mac(eu868, store, lambda: chance.getrandbits(32), Battery())
        self.mac.start(0)
        self.now_ms = 0
        self.snr = snr
        self.window = window
        """Which item the gateway manages to send."""
        self.heard_in = []

    def join(self):
        found = self.carry_out(self.mac.join(self.now_ms))
        assert [type(event) for event in found] == [events.Joined]
        self.air.outputs.clear()
        return found[0]

    def send(self, data=b"\x01", port=20, **options):
        self.now_ms += HOUR_MS
        return self.carry_out(self.mac.send(port, data, self.now_ms, **options))

    def carry_out(self, exchange):
        self.now_ms += -(-exchange.airtime_us // 1000)
        self.air.wait((NOW_US + 1000 * self.now_ms - self.air.now_us) / 1_000_000)
        frame = uplink_frame(bytes(exchange.frame), sf=exchange.sf, freq=exchange.freq_hz, snr=self.snr, context=b"ctx")
        self.air.outputs += self.air.server.handle_uplink(frame, self.air.now_us)
        self.air.wait(0.5)
        downs = self.air.take("down")
        heard = None
        if downs:
            (down,) = downs
            for item, window in zip(down.items, (exchange.rx1, exchange.rx2), strict=True):
                tx, lora = item.tx_info, item.tx_info.modulation.lora
                assert tx.timing.delay.delay.ToMilliseconds() == window.delay_ms
                assert (tx.frequency, lora.spreading_factor, lora.bandwidth) == (
                    window.freq_hz,
                    window.sf,
                    window.bw_hz,
                )
                assert exchange.wants(item.phy_payload)
            statuses = [gw.TOO_LATE] * self.window + [gw.OK]
            self.air.ack(down, *statuses)
            self.heard_in.append(self.window)
            heard = Heard(down.items[self.window].phy_payload, -80, round(4 * self.snr), self.window + 1)
        self.now_ms += exchange.rx2.delay_ms
        return self.mac.conclude(exchange, heard, self.now_ms)


def of_kind(found, kind):
    return [event for event in found if type(event) is kind]


def test_the_node_joins_and_both_sides_know_the_same_address():
    pair = Pair()

    joined = pair.join()

    assert str(joined.dev_addr) == pair.air.server.storage.device(DEV_EUI).session.dev_addr


def test_the_node_joins_again_and_again():
    pair = Pair()

    addresses = set()
    for _ in range(3):
        addresses.add(str(pair.join().dev_addr))
        pair.now_ms += 24 * HOUR_MS

    assert len(addresses) == 3


@pytest.mark.parametrize("data_rate", range(6))
def test_readings_arrive_at_every_data_rate_on_every_channel(data_rate):
    pair = Pair()
    pair.mac.set_adr(False)
    pair.join()
    pair.mac.set_data_rate(data_rate)
    sent = [bytes((i, 255 - i)) for i in range(16)]

    for data in sent:
        pair.send(data)

    ups = pair.air.take("up")
    assert [up.data for up in ups] == sent
    assert [up.f_cnt for up in ups] == list(range(16))
    assert {up.dr for up in ups} == {data_rate}
    assert len({up.tx_info.frequency for up in ups}) == 8


@pytest.mark.parametrize("window", [0, 1], ids=["RX1", "RX2"])
def test_a_confirmed_uplink_is_acknowledged_in_either_window(window):
    pair = Pair()
    pair.join()
    pair.window = window

    found = pair.send(confirmed=True)

    assert len(of_kind(found, events.Acknowledged)) == 1
    assert pair.heard_in[-1] == window


def test_commands_reach_the_node_in_order_and_leave_the_queue():
    pair = Pair()
    pair.join()
    for value in range(3):
        pair.air.server.enqueue(DEV_EUI, 31, bytes((value,)))

    found = list(itertools.chain(*(pair.send() for _ in range(3))))

    assert [(d.port, bytes(d.data)) for d in of_kind(found, events.Downlink)] == [
        (31, b"\x00"),
        (31, b"\x01"),
        (31, b"\x02"),
    ]
    assert pair.air.server.storage.device(DEV_EUI).queue == []
    assert len(pair.air.take("txack")) == 3


def test_a_confirmed_command_is_acknowledged_by_the_nodes_next_uplink():
    pair = Pair()
    pair.join()
    pair.air.server.enqueue(DEV_EUI, 31, b"\x01", confirmed=True)
    pair.send()

    pair.send()

    (ack,) = pair.air.take("ack")
    assert ack.acknowledged


def test_the_node_answers_a_status_request():
    profile = default_profile()
    profile.device_status_req_interval = 24
    pair = Pair(profile=profile, snr=6.0)
    pair.join()
    pair.send()

    pair.send()

    (status,) = pair.air.take("status")
    assert (status.margin, round(status.battery_level)) == (6, 50)


def test_adr_brings_a_node_that_is_heard_well_to_its_fastest_and_quietest():
    pair = Pair(snr=10.0)
    pair.join()

    for _ in range(10):
        pair.send()

    state = pair.mac.state(pair.now_ms)
    link = pair.air.server.storage.device(DEV_EUI).session.link
    assert (state["data_rate"], link.dr) == (5, 5)
    assert state["eirp_dbm"] == 16 - 2 * link.tx_power_index
    assert link.tx_power_index == 7
    assert pair.air.take("line") == []


def test_link_check_and_time_are_answered():
    pair = Pair(snr=0.0)
    pair.join()
    pair.mac.request_link_check()
    pair.mac.request_time()

    found = pair.send()

    (check,) = of_kind(found, events.LinkCheck)
    (time,) = of_kind(found, events.NetworkTime)
    assert check.gateways == 1
    assert check.margin_db > 0
    arrived_s = pair.air.now_us // 1_000_000 - 315_964_800 + 18
    assert abs(time.gps_s - arrived_s) <= 10


@pytest.mark.parametrize(
    ("block", "check"),
    [
        (maccommands.rx_timing_setup_req(4), lambda s: s.rx1_delay_s == 4),
        (
            maccommands.rx_param_setup_req(rx1_dr_offset=1, rx2_dr=3, rx2_frequency_hz=869_525_000),
            lambda s: (s.rx1_dr_offset, s.rx2_dr) == (1, 3),
        ),
        (maccommands.new_channel_req(index=8, frequency_hz=868_850_000), lambda s: s.channels_hz[8] == 868_850_000),
    ],
    ids=["RXTimingSetup", "RXParamSetup", "NewChannel"],
)
def test_new_settings_are_taken_and_used_by_both_sides(block, check):
    pair = Pair()
    pair.join()
    pair.air.server.request_mac(DEV_EUI, block)
    pair.send()

    pair.send()

    assert check(pair.air.server.storage.device(DEV_EUI).session)
    assert len(of_kind(pair.send(confirmed=True), events.Acknowledged)) == 1


def test_a_thousand_readings_keep_both_counters_together():
    pair = Pair()
    pair.join()

    for i in range(1000):
        pair.send(i.to_bytes(2, "big"), confirmed=i % 10 == 0)

    ups = pair.air.take("up")
    assert [int.from_bytes(up.data, "big") for up in ups] == list(range(1000))
    assert pair.air.take("log") == []
    session = pair.air.server.storage.device(DEV_EUI).session
    assert session.f_cnt_up == 1000
    assert session.f_cnt_down == pair.mac.state(pair.now_ms)["fcnt_down"] + 1
