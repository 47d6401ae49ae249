"""The node's link with a modem in place of MAC and radio: what the node sees of it over days."""

import pytest

from bench.block import counters, dev_nonces
from bench.chips.rui3 import DIALECTS
from firmware.node.link import LATER, SENT, UNHEARD, Link
from tests.firmware.radio.modem_rig import APP_KEY, ModemRig

HOUR_S = 3600


class Node:
    """A link that works and sends once an hour, as a node's cycle does."""

    def __init__(self, dialect="4.0.6"):
        self.rig = ModemRig(dialect)
        self.lines = []
        self.link = Link(self.rig.mac, self.rig.modem, self.rig.clock, self.rig.clock.sleep_ms, self.lines.append)

    def live(self, hours):
        """Outcomes of one report an hour."""
        return [self.hour() for _ in range(hours)]

    def hour(self):
        end_ms = self.rig.now_ms + HOUR_S * 1000
        outcome = LATER
        while outcome == LATER and self.rig.now_ms < end_ms:
            self.link.work()
            outcome = self.link.send(20, b"reading")
            if outcome == LATER:
                self.rig.clock.sleep_ms(max(self.link.next_ms - self.rig.now_ms, 1000))
        self.rig.clock.sleep_ms(max(end_ms - self.rig.now_ms, 0))
        return outcome


@pytest.fixture(params=DIALECTS)
def node(request):
    return Node(request.param)


def test_link_joins_and_sends(node):
    assert node.live(3) == [SENT] * 3
    assert node.link.fcnt == 2
    assert node.link.airtime_us > 0
    assert any(line.startswith("joined ") for line in node.lines)
    assert len(node.rig.ups()) == 3


def test_downlink_lies_in_the_inbox_with_its_levels(node):
    node.live(1)
    node.rig.enqueue(40, b"\x01\x02")
    node.live(1)

    assert [(downlink.port, downlink.data) for downlink in node.link.inbox] == [(40, b"\x01\x02")]
    assert node.link.rssi_dbm < -50
    assert node.link.snr_db_x4 > 0


def test_alarm_that_nobody_acknowledges_is_unheard(node):
    node.live(1)
    node.rig.link.connected = False
    assert node.link.send(32, b"alarm", confirmed=True) == UNHEARD


def test_network_that_comes_back_after_six_days_has_its_node_again_within_an_hour(node):
    node.live(2)
    node.rig.link.connected = False
    node.live(6 * 24)
    before = len(node.rig.ups())
    node.rig.link.connected = True
    node.live(2)

    assert node.link.joined
    assert any(line.startswith("join ") for line in node.lines[4:])  # it gave its old session up
    assert len(node.rig.ups()) > before
    nonces = dev_nonces(node.rig.sent())
    assert nonces == list(range(len(nonces)))
    seen = [(address, f_cnt) for address, f_cnt, _ in counters(node.rig.sent())]
    assert len(set(seen)) == len(seen)


def test_modem_without_power_for_an_hour_is_a_fault_on_the_console_and_nothing_more(node):
    node.live(1)
    node.rig.model.set_power(False)
    assert node.live(1) == [LATER]
    node.rig.model.set_power(True)
    assert node.live(2)[-1] == SENT

    assert any(line.startswith("link fault ModemSilent") for line in node.lines)
    assert APP_KEY.hex() not in "\n".join(node.lines)
