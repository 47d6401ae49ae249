"""Issue 2, item 3: SIGKILL in the middle of an outage loses nothing that was acknowledged to the concentrator."""

from __future__ import annotations

import random
import socket
import threading
from pathlib import Path

import pytest

from bench.broker import Broker
from tests.gateway.kit import (
    PATIENCE_S,
    Forwarder,
    GatewayProcess,
    Listener,
    address_and_counter,
    data_frame,
    rxpk,
    wait_for,
    write_settings,
)

pytestmark = pytest.mark.live

KILLS = 20
DEVICES = 200


class Traffic:
    """Sends frames as fast as the datagrams go and notes which were acknowledged. One counter a device."""

    def __init__(self, forwarder: Forwarder, first: int) -> None:
        self.sent = 0
        self.acknowledged: set[int] = set()
        self._first = first
        self._forwarder = forwarder
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=work, daemon=True) for work in (self._send, self._hear)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.002):
            number = self._first + self.sent
            frame = data_frame(number % DEVICES, number // DEVICES)
            try:
                self._forwarder.send(rxpk(frame))
            except OSError:
                return  # killed: nobody is at the port any more
            self.sent += 1

    def _hear(self) -> None:
        self._forwarder.up.settimeout(0.05)
        while not self._stop.is_set():
            try:
                answer = self._forwarder.up.recv(64)
            except TimeoutError:
                continue
            except OSError:
                return
            # The forwarder's tokens count from 1.
            self.acknowledged.add(self._first + int.from_bytes(answer[1:3], "big") - 1)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)


@pytest.mark.timeout(180)
def test_nothing_acknowledged_is_lost_by_twenty_kills_in_an_outage(broker: Broker, tmp_path: Path) -> None:
    chance = random.Random(20)
    broker.stop()
    settings = write_settings(
        tmp_path, broker.url, destination='device_spacing = "500ms"\nreplay_per_second = 1000\njoin_lifetime = "1ms"'
    )
    acknowledged: set[int] = set()
    first = 0
    for _ in range(KILLS):
        moment = chance.randrange(1, 40)
        with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            traffic = Traffic(forwarder, first)
            # Killed with frames on their way in, in the group being committed, and on their way back.
            wait_for(lambda t=traffic, m=moment: t.sent >= m and bool(t.acknowledged), "traffic")
            gateway.kill()
            traffic.stop()
        acknowledged |= traffic.acknowledged
        first += traffic.sent + 1
    assert len(acknowledged) > KILLS

    broker.start()
    with Listener(broker) as listener, GatewayProcess(settings):
        wanted = {(number % DEVICES, number // DEVICES) for number in acknowledged}
        listener.wait(lambda one: wanted <= _heard(one), "every acknowledged frame", 60)
    _assert_in_order(listener)


def _heard(listener: Listener) -> set[tuple[int, int]]:
    return {address_and_counter(frame.phy_payload) for frame in listener.uplinks()}


def _assert_in_order(listener: Listener) -> None:
    newest: dict[int, int] = {}
    for frame in listener.uplinks():
        dev_addr, counter = address_and_counter(frame.phy_payload)
        assert counter > newest.get(dev_addr, -1), f"device {dev_addr:08x} out of order"
        newest[dev_addr] = counter


@pytest.mark.timeout(120)
def test_a_kill_between_delivery_and_deletion_repeats_but_never_loses(broker: Broker, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, broker.url)
    with Listener(broker) as listener:
        with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            gateway.wait_event("destination up")
            for device in range(10):
                forwarder.push(rxpk(data_frame(device, 1)))
            gateway.kill()
        with GatewayProcess(settings) as gateway:
            listener.wait(lambda one: len(_heard(one)) == 10, "all ten frames")
            gateway.stop()
    ids: dict[bytes, set[int]] = {}
    for frame in listener.uplinks():
        ids.setdefault(frame.phy_payload, set()).add(frame.rx_info.uplink_id)
    assert all(len(values) == 1 for values in ids.values()), "a repeated frame keeps its uplink_id"


def test_a_port_in_use_is_an_environment_error(broker: Broker, tmp_path: Path) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        settings = write_settings(tmp_path, broker.url)
        port = taken.getsockname()[1]
        settings.write_text(settings.read_text().replace("127.0.0.1:0", f"127.0.0.1:{port}", 1))
        with pytest.raises(AssertionError, match="in use"):
            GatewayProcess(settings)
