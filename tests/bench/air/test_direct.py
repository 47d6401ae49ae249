from dataclasses import dataclass

import pytest
from chirpstack_api import gw

from bench.air.air import Air
from bench.air.concentrator import Concentrator
from bench.air.direct import LATENCY_US, DirectLink
from bench.air.transmission import on_air
from bench.schedule import Schedule

S = 1_000_000
UNIX_US = 1_800_000_000_000_000
GATEWAY = "0016c001ff10a235"


@dataclass
class SendDownlink:
    frame: gw.DownlinkFrame


class Server:
    """Answers every uplink, after a while, in RX1 and RX2."""

    def __init__(self):
        self.uplinks, self.acks, self.polled = [], [], []
        self.answers = []
        self.delay_us = 1_000_000

    def handle_uplink(self, frame, now_us):
        self.uplinks.append((now_us, frame))
        self.answers.append((now_us + 300_000, frame))
        return []

    def handle_tx_ack(self, ack, now_us):
        self.acks.append((now_us, ack))
        return []

    def next_us(self):
        return min((due_us for due_us, _ in self.answers), default=None)

    def poll(self, now_us):
        self.polled.append(now_us)
        due = [frame for due_us, frame in self.answers if due_us <= now_us]
        self.answers = [(due_us, frame) for due_us, frame in self.answers if due_us > now_us]
        return [SendDownlink(self.downlink(frame)) for frame in due] + ["told"] * len(due)

    def downlink(self, uplink):
        frame = gw.DownlinkFrame(gateway_id=uplink.rx_info.gateway_id, downlink_id=7)
        for freq_hz, sf, delay_us in ((868_100_000, 7, self.delay_us), (869_525_000, 12, self.delay_us + S)):
            item = frame.items.add(phy_payload=b"answer")
            item.tx_info.frequency, item.tx_info.power = freq_hz, 14
            lora = item.tx_info.modulation.lora
            lora.bandwidth, lora.spreading_factor, lora.code_rate = 125_000, sf, gw.CodeRate.CR_4_5
            lora.polarization_inversion, lora.no_crc = True, True
            item.tx_info.context = uplink.rx_info.context
            item.tx_info.timing.delay.delay.FromMicroseconds(delay_us)
        return frame


class Bench:
    def __init__(self):
        self.schedule = Schedule()
        self.air = Air(self.schedule, fading_db=0)
        self.server = Server()
        self.link = DirectLink(self.schedule, self.server, unix_us=UNIX_US)
        self.concentrator = Concentrator(self.schedule, self.air)
        self.link.attach(self.concentrator, GATEWAY)
        self.air.transmit(on_air(0, b"uplink", "node", 868_100_000, 7))


@pytest.fixture
def bench():
    return Bench()


def test_an_uplink_arrives_with_all_that_a_gateway_tells(bench):
    bench.schedule.run_until(S)

    end_us = bench.air.records[0].frame.end_us
    now_us, frame = bench.server.uplinks[0]
    assert now_us == UNIX_US + end_us + LATENCY_US
    assert frame.phy_payload == b"uplink"
    assert frame.tx_info.frequency == 868_100_000
    assert frame.tx_info.modulation.lora.spreading_factor == 7
    assert frame.rx_info.gateway_id == GATEWAY
    assert frame.rx_info.rssi == -91
    assert frame.rx_info.gw_time.ToMicroseconds() == UNIX_US + end_us
    assert frame.rx_info.time_since_gps_epoch.seconds == UNIX_US // S - 315_964_800 + 18
    assert frame.rx_info.crc_status == gw.CRCStatus.CRC_OK


def test_the_answer_starts_exactly_one_second_after_the_uplink(bench):
    bench.schedule.run_until(5 * S)

    uplink, downlink = (record.frame for record in bench.air.records)
    assert downlink.start_us == uplink.end_us + S
    assert (downlink.freq_hz, downlink.sf, downlink.iq_inverted, downlink.crc_on) == (868_100_000, 7, True, False)
    assert bench.link.outcomes == ["OK", "IGNORED"]
    _, ack = bench.server.acks[0]
    assert [item.status for item in ack.items] == [gw.TxAckStatus.OK, gw.TxAckStatus.IGNORED]
    assert ack.downlink_id == 7


def test_a_server_that_is_too_slow_for_rx1_gets_rx2(bench):
    bench.server.delay_us = 300_000
    bench.schedule.run_until(5 * S)

    assert bench.link.outcomes == ["TOO_EARLY", "OK"]  # a late packet looks early
    assert bench.air.records[1].frame.sf == 12


def test_the_server_is_polled_when_it_wants_to_be_and_other_outputs_are_kept(bench):
    bench.schedule.run_until(5 * S)

    end_us = bench.air.records[0].frame.end_us
    assert bench.server.polled == [UNIX_US + end_us + LATENCY_US + 300_000]
    assert [output for output in bench.link.outputs if isinstance(output, str)] == ["told"]


def test_in_an_outage_nothing_passes(bench):
    bench.link.connected = False
    bench.schedule.run_until(5 * S)

    assert bench.server.uplinks == []
