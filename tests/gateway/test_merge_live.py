"""The merge gate as a process between real gateways, a real broker and the bench's network server."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.city import City
from tests.gateway.kit import Listener, join_request, rxpk, wait_for

pytestmark = pytest.mark.live


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with City(tmp_path) as city:
        yield city


def health(city: City) -> dict[str, object]:
    address = city.gates[0].wait_for("ready")["status"]
    with urllib.request.urlopen(f"http://{address}/health", timeout=5) as answer:
        value: dict[str, object] = json.load(answer)
    return value


def test_rule_10_after_an_outage_of_the_whole_city_everything_arrives_once_and_in_order(city: City) -> None:
    devices = city.devices(6)
    city.gate()
    for number in range(3):
        city.gateway(number)
    city.broker.stop()
    for f_cnt in range(4):
        city.clock.advance(3600)
        for number, one in enumerate(devices):
            # Each device is heard by two gateways, and each gateway misses some of its frames.
            heard = [(number + step) % 3 for step in range(2) if (f_cnt + step) % 3]
            city.hear(one, f_cnt, heard or [number % 3])
    city.broker.start()
    city.wait_all()

    city.judge()
    assert city.application.counter_complaints() == []


def test_rule_10_without_the_gate_the_gateway_that_comes_second_loses_what_only_it_heard(city: City) -> None:
    """The reason for the gate; and the proof that the judgement above can fail."""
    one = city.devices(1)[0]
    for number in range(2):
        city.gateway(number, merge=False)
    city.broker.stop()
    for f_cnt in range(4):
        city.hear(one, f_cnt, [f_cnt % 2])
    city.hear(one, 4)
    city.gateways[1].stop()
    city.broker.start()
    application = city.application
    application.wait(lambda: 4 in application.counters(one.dev_addr), "all frames of the first")
    city.gateway(1, merge=False)
    application.wait(lambda: len(application.counter_complaints()) == 2, "complaints about those of the second")

    assert application.counters(one.dev_addr) == [0, 2, 4]


def test_rule_05_a_live_frame_follows_what_its_device_has_at_the_gate(city: City) -> None:
    one, other = city.devices(2)
    city.gate(quiet="3s")
    city.gateway(0)
    city.broker.stop()
    for f_cnt in range(3):
        city.clock.advance(60)
        city.hear(one, f_cnt)
    city.broker.start()
    city.gateways[0].up()
    wait_for(lambda: city.gateways[0].daemon.buffered == 0, "handed in")
    city.hear(one, 3)
    city.hear(other, 0)
    city.wait_all()

    city.judge()
    assert city.application.counter_complaints() == []


def test_once_the_backlog_is_through_live_frames_go_straight_to_the_server(city: City) -> None:
    one = city.devices(1)[0]
    city.gate(quiet="500ms")
    gateway = city.gateway(0)
    city.hear(one, 0)
    city.wait_all()
    way = gateway.daemon.relays[0].link._way
    wait_for(lambda: way.direct == 1, "the gate's word")
    city.gates[0].kill()
    city.hear(one, 1)
    city.wait_all()

    city.judge()


def test_without_an_instance_late_frames_stay_in_the_spool(city: City) -> None:
    one = city.devices(1)[0]
    gateway = city.gateway(0)
    city.hear(one, 0)
    wait_for(lambda: gateway.daemon.relays[0].turns.holding, "holding")
    assert gateway.daemon.buffered == 1
    city.gate(quiet="500ms")
    city.wait_all()

    city.judge()


def test_a_gate_that_is_killed_again_and_again_loses_nothing(city: City) -> None:
    devices = city.devices(8)
    gate = city.gate(quiet="300ms")
    for number in range(2):
        city.gateway(number)
    city.broker.stop()
    for f_cnt in range(4):
        city.clock.advance(600)
        for number, one in enumerate(devices):
            city.hear(one, f_cnt, [0, 1] if (f_cnt + number) % 3 else [f_cnt % 2])
    city.broker.start()
    application = city.application
    for share in (1, 2):
        target = share * len(city.sent) // 3
        application.wait(lambda target=target: len(application.ups) >= target, f"{target} frames")  # type: ignore[misc]
        gate.kill()
        gate.start()
    city.wait_all()

    city.judge()
    # A frame whose PUBACK came after the kill is published twice; the server sees that by the counter.
    assert set(application.counter_complaints()) <= {"UPLINK_F_CNT_RETRANSMISSION", "UPLINK_F_CNT_RESET"}


def test_hostile_messages_are_counted_and_change_nothing(city: City) -> None:
    one = city.devices(1)[0]
    city.gate(quiet="500ms")
    city.gateway(0)
    with Listener(city.broker, "eu868/gateway/+/event/up") as listener:
        for topic in ("late/0", "late/backlog", "late/zz"):
            for payload in (b"", b"\xff" * 50, b"{}", bytes(100_000)):
                listener.publish(f"eu868/gateway/ffffffffffffffff/{topic}", payload)
        city.hear(one, 0)
        city.wait_all()
    city.judge()
    assert health(city)["status"] == "ok"
    assert health(city)["published"] == 1
    refused = [line["kind"] for line in city.gates[0].said() if line["event"] == "message refused"]
    assert {"late-message", "late-size", "late-backlog"} <= set(refused)


def test_a_gate_whose_disk_is_full_stops_and_says_so_and_nothing_is_lost(city: City) -> None:
    devices = city.devices(24)
    small = city.gate(quiet="500ms", most_bytes=80_000)
    city.gateway(0)
    city.broker.stop()
    for f_cnt in range(4):
        for one in devices:
            city.hear(one, f_cnt)
    city.broker.start()
    wait_for(lambda: not small.running, "the end of the gate")
    assert "Look at free space" in small.tail()
    city.gate(quiet="500ms")
    city.wait_all(90)

    city.judge()


def test_joins_do_not_pass_the_gate(city: City) -> None:
    city.gateway(0).up()
    with Listener(city.broker, "eu868/gateway/+/event/up") as listener:
        city.forwarders[0].push(rxpk(join_request(7)))
        assert [frame.phy_payload for frame in listener.wait_uplinks(1)] == [join_request(7)]
