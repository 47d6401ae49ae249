"""Several destinations: Dortmund on ChirpStack, Schwerte on a server that speaks Semtech UDP."""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw

from bench.broker import Broker
from tests.gateway.kit import (
    EUI,
    PATIENCE_S,
    Forwarder,
    GatewayThread,
    Listener,
    ShiftClock,
    address_and_counter,
    data_frame,
    downlink_frame,
    join_request,
    rxpk,
    wait_for,
)

pytestmark = pytest.mark.live

DORTMUND, SCHWERTE = 0x26011A01, 0x26011B01


class UdpServer:
    """A network server that speaks Semtech UDP, as far as a packet forwarder sees it."""

    def __init__(self, port: int = 0) -> None:
        self.elements: list[dict[str, Any]] = []
        self.stats: list[dict[str, Any]] = []
        self.tx_acks: list[tuple[bytes, dict[str, Any]]] = []
        self._pull: tuple[str, int] | None = None
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", port))
        self.port = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            data, peer = self._socket.recvfrom(65536)
            if data == b"end":
                return
            if data[3] == 0:
                body = json.loads(data[12:])
                self.elements += body.get("rxpk", [])
                if "stat" in body:
                    self.stats.append(body["stat"])
                self._socket.sendto(data[:3] + b"\x01", peer)
            elif data[3] == 2:
                self._pull = peer
                self._socket.sendto(data[:3] + b"\x04", peer)
            elif data[3] == 5:
                self.tx_acks.append((data[1:3], json.loads(data[12:])["txpk_ack"]))

    def order(self, token: bytes, **txpk: Any) -> None:
        assert self._pull is not None
        base = {"freq": 868.1, "powe": 14, "modu": "LORA", "datr": "SF7BW125", "codr": "4/5", "ipol": True}
        data = base64.b64encode(txpk.pop("phy", downlink_frame(SCHWERTE))).decode()
        body = json.dumps({"txpk": {**base, "data": data, "size": 16, **txpk}}).encode()
        self._socket.sendto(b"\x02" + token + b"\x03" + body, self._pull)

    def wait(self, number: int) -> list[dict[str, Any]]:
        wait_for(lambda: len(self.elements) >= number, f"{number} elements")
        return self.elements

    def frames(self) -> list[tuple[int, int]]:
        return [address_and_counter(base64.b64decode(element["data"])) for element in self.elements]

    def close(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as ender:
            ender.sendto(b"end", ("127.0.0.1", self.port))
        self._thread.join(PATIENCE_S)
        self._socket.close()

    def __enter__(self) -> UdpServer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


@pytest.fixture
def schwerte() -> Iterator[UdpServer]:
    with UdpServer() as server:
        yield server


def two_cities(directory: Path, broker_url: str, udp_port: int) -> Path:
    path = directory / "gateway.toml"
    path.write_text(
        f"""
[[source]]
type = "semtech_udp"
bind = "127.0.0.1:0"

[[destination]]
name = "dortmund"
type = "chirpstack_mqtt"
server = "{broker_url}"
topic_prefix = "eu868"
reconnect_max = "250ms"
dev_addr_prefixes = ["26011a00/24"]
join_eui_prefixes = ["0102030400000000/32"]

[[destination]]
name = "schwerte"
type = "semtech_udp"
server = "127.0.0.1:{udp_port}"
keepalive = "100ms"
dev_addr_prefixes = ["26011b00/24"]
join_eui_prefixes = ["aabbccdd00000000/32"]
""",
        encoding="utf-8",
    )
    return path


@pytest.fixture
def gateway(broker: Broker, schwerte: UdpServer, tmp_path: Path) -> Iterator[GatewayThread]:  # type: ignore[override]
    with GatewayThread(two_cities(tmp_path, broker.url, schwerte.port), ShiftClock()) as gateway:
        yield gateway


@pytest.fixture
def forwarder(gateway: GatewayThread) -> Iterator[Forwarder]:
    with Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        gateway.up()
        yield forwarder


def test_neither_destination_sees_a_frame_of_the_other(
    forwarder: Forwarder, listener: Listener, schwerte: UdpServer
) -> None:
    stranger = 0x26011C01
    forwarder.push(*(rxpk(data_frame(device, 1)) for device in (DORTMUND, SCHWERTE, stranger)))
    forwarder.push(rxpk(join_request(1, 0x0102030455555555)), rxpk(join_request(2, 0xAABBCCDD55555555)))
    forwarder.push(rxpk(data_frame(DORTMUND, 2)), rxpk(data_frame(SCHWERTE, 2)))

    listener.wait_uplinks(3)
    schwerte.wait(3)
    assert {bytes(frame.phy_payload) for frame in listener.uplinks()} == {
        data_frame(DORTMUND, 1),
        data_frame(DORTMUND, 2),
        join_request(1, 0x0102030455555555),
    }
    heard = schwerte.frames()
    assert (SCHWERTE, 1) in heard
    assert (SCHWERTE, 2) in heard
    assert len(heard) == 3


def test_a_dead_destination_does_not_delay_the_other_and_gets_its_own_later(
    gateway: GatewayThread, forwarder: Forwarder, broker: Broker, schwerte: UdpServer
) -> None:
    broker.stop()
    for counter in range(5):
        gateway.clock.advance(1)
        forwarder.push(rxpk(data_frame(DORTMUND, counter)), rxpk(data_frame(SCHWERTE, counter)))
        schwerte.wait(counter + 1)
    assert schwerte.frames() == [(SCHWERTE, counter) for counter in range(5)]
    wait_for(lambda: gateway.daemon.relays[1].buffered == 0, "schwerte has everything")
    assert gateway.daemon.relays[0].buffered == 5

    broker.start()
    with Listener(broker) as listener:
        frames = [address_and_counter(frame.phy_payload) for frame in listener.wait_uplinks(5)]
    assert frames == [(DORTMUND, counter) for counter in range(5)]


def test_a_silent_udp_server_is_given_its_frames_when_it_is_back(
    gateway: GatewayThread, forwarder: Forwarder, schwerte: UdpServer, listener: Listener
) -> None:
    schwerte.close()
    wait_for(lambda: not gateway.daemon.relays[1].turns.up, "schwerte down")
    for counter in range(3):
        forwarder.push(rxpk(data_frame(SCHWERTE, counter)))
    with UdpServer(schwerte.port) as again:
        again.wait(3)
        assert again.frames() == [(SCHWERTE, counter) for counter in range(3)]
        wait_for(lambda: gateway.daemon.buffered == 0, "empty buffer")


def test_the_udp_server_sees_what_the_concentrator_heard(forwarder: Forwarder, schwerte: UdpServer) -> None:
    sent = rxpk(data_frame(SCHWERTE, 1), tmst=77, rssi=-101, lsnr=-3.5, datr="SF10BW125")
    forwarder.push(sent)
    got = schwerte.wait(1)[0]
    assert {key: got[key] for key in sent} == sent
    assert "meta" not in got


def test_an_order_of_the_udp_server_reaches_the_concentrator_in_its_own_time(
    forwarder: Forwarder, schwerte: UdpServer
) -> None:
    forwarder.push(rxpk(data_frame(SCHWERTE, 1), tmst=0xFFFFFF00))
    tmst = schwerte.wait(1)[0]["tmst"]
    schwerte.order(b"\x11\x22", tmst=(tmst + 1_000_000) % (1 << 32))

    assert forwarder.answer_pull_resp("TOO_EARLY")["tmst"] == 999_744
    wait_for(lambda: bool(schwerte.tx_acks), "TX_ACK")
    assert schwerte.tx_acks == [(b"\x11\x22", {"error": "TOO_EARLY"})]


def test_rule_07_an_order_for_no_live_frame_never_reaches_the_radio(
    gateway: GatewayThread, forwarder: Forwarder, schwerte: UdpServer
) -> None:
    forwarder.push(rxpk(data_frame(SCHWERTE, 1), tmst=1_000_000))
    schwerte.wait(1)
    for token, tmst in ((b"\0\1", 1_000_000 + 17_000_000), (b"\0\2", 999_999), (b"\0\3", 3_000_000_000)):
        schwerte.order(token, tmst=tmst)
    wait_for(lambda: len(schwerte.tx_acks) == 3, "three answers")
    assert all(answer == {"error": "TOO_LATE"} for _, answer in schwerte.tx_acks)
    assert forwarder.pull()[3] == 4


def test_rule_07_a_late_frame_shows_a_counter_that_no_answer_can_use(
    gateway: GatewayThread, forwarder: Forwarder, schwerte: UdpServer
) -> None:
    schwerte.close()
    wait_for(lambda: not gateway.daemon.relays[1].turns.up, "schwerte down")
    forwarder.push(rxpk(data_frame(SCHWERTE, 1), tmst=5_000_000))
    gateway.clock.advance(4295)  # the counter has gone round once: the old value looks fresh again
    forwarder.push(rxpk(data_frame(DORTMUND, 1), tmst=4_900_000))
    with UdpServer(schwerte.port) as again:
        late = again.wait(1)[0]
        assert late["meta"]["spatz_late"] == "1"
        again.order(b"\0\1", tmst=(late["tmst"] + 1_000_000) % (1 << 32))
        again.order(b"\0\2", tmst=6_000_000)
        wait_for(lambda: len(again.tx_acks) == 2, "two answers")
        assert all(answer == {"error": "TOO_LATE"} for _, answer in again.tx_acks)
        assert forwarder.pull()[3] == 4


def test_only_the_owner_of_a_device_may_send_to_it(
    forwarder: Forwarder, listener: Listener, schwerte: UdpServer
) -> None:
    frame = gw.DownlinkFrame(downlink_id=1, gateway_id=EUI)
    item = frame.items.add(phy_payload=downlink_frame(SCHWERTE))
    item.tx_info.frequency = 869_525_000
    item.tx_info.modulation.lora.bandwidth = 125_000
    item.tx_info.modulation.lora.spreading_factor = 12
    item.tx_info.timing.immediately.SetInParent()
    listener.send_downlink(frame)
    listener.wait(lambda one: bool(one.acks()), "acknowledgement")
    assert [one.status for one in listener.acks()[0].items] == [gw.INTERNAL_ERROR]

    schwerte.order(b"\0\7", imme=True)
    assert forwarder.answer_pull_resp()["imme"] is True
