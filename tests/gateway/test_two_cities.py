"""Dortmund and Schwerte, each with a network server of its own, share a gateway: the documentation's example, run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw

from bench.broker import Broker
from bench.chaos.load import Device, data_uplink
from bench.server.application import Application
from bench.server.crypto import SessionKeys, join_mic
from bench.server.frames import DataFrame, FType
from bench.server.live import wall_clock_us
from bench.server.mqtt import MqttSettings
from bench.server.service import Service
from bench.server.settings import Settings
from gateway.merge.settings import load as load_merge
from gateway.settings import ChirpstackMqtt, load
from tests.gateway.city import MergeProcess
from tests.gateway.kit import PATIENCE_S, ROOT, Forwarder, GatewayThread, Listener, ShiftClock, rxpk, wait_for

EXAMPLE = ROOT / "docs/examples/two-cities"
APP_KEY = bytes(range(16))
EUI = "0016c001ff10a235"
# NetID and first JoinEUI, as the example has them.
DORTMUND, SCHWERTE = ("000000", 0x70B3D57ED0010001), ("000001", 0x70B3D57ED0020001)


def with_files(directory: Path, text: str) -> Path:
    """The example, and the files it names, in a directory of the test."""
    for name in re.findall(r'^(?:ca|cert|key|password_file) = "(.+)"', text, re.MULTILINE):
        (directory / name).parent.mkdir(exist_ok=True)
        (directory / name).write_text("-", encoding="utf-8")
    path = directory / "gateway.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_examples_are_good_settings_with_filters_that_have_nothing_in_common(tmp_path: Path) -> None:
    settings = load(with_files(tmp_path, (EXAMPLE / "gateway.toml").read_text(encoding="utf-8")))
    dortmund, schwerte = settings.destination
    assert isinstance(dortmund, ChirpstackMqtt)
    for net_id, addresses in ((0, dortmund), (1, schwerte)):
        for dev_addr in (net_id << 25, (net_id + 1 << 25) - 1):
            assert [p.matches(dev_addr) for p in addresses.dev_addr_prefixes] == [True]
    for mine, theirs in ((dortmund, schwerte), (schwerte, dortmund)):
        assert not any(p.matches(other.value) for p in mine.dev_addr_prefixes for other in theirs.dev_addr_prefixes)
        assert not any(p.matches(other.value) for p in mine.join_eui_prefixes for other in theirs.join_eui_prefixes)
    merge = load_merge(EXAMPLE / "merge-gate.toml")
    assert merge.broker.topic_prefix == dortmund.topic_prefix


class Town:
    """A network server with its broker, one device that wants to join, and an ear at the broker."""

    def __init__(self, directory: Path, net_id: str, join_eui: int, clock: ShiftClock) -> None:
        self.broker = Broker(directory / f"broker-{net_id}")
        self.broker.start()
        profile = MqttSettings(self.broker.url, qos=1, client_id="chirpstack", session_expiry_s=86_400)
        self.service = Service(
            profile, settings=Settings(net_id=net_id), clock_us=lambda: wall_clock_us() + clock.forward_us
        )
        self.application = Application(self.service.live)
        self.service.__enter__()
        assert self.service.wait_ready(PATIENCE_S)
        self.listener = Listener(self.broker)
        self.join_eui = join_eui
        self.dev_eui = f"{join_eui + 0xD00:016x}"
        with self.service.live.turn() as turn:
            self.record = turn.core.add_device(self.dev_eui, APP_KEY)

    def join_request(self, dev_nonce: int) -> bytes:
        body = b"\0" + self.join_eui.to_bytes(8, "little") + bytes.fromhex(self.dev_eui)[::-1]
        body += dev_nonce.to_bytes(2, "little")
        return body + join_mic(APP_KEY, body)

    @property
    def device(self) -> Device:
        session = self.record.session
        assert session is not None
        return Device(self.dev_eui, int(session.dev_addr, 16), session.keys)

    def uplink(self, f_cnt: int, confirmed: bool = False) -> bytes:
        return data_uplink(self.device, f_cnt, b"reading", confirmed=confirmed)

    def heard(self) -> set[bytes]:
        """Every frame that any topic of this broker carried."""
        return {frame.phy_payload for frame in self.listener.uplinks()} | {
            gw.UplinkFrame.FromString(payload).phy_payload
            for topic, payload, _ in self.listener.messages
            if re.search(r"/late/[0-9a-f]$", topic)
        }

    def wait(self, frames: int) -> None:
        self.application.wait(lambda: len(self.application.ups) == frames, f"{frames} frames")

    def close(self) -> None:
        self.listener.close()
        self.service.__exit__()
        self.broker.__exit__(None, None, None)


@pytest.fixture
def clock() -> ShiftClock:
    return ShiftClock()


@pytest.fixture
def towns(tmp_path: Path, clock: ShiftClock) -> Iterator[tuple[Town, Town]]:
    towns = Town(tmp_path, *DORTMUND, clock), Town(tmp_path, *SCHWERTE, clock)
    yield towns
    for town in towns:
        town.close()


@pytest.fixture
def gateway(tmp_path: Path, towns: tuple[Town, Town], clock: ShiftClock) -> Iterator[GatewayThread]:
    """The example, with the brokers of the test and without TLS, which they do not speak."""
    text = (EXAMPLE / "gateway.toml").read_text(encoding="utf-8")
    text = re.sub(r"^(ca|cert|key|username|password_file) = .*\n", "", text, flags=re.MULTILINE)
    text = text.replace("/var/lib/spatz-gateway/", "").replace(":1700", ":0").replace(":8800", ":0")
    for town, host in zip(towns, ("dortmund", "schwerte"), strict=True):
        text = text.replace(f'"mqtts://lora.{host}.example:8883"', f'"{town.broker.url}"\nreconnect_max = "250ms"')
    gate = MergeProcess(tmp_path / "gate", towns[0].broker.url, quiet="300ms")
    gate.start()
    with GatewayThread(with_files(tmp_path, text), clock) as gateway:
        yield gateway
    gate.stop()


@pytest.fixture
def forwarder(gateway: GatewayThread, towns: tuple[Town, Town]) -> Iterator[Forwarder]:
    """Both devices have joined, each at its own server."""
    with Forwarder(gateway.address, EUI) as forwarder:
        forwarder.pull()
        gateway.up()
        for town in towns:
            forwarder.push(rxpk(town.join_request(1)))
            forwarder.answer_pull_resp()
            town.application.wait(lambda town=town: town.application.joins == [town.dev_eui], "join")  # type: ignore[misc]
        yield forwarder


@pytest.mark.live
def test_neither_city_ever_sees_a_frame_of_the_other(forwarder: Forwarder, towns: tuple[Town, Town]) -> None:
    dortmund, schwerte = towns
    stranger = Device("70b3d57ed0000009", 0x26011A01, SessionKeys(bytes(16), bytes(16)))
    for f_cnt in range(2):
        elements = [rxpk(town.uplink(f_cnt)) for town in towns]
        forwarder.push(*elements, rxpk(data_uplink(stranger, f_cnt, b"", confirmed=False)), rxpk(b"\xe0proprietary"))
    for town in towns:
        town.wait(2)

    assert [up.dev_eui for up in dortmund.application.ups] == [dortmund.dev_eui] * 2
    for town in towns:
        assert town.heard() == {town.join_request(1), town.uplink(0), town.uplink(1)}
        assert int(town.device.dev_addr) >> 25 == int(town.service.live._core.settings.net_id, 16)
    assert dortmund.heard().isdisjoint(schwerte.heard())


@pytest.mark.live
@pytest.mark.parametrize("dead", [0, 1])
def test_a_dead_city_never_delays_the_other_and_gets_its_own_later(
    dead: int, forwarder: Forwarder, gateway: GatewayThread, towns: tuple[Town, Town], clock: ShiftClock
) -> None:
    away, alive = towns[dead], towns[1 - dead]
    away.broker.stop()
    wait_for(lambda: not gateway.daemon.relays[dead].turns.up, "one destination down")
    sent_us = []
    for f_cnt in range(3):
        clock.advance(600)
        sent_us.append(clock.wall_us())
        forwarder.push(rxpk(away.uplink(f_cnt)), rxpk(alive.uplink(f_cnt)))
        alive.wait(f_cnt + 1)
    assert not any("spatz_late" in up.marks for up in alive.application.ups), "live all the time"
    assert gateway.daemon.relays[dead].buffered == 3

    away.broker.start()
    away.wait(3)
    assert [up.f_cnt for up in away.application.ups] == [0, 1, 2]
    for up, at_us in zip(away.application.ups, sent_us, strict=True):
        assert abs(up.time_us - at_us) < 2_000_000
    assert len(alive.application.ups) == 3


@pytest.mark.live
def test_only_the_owner_of_a_device_may_transmit_to_it(forwarder: Forwarder, towns: tuple[Town, Town]) -> None:
    dortmund, schwerte = towns
    forwarder.push(rxpk(schwerte.uplink(0, confirmed=True)))
    owners = forwarder.answer_pull_resp()
    schwerte.listener.wait(lambda heard: len(heard.acks()) == 2, "acknowledgements of join and answer")

    # Dortmund's server, or who has its credentials, orders a transmission to Schwerte's device.
    stolen = _order(schwerte, DataFrame(FType.UNCONFIRMED_DOWN, f"{schwerte.device.dev_addr:08x}", 9, f_port=1))
    dortmund.listener.send_downlink(stolen)
    dortmund.listener.wait(lambda heard: len(heard.acks()) == 2, "the refusal")

    assert [item.status for item in dortmund.listener.acks()[-1].items] == [gw.INTERNAL_ERROR]
    assert owners["tmst"] > 0
    assert forwarder.pull()[3] == 4, "nothing was transmitted"


def _order(town: Town, frame: DataFrame) -> Any:
    order = gw.DownlinkFrame(downlink_id=99, gateway_id=EUI)
    item = order.items.add(phy_payload=frame.build(town.device.keys, 9))
    item.tx_info.frequency, item.tx_info.power = 869_525_000, 14
    item.tx_info.modulation.lora.bandwidth, item.tx_info.modulation.lora.spreading_factor = 125_000, 12
    item.tx_info.timing.immediately.SetInParent()
    return order
