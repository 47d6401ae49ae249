"""A node of every region on the virtual air: driver, chip model, concentrator and a server with tables of its own."""

import random
from dataclasses import replace

import pytest

from bench.air.air import Air
from bench.air.concentrator import Concentrator, TxOutcome
from bench.air.direct import DirectLink
from bench.air.host_node import HostNode, Identity, settled_heap
from bench.air.networks import NETWORKS
from bench.air.transmission import on_air
from bench.schedule import Schedule
from bench.server import maccommands
from bench.server.core import NetworkServer
from bench.server.maccommands import Cid
from bench.server.outputs import AppEvent
from bench.server.regions import REGIONS
from bench.server.settings import Settings
from firmware.lorawan.errors import Wait
from firmware.lorawan.events import Downlink, Joined
from firmware.lorawan.regions import as923_1, as923_2, as923_3, as923_4, au915, eu868, in865, kr920, us915

PAGES = {page.NAME: page for page in (eu868, in865, kr920, us915, au915, as923_1, as923_2, as923_3, as923_4)}
FIXED = ("US915", "AU915")
IDENTITY = Identity("70b3d57ed0051234", "70b3d57ed0000001", bytes(range(16)))
GATEWAY_ID = "70b3d5fffe0000a1"
EPOCH_US = 1_795_305_600_000_000


class Town:
    """One node, one gateway and one server in a region; time passes in the calls only."""

    def __init__(self, region, **settings):
        self.schedule = Schedule()
        self.air = Air(self.schedule, seed=1, fading_db=0)
        self.server = NetworkServer(Settings.of(region, **({"adr_disabled": True} | settings)), seed=1)
        self.outputs = []
        link = DirectLink(self.schedule, self.server, unix_us=EPOCH_US, on_output=self.outputs.append)
        network = NETWORKS[region]
        self.concentrator = Concentrator(
            self.schedule, self.air, seed=1, channels=network.channels, tx_range_hz=network.tx_range_hz
        )
        link.attach(self.concentrator, GATEWAY_ID)
        self.server.add_device(IDENTITY.dev_eui, IDENTITY.app_key)
        chance = random.Random(7)
        self.node = HostNode(
            "node", self.schedule, self.air, IDENTITY, random_u32=lambda: chance.getrandbits(32), region=PAGES[region]
        )
        self.node.start()
        self.link = link

    @property
    def session(self):
        return self.server.storage.device(IDENTITY.dev_eui).session

    @property
    def sent(self):
        return [record.frame for record in self.air.records if record.frame.sender == "node"]

    @property
    def answers(self):
        """What the gateway sent."""
        return [record.frame for record in self.air.records if record.frame.sender != "node"]

    def carry_out(self, begin):
        while True:
            try:
                exchange = begin()
                return exchange, self.node.carry_out(exchange)
            except Wait as wait:  # from `begin`, or because all channels were busy: send anew
                self.node.clock.sleep_ms(wait.ms)

    def join(self, tries=40):
        """Ask until somebody answers; how often."""
        for number in range(1, tries + 1):
            _, events = self.carry_out(lambda: self.node.mac.join(self.node.now_ms))
            if any(isinstance(event, Joined) for event in events):
                return number
        raise AssertionError("never joined")

    def uplink(self, data=b"\x01", *, confirmed=False):
        self.node.clock.sleep_ms(60_000)
        exchange, events = self.carry_out(lambda: self.node.mac.send(1, data, self.node.now_ms, confirmed))
        return exchange, events

    def enqueue(self, data):
        self.server.enqueue(IDENTITY.dev_eui, 9, data, now_us=EPOCH_US + self.schedule.now_us)
        self.link.touch()

    def command(self, block):
        """Let the network give an order with the next answer; what the device says to it."""
        self.server.request_mac(IDENTITY.dev_eui, block)
        self.enqueue(b"go")
        self.uplink()
        self.uplink()
        return self.node.mac.state(self.node.now_ms)

    def ups(self):
        return [output for output in self.outputs if isinstance(output, AppEvent) and output.kind == "up"]

    def refuse_first(self):
        """The gateway is busy at the time of RX1 of the next downlink."""
        request = self.concentrator.request
        refused = []

        def second_only(packet):
            if refused:
                return request(packet)
            refused.append(packet)
            return TxOutcome("COLLISION_PACKET")

        self.concentrator.request = second_only


@pytest.fixture(autouse=True)
def _quick():
    with settled_heap():
        yield


@pytest.fixture(params=sorted(PAGES))
def town(request):
    built = Town(request.param)
    built.region = request.param
    built.tries = built.join()
    return built


def downlinks(events):
    return [event.data for event in events if isinstance(event, Downlink)]


def in_window(frame, window):
    return (frame.freq_hz, frame.sf, frame.bw_hz) == (window.freq_hz, window.sf, window.bw_hz)


def test_a_node_joins_takes_the_cflist_and_is_heard_on_every_channel_of_the_network(town):
    channels = town.server.settings.network_channels_hz()
    narrow = {channels[n] for n in town.server.settings.network_enabled_channels() if n < 64}
    assert town.tries <= (8 if town.region in FIXED else 1)  # one octet of eight is the network's

    for _ in range(len(narrow)):
        town.uplink()

    assert {frame.freq_hz for frame in town.sent[-len(narrow) :]} == narrow
    assert len(town.ups()) == len(narrow)


def test_downlinks_arrive_in_the_first_and_in_the_second_window(town):
    town.enqueue(b"one")
    exchange, events = town.uplink()
    assert downlinks(events) == [b"one"]
    assert in_window(town.answers[-1], exchange.rx1)

    town.enqueue(b"two")
    town.refuse_first()
    exchange, events = town.uplink()

    assert downlinks(events) == [b"two"]
    page = REGIONS[town.region]
    assert in_window(town.answers[-1], exchange.rx2)
    assert (town.answers[-1].freq_hz, town.answers[-1].sf) == (page.rx2_hz, page.data_rates[page.rx2_dr].sf)


def test_both_sides_agree_on_the_first_window_at_every_rate_and_offset(town):
    """The server's rule against the node's table, over the air at a few points and by value at all of them."""
    page, region = PAGES[town.region], REGIONS[town.region]
    for rate in range(len(page.RX1_DR) // page.RX1_OFFSETS):
        for offset in range(region.rx1_dr_offset_max + 1):
            assert page.RX1_DR[rate * page.RX1_OFFSETS + offset] == region.rx1_data_rate(rate, offset)
    for offset in (1, region.rx1_dr_offset_max):
        town.command(
            maccommands.rx_param_setup_req(rx1_dr_offset=offset, rx2_dr=region.rx2_dr, rx2_frequency_hz=region.rx2_hz)
        )
        assert town.session.rx1_dr_offset == offset
        town.enqueue(b"x")
        exchange, events = town.uplink()
        assert downlinks(events) == [b"x"]
        assert in_window(town.answers[-1], exchange.rx1)


def link_adr(controls, *, rate, power=1):
    return b"".join(
        maccommands.link_adr_req(dr=rate, tx_power=power, channel_mask=mask, mask_control=control, nb_trans=1)
        for control, mask in controls
    )


FIXED_MASKS = (
    ((7, 0x02), (0, 0xFF00)),  # the octet of the network, with its wide channel
    ((7, 0x00), (0, 0x0F00), (1, 0x0000)),  # half of it
    ((6, 0xFF), (2, 0x0000), (3, 0x0000), (1, 0x0000), (0, 0xFF00)),
    ((7, 0x00), (4, 0x02), (0, 0xC000)),
    ((5, 0x02),),
)


@pytest.mark.parametrize("region", FIXED)
def test_a_fixed_plan_obeys_every_ch_mask_cntl_over_the_air(region):
    town = Town(region)
    town.join()
    page = REGIONS[region]
    for masks in FIXED_MASKS:
        enabled_before = town.session.enabled_channels
        town.command(link_adr(masks, rate=3))

        enabled = town.session.enabled_channels
        expected = enabled_before
        for control, mask in masks:
            expected = page.masked(expected, page.join_channels_hz, control, mask)
        assert enabled == expected, "the server takes a mask only if the device accepted it"
        assert town.session.link.tx_power_index == 1
        narrow = {page.join_channels_hz[n] for n in enabled if n < 64}
        for _ in range(len(narrow)):
            town.uplink()
        assert {frame.freq_hz for frame in town.sent[-len(narrow) :]} <= narrow
        assert town.sent[-1].sf == page.data_rates[3].sf


@pytest.mark.parametrize("region", ["KR920", "AS923-2", "IN865"])
def test_a_dynamic_plan_obeys_its_two_values_of_ch_mask_cntl_and_no_other(region):
    town = Town(region)
    town.join()
    channels = town.server.settings.network_channels_hz()

    town.command(link_adr([(0, 0b1010)], rate=4))
    assert town.session.enabled_channels == [1, 3]
    for _ in range(4):
        town.uplink()
    assert {frame.freq_hz for frame in town.sent[-4:]} == {channels[1], channels[3]}

    for control in (1, 2, 3, 4, 5, 7):
        town.command(link_adr([(control, 0x0001)], rate=5))
        assert town.session.enabled_channels == [1, 3]
        assert town.sent[-1].sf == 8

    town.command(link_adr([(6, 0)], rate=5))
    assert town.session.enabled_channels == list(channels)
    for _ in range(2 * len(channels)):  # the first round had begun with fewer
        town.uplink()
    assert {frame.freq_hz for frame in town.sent[-2 * len(channels) :]} == set(channels.values())


@pytest.mark.parametrize("region", ["AS923-2", "AU915"])
def test_the_network_lifts_and_sets_dwell_time_and_power(region):
    town = Town(region, tx_params=0x0A)  # no dwell time, 26 dBm
    town.join()
    town.enqueue(b"x")
    town.uplink()
    town.uplink()
    assert town.session.tx_params == 0x0A
    assert town.node.mac.state(town.node.now_ms)["eirp_dbm"] == 26

    town.command(link_adr([(7, 0), (0, 0xFF00)] if region in FIXED else [(0, 3)], rate=0))
    assert town.sent[-1].sf == 12
    town.uplink(bytes(40))

    town = Town(region)  # a network without a wish lets the device begin as the region has it
    town.join()
    town.command(maccommands.tx_param_setup_req(0x0A))
    town.command(link_adr([(7, 0), (0, 0xFF00)] if region in FIXED else [(0, 3)], rate=0))
    town.command(maccommands.tx_param_setup_req(0x35))
    assert town.session.tx_params == 0x35
    assert town.sent[-1].sf == 10
    assert town.node.mac.state(town.node.now_ms)["eirp_dbm"] == 14
    town.enqueue(b"both dwell times")
    assert downlinks(town.uplink()[1]) == [b"both dwell times"]
    assert town.node.mac.room(town.node.now_ms) == 11


@pytest.mark.parametrize("region", ["EU868", "US915", "KR920"])
def test_a_region_without_dwell_time_does_not_answer_tx_param_setup(region):
    town = Town(region)
    town.join()

    town.command(maccommands.tx_param_setup_req(0x35))

    assert Cid.TX_PARAM_SETUP in town.session.pending


def test_adr_of_the_network_masks_a_fixed_plan_again_after_the_node_gave_its_masks_up():
    town = Town("US915", adr_disabled=False)
    town.join()
    town.session.enabled_channels = list(range(72))  # as after ADRACKReq: the server cannot know

    town.uplink(confirmed=True)
    town.uplink()

    assert town.session.enabled_channels == [*range(8, 16), 65]


def test_a_node_in_korea_waits_for_a_quiet_channel_and_loses_nothing():
    town = Town("KR920")
    town.join()
    quiet_hz = (922_300_000, 922_900_000)
    town.air.set_loss("somebody", "node", 60)
    now_us = town.schedule.now_us
    for hz in set(town.server.settings.network_channels_hz().values()) - set(quiet_hz):
        noise = on_air(now_us, b"without end", "somebody", hz, 9)
        town.air.transmit(replace(noise, end_us=now_us + 3_600_000_000))

    for number in range(10):
        town.uplink(b"report %d" % number)

    frames = [frame for frame in town.sent if frame.start_us > now_us]
    assert len(frames) == 10
    assert {frame.freq_hz for frame in frames} == set(quiet_hz)
    assert [bytes(output.message.data) for output in town.ups()[-10:]] == [b"report %d" % n for n in range(10)]
    counters = [output.message.f_cnt for output in town.ups()]
    assert counters == sorted(set(counters))
