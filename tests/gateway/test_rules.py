"""What of rules 3, 5, 6, 9 and 11 of facts/gateway.md section 6 only the broker sees, with a clock to move. What an
application sees of the rules is in test_rules_server.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw

from bench.broker import Broker
from gateway.gps_time import gps_from_utc_us
from tests.gateway.kit import (
    EUI,
    Forwarder,
    GatewayThread,
    Listener,
    ShiftClock,
    address_and_counter,
    data_frame,
    join_request,
    rxpk,
    wait_for,
    write_settings,
)

pytestmark = pytest.mark.live


class Outage:
    """A gateway whose broker is away; `over()` brings the broker back and waits for frames."""

    def __init__(self, broker: Broker, directory: Path, destination: str = "", extra: str = "") -> None:
        broker.stop()
        self.broker = broker
        self.settings = write_settings(directory, broker.url, extra, destination)
        self.clock = ShiftClock()
        self.gateway = GatewayThread(self.settings, self.clock)
        self.forwarder = Forwarder(self.gateway.address)
        self.forwarder.pull()

    def over(self, frames: int) -> Listener:
        self.broker.start()
        listener = Listener(self.broker)
        self.gateway.up()
        listener.wait_uplinks(frames)
        return listener

    def __enter__(self) -> Outage:
        return self

    def __exit__(self, *_: object) -> None:
        self.forwarder.close()
        self.gateway.stop()


def counters(listener: Listener, dev_addr: int) -> list[int]:
    heard = (address_and_counter(frame.phy_payload) for frame in listener.uplinks())
    return [counter for address, counter in heard if address == dev_addr]


def test_rule_03_repetitions_in_the_backlog_are_sent_once_with_the_best_signal(broker: Broker, tmp_path: Path) -> None:
    with Outage(broker, tmp_path) as outage:
        for rssi in (-110, -90, -100):
            outage.forwarder.push(rxpk(data_frame(1, 1), rssi=rssi))
        outage.forwarder.push(rxpk(data_frame(1, 2)))
        with outage.over(2) as listener:
            wait_for(lambda: outage.gateway.daemon.buffered == 0, "empty buffer")
            assert counters(listener, 1) == [1, 2]
            assert listener.uplinks()[0].rx_info.rssi == -90


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ('live_frames = "live-first"', [1, 9]),
        ("live_first_for_answers = true", [1, 9]),
        ("live_first_above = 1", [1, 9]),
        ("live_first_above = 5", [1, 2, 3, 9]),
    ],
)
def test_rule_05_a_live_frame_waits_behind_its_backlog_or_replaces_it(
    policy: str, expected: list[int], broker: Broker, tmp_path: Path
) -> None:
    # A backlog that is to be overtaken must still be there when the live frame comes.
    spacing = "1s" if len(expected) > 2 else "20s"
    with Outage(broker, tmp_path, f'{policy}\ndevice_spacing = "{spacing}"') as outage:
        for counter in (1, 2, 3):
            outage.forwarder.push(rxpk(data_frame(1, counter)))
        with outage.over(1) as listener:
            relay = outage.gateway.daemon.relays[0]
            wait_for(lambda: relay.delivered == 1 and relay.turns.in_flight == 0, "acknowledgement of the first frame")
            outage.clock.advance(0.6)  # half a second must lie between two frames of a device
            outage.forwarder.push(rxpk(data_frame(1, 9, confirmed=True)))
            listener.wait_uplinks(len(expected))
            wait_for(lambda: outage.gateway.daemon.buffered == 0, "empty buffer")
            assert counters(listener, 1) == expected


def test_rule_05_join_requests_go_out_live_whatever_waits(broker: Broker, tmp_path: Path) -> None:
    with Outage(broker, tmp_path) as outage:
        for counter in range(5):
            outage.forwarder.push(rxpk(data_frame(1, counter)))
        with outage.over(1) as listener:
            outage.forwarder.push(rxpk(join_request(7)))
            listener.wait(
                lambda one: join_request(7) in [frame.phy_payload for frame in one.uplinks()], "the join-request"
            )
            assert len(counters(listener, 1)) < 5


def test_rule_06_a_late_frame_carries_its_true_time_twice(broker: Broker, tmp_path: Path) -> None:
    with Outage(broker, tmp_path) as outage:
        before_us = outage.clock.wall_us()
        outage.forwarder.push(rxpk(data_frame(1, 1)))
        after_us = outage.clock.wall_us()
        outage.clock.advance(3600)
        with outage.over(1) as listener:
            rx = listener.uplinks()[0].rx_info
            assert before_us - 1000 <= _us(rx.gw_time) <= after_us + 1000
            assert _us(rx.time_since_gps_epoch) == gps_from_utc_us(_us(rx.gw_time))


def test_rule_06_a_live_frame_has_no_gps_time_unless_the_concentrator_told_it(broker: Broker, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, broker.url)
    with (
        Listener(broker) as listener,
        GatewayThread(settings, ShiftClock()) as gateway,
        Forwarder(gateway.address) as forwarder,
    ):
        forwarder.pull()
        gateway.up()
        forwarder.push(rxpk(data_frame(1, 1)))
        forwarder.push(rxpk(data_frame(2, 1), tmms=1_460_000_000_000))
        plain, told = (frame.rx_info for frame in listener.wait_uplinks(2))
        assert not plain.HasField("time_since_gps_epoch")
        assert _us(told.time_since_gps_epoch) == 1_460_000_000_000_000


def test_rule_06_without_a_verified_clock_there_is_no_time_until_there_is(broker: Broker, tmp_path: Path) -> None:
    with Outage(broker, tmp_path) as outage:
        clock = outage.clock
        outage.gateway.stop()
        clock.is_verified = False
        clock.wall_error_us = -(10**15)
        clock.boot_name = "boot-b"
        with GatewayThread(outage.settings, clock) as gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            forwarder.push(rxpk(data_frame(1, 1)), rxpk(data_frame(2, 1)))
            clock.advance(100)
            true_us = clock.wall_us() - clock.wall_error_us - 100_000_000
            broker.start()
            with Listener(broker) as listener:
                first = listener.wait_uplinks(2)[0].rx_info
                assert not first.HasField("gw_time")
                assert not first.HasField("time_since_gps_epoch")
                assert first.metadata["spatz_clock"] == "none"
            broker.stop()
            forwarder.push(rxpk(data_frame(3, 1)))
            clock.wall_error_us, clock.is_verified = 0, True
            clock.advance(3600)
        # The machine restarts: the earlier start of the machine is dated by the offset it left behind.
        clock.boot_name = "boot-c"
        clock.forward_us -= 3600 * 1_000_000
        clock.wall_error_us = 3600 * 1_000_000
        broker.start()
        with Listener(broker) as listener, GatewayThread(outage.settings, clock):
            rx = listener.wait_uplinks(1)[0].rx_info
            assert rx.metadata["spatz_clock"] == "ntp"
            assert abs(_us(rx.gw_time) - true_us - 100_000_000) < 20_000_000


def _us(stamp: Any) -> int:
    microseconds: int = stamp.seconds * 1_000_000 + stamp.nanos // 1000
    return microseconds


def test_rule_09_at_the_quota_the_newest_frames_are_kept(broker: Broker, tmp_path: Path) -> None:
    with Outage(broker, tmp_path) as outage:
        outage.gateway.stop()
        text = outage.settings.read_text().replace('path = "spool.db"', 'path = "spool.db"\nmax_bytes = 1048576')
        outage.settings.write_text(text)
        with GatewayThread(outage.settings, outage.clock) as gateway, Forwarder(gateway.address) as forwarder:
            for number in range(0, 10_000, 100):
                forwarder.push(*(rxpk(data_frame(n, 1)) for n in range(number, number + 100)))
            daemon = gateway.daemon
            assert daemon.spool.evicted + daemon.buffered == 10_000
            assert 0 < daemon.spool.evicted < 10_000
            assert (tmp_path / "spool.db").stat().st_size <= 1 << 20


def test_rule_11_counters_of_an_outage_become_one_message_an_hour(broker: Broker, tmp_path: Path) -> None:
    with Outage(broker, tmp_path) as outage:
        start_us = outage.clock.wall_us()
        for _ in range(4):
            for _ in range(3):
                _stat(outage.forwarder, rxnb=10, rxok=7)
            outage.clock.advance(3600)
        broker.start()
        with Listener(broker) as listener:
            outage.gateway.up()
            outage.forwarder.push(rxpk(data_frame(1, 1)))
            listener.wait_uplinks(1)
            _stat(outage.forwarder, rxnb=1, rxok=1)
            listener.wait(lambda one: len(one.of("/event/stats")) == 5, "five messages")
            stats = [gw.GatewayStats.FromString(payload) for payload in listener.of("/event/stats")]
            assert sorted(one.rx_packets_received for one in stats) == [1, 30, 30, 30, 30]
            assert sum(one.rx_packets_received_ok for one in stats) == 4 * 21 + 1
            hours = sorted(round((_us(one.time) - start_us) / 3.6e9, 1) for one in stats)
            assert hours == [0.0, 1.0, 2.0, 3.0, 4.0]
            assert all(one.gateway_id == EUI for one in stats)


def _stat(forwarder: Forwarder, **counters: int) -> None:
    body = json.dumps({"stat": {"time": "2026-01-01 00:00:00 GMT", **counters}}).encode()
    forwarder.up.send(b"\x02\x7a\x7a\0" + forwarder.eui + body)
    assert forwarder.up.recv(64) == b"\x02\x7a\x7a\x01"
