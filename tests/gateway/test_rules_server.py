"""The rules of facts/gateway.md section 6 by number, judged where they matter: at the application of a network server
that behaves as ChirpStack does, behind a real broker.

Rule 10 is in test_merge_live.py; what only the broker sees of the others is in test_rules.py and test_chain.py.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from chirpstack_api import api

from bench.broker import Broker
from bench.chaos.load import data_uplink
from bench.server.crypto import join_mic
from bench.server.records import Gateway
from tests.gateway.city import BUSY, City
from tests.gateway.kit import EUI, Forwarder, GatewayProcess, Listener, rxpk, wait_for, write_settings

pytestmark = pytest.mark.live

APP_KEY = bytes(range(16))
OTAA = "70b3d57ed0000001"


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with City(tmp_path) as city:
        yield city


def back(city: City) -> None:
    city.broker.start()
    city.gateways[0].up()


def join_request(dev_nonce: int) -> bytes:
    body = b"\0" + bytes(8) + bytes.fromhex(OTAA)[::-1] + dev_nonce.to_bytes(2, "little")
    return body + join_mic(APP_KEY, body)


def test_rule_01_what_was_acknowledged_reaches_the_application_though_the_gateway_is_killed(
    city: City, tmp_path: Path
) -> None:
    devices = city.devices(5)
    settings = write_settings(tmp_path, city.broker.url, destination='device_spacing = "500ms"')
    city.broker.stop()
    for f_cnt in range(2):
        with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
            for one in devices:
                city.sent[one.dev_addr, f_cnt] = city.clock.wall_us()
                forwarder.push(rxpk(data_uplink(one, f_cnt, b"x", confirmed=False)))
            gateway.kill()
    city.broker.start()
    with GatewayProcess(settings):
        city.wait_all()
    city.judge()


@pytest.mark.parametrize(("late_s", "joins"), [(1, 2), (5, 1)])
def test_rule_02_a_late_join_request_never_destroys_a_live_activation(late_s: int, joins: int, tmp_path: Path) -> None:
    """One second late it still may: a join-accept reaches the device then."""
    # The broker keeps the server's session, so that what is published before the server is back is not lost by that.
    root = tmp_path / "broker"
    lasting = Broker(root, extra=("persistence true", f"persistence_location {root}/", "autosave_on_changes true"))
    with City(tmp_path, broker=lasting) as city:
        application = city.application
        with city.service.live.turn() as turn:
            device = turn.core.add_device(OTAA, APP_KEY)
        gateway = city.gateway(0, merge=False)
        gateway.up()
        forwarder = city.forwarders[0]
        forwarder.push(rxpk(join_request(1)))
        application.wait(lambda: len(application.joins) == 1, "the join")
        session = device.session

        city.broker.stop()
        wait_for(lambda: not gateway.daemon.relays[0].turns.up, "destination down")
        forwarder.push(rxpk(join_request(2)))
        city.clock.advance(late_s - 0.5)
        back(city)
        city.hear(city.devices(1)[0], 0)
        city.wait_all()
        application.wait(lambda: len(application.joins) == joins, "joins")

        assert session is not None
        assert (device.session is session) == (joins == 1)


def test_rule_03_a_replayed_backlog_looks_like_no_counter_reset(city: City) -> None:
    devices = city.devices(3)
    city.gateway(0, merge=False, more='device_spacing = "500ms"')
    city.broker.stop()
    for f_cnt in range(4):
        for one in devices:
            city.hear(one, f_cnt)
            city.hear(one, f_cnt)  # NbTrans 2
    back(city)
    city.wait_all()

    city.judge()
    assert city.application.counter_complaints() == []


def test_rule_04_a_server_that_works_on_frames_at_the_same_time_loses_none(tmp_path: Path) -> None:
    with City(tmp_path, BUSY) as city:
        _replay_to_a_busy_server(city)


def _replay_to_a_busy_server(city: City) -> None:
    devices = city.devices(4)
    city.gateway(0, merge=False)
    city.broker.stop()
    for f_cnt in range(4):
        for one in devices:
            city.hear(one, f_cnt)
    back(city)
    city.wait_all()

    city.judge()
    assert city.application.counter_complaints() == []
    for one in devices:
        times = [up.at_us for up in city.application.ups if up.dev_addr == one.dev_addr]
        # 1 s apart when published; up to 0.3 s of that is the server's own.
        assert all(later - earlier > 600_000 for earlier, later in itertools.pairwise(times))


def test_rule_05_a_live_frame_does_not_cost_the_backlog_of_its_device(city: City) -> None:
    one = city.devices(1)[0]
    city.gateway(0, merge=False)
    city.broker.stop()
    for f_cnt in range(3):
        city.clock.advance(60)
        city.hear(one, f_cnt)
    back(city)
    relay = city.gateways[0].daemon.relays[0]
    wait_for(lambda: relay.delivered == 1 and relay.turns.in_flight == 0, "the first frame delivered")
    city.clock.advance(0.6)  # half a second must lie between two frames of a device
    city.hear(one, 3)
    city.wait_all()

    city.judge()
    assert city.application.counter_complaints() == []


def test_rule_06_an_application_sees_when_a_frame_was_received_however_late_it_comes(city: City) -> None:
    one, live = city.devices(2)
    city.gateway(0, merge=False)
    city.broker.stop()
    city.hear(one, 0)
    city.clock.advance(6 * 3600)
    back(city)
    city.hear(live, 0)
    city.wait_all()

    city.judge(longest_error_s=1.0)
    assert all(up.at_us - up.time_us > 6 * 3.6e9 for up in city.application.ups if up.dev_addr == one.dev_addr)


# The concentrator's counter wraps after 4294.97 s; at this age the moment of the answer lies some minutes ahead again,
# where a concentrator would really transmit (facts/gateway.md section 1).
@pytest.mark.parametrize("age_s", [30, 4000, 4290])
def test_rule_07_nothing_is_transmitted_in_answer_to_a_late_frame_and_the_server_is_told(
    age_s: float, city: City
) -> None:
    one, live = city.devices(2)
    city.gateway(0, merge=False)
    application, forwarder = city.application, city.forwarders[0]
    city.broker.stop()
    city.hear(one, 0, confirmed=True)
    city.clock.advance(age_s)
    back(city)
    application.wait(lambda: (one.dev_eui, "DOWNLINK_GATEWAY") in application.complaints, "the refusal")
    assert forwarder.pull()[3] == 4, "nothing but the answer to our own question has come down"

    city.hear(live, 0, confirmed=True)
    assert forwarder.answer_pull_resp()["tmst"] > 0
    assert all(dev_eui == one.dev_eui for dev_eui, _ in application.complaints)


def test_rule_08_an_application_can_tell_late_frames_from_live_ones(city: City) -> None:
    one, live = city.devices(2)
    city.gateway(0, merge=False)
    city.broker.stop()
    city.hear(one, 0)
    city.clock.advance(60)
    back(city)
    city.hear(live, 0)
    city.wait_all()

    marks = {up.dev_addr: up.marks for up in city.application.ups}
    assert (marks[one.dev_addr]["spatz_late"], marks[one.dev_addr]["spatz_clock"]) == ("1", "ntp")
    assert 60_000 <= int(marks[one.dev_addr]["spatz_rx_delay_ms"]) < 80_000
    assert not any(key.startswith("spatz") for key in marks[live.dev_addr])


def test_rule_09_what_is_older_than_the_limit_does_not_come_any_more(city: City) -> None:
    one, other = city.devices(2)
    city.broker.stop()
    city.gateway(0, merge=False)
    city.hear(one, 0)
    city.clock.advance(8 * 86_400)
    city.sent.clear()
    city.hear(other, 0)
    # A gateway looks for what is too old when it starts, and once a minute.
    city.gateways.pop().stop()
    city.forwarders.pop()
    gateway = city.gateway(0, merge=False)
    wait_for(lambda: gateway.daemon.buffered == 1, "expiry")
    back(city)
    city.wait_all()

    city.judge()


def test_rule_11_what_was_counted_in_an_outage_lands_in_the_hours_in_which_it_was_counted(city: City) -> None:
    eui = f"0016c001ff10{0:04x}"
    with city.service.live.turn() as turn:
        record = Gateway(message=api.Gateway(gateway_id=eui, tenant_id=city.service.tenant_id, name=eui))
        turn.core.storage.add_gateway(record)
    city.clock.advance((1800 - city.clock.wall_us() // 1_000_000) % 3600)  # half past: far from where hours change
    gateway = city.gateway(0, merge=False)
    gateway.up()
    city.broker.stop()
    wait_for(lambda: not gateway.daemon.relays[0].turns.up, "destination down")
    start_us = city.clock.wall_us()
    for hour in range(4):
        for _ in range(3):
            _stat(city.forwarders[0], rxnb=10 + hour)
        city.clock.advance(3600)
    back(city)
    city.hear(city.devices(1)[0], 0)
    city.wait_all()
    _stat(city.forwarders[0], rxnb=1)
    wait_for(lambda: record.heard_by_hour.total() == 3 * (10 + 11 + 12 + 13) + 1, "all counters")

    first = start_us // 3_600_000_000
    assert [record.heard_by_hour[first + hour] for hour in range(5)] == [30, 33, 36, 39, 1]
    assert record.last_seen_us is not None
    assert record.last_seen_us // 3_600_000_000 == first + 4


def _stat(forwarder: Forwarder, **counters: int) -> None:
    body = json.dumps({"stat": {"time": "2026-01-01 00:00:00 GMT", **counters}}).encode()
    forwarder.up.send(b"\x02\x7a\x7a\0" + forwarder.eui + body)
    assert forwarder.up.recv(64) == b"\x02\x7a\x7a\x01"


def test_rule_12_an_order_that_the_broker_repeats_is_transmitted_once(city: City) -> None:
    one = city.devices(1)[0]
    city.gateway(0, merge=False).up()
    forwarder = city.forwarders[0]
    with Listener(city.broker) as listener:
        for f_cnt in range(2):
            city.hear(one, f_cnt, confirmed=True)
            listener.wait(lambda heard, f_cnt=f_cnt: len(heard.of("command/down")) == 2 * f_cnt + 1, "the order")  # type: ignore[misc]
            listener.repeat("/command/down")
            forwarder.answer_pull_resp()
            listener.wait(lambda heard, f_cnt=f_cnt: len(heard.acks()) == f_cnt + 1, "its acknowledgement")  # type: ignore[misc]
            city.clock.advance(2)
    city.wait_all()

    assert forwarder.pull()[3] == 4, "two orders, two transmissions"
    assert len(listener.acks()) == 2
    assert city.application.complaints == []


def test_rule_13_a_gateway_that_is_online_takes_the_servers_orders_and_one_that_was_killed_is_offline(
    city: City, tmp_path: Path
) -> None:
    one = city.devices(1)[0]
    text = write_settings(tmp_path, city.broker.url).read_text(encoding="utf-8")
    settings = tmp_path / "named.toml"
    settings.write_text(text.replace("[gateway]", f'[gateway]\nid = "{EUI}"'), encoding="utf-8")
    with Listener(city.broker, f"eu868/gateway/{EUI}/#") as listener:
        with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            listener.wait(lambda heard: heard.states() == ["ONLINE"], "ONLINE")
            forwarder.push(rxpk(data_uplink(one, 0, b"x", confirmed=True)))
            assert forwarder.answer_pull_resp()["tmst"] > 0
            listener.wait(lambda heard: bool(heard.acks()), "the acknowledgement")
            gateway.kill()
        listener.wait(lambda heard: heard.states() == ["ONLINE", "OFFLINE"], "OFFLINE")
    assert city.application.complaints == []
