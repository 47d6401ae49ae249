"""The gateway as a process between a packet forwarder and a real broker; rules 1, 2, 7, 12 and 13 of
facts/gateway.md section 6 by number.
"""

from __future__ import annotations

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw

from bench.broker import Broker
from tests.gateway.kit import (
    EUI,
    Forwarder,
    GatewayProcess,
    Listener,
    address_and_counter,
    data_frame,
    downlink_frame,
    join_request,
    push_data,
    rxpk,
    wait_for,
    write_settings,
)

pytestmark = pytest.mark.live


def order(context: bytes, downlink_id: int = 1, delay_s: int = 1, phy: bytes | None = None, items: int = 1) -> Any:
    frame = gw.DownlinkFrame(downlink_id=downlink_id, gateway_id=EUI)
    for number in range(items):
        item = frame.items.add()
        item.phy_payload = phy or downlink_frame()
        item.tx_info.frequency = 868_100_000 if number == 0 else 869_525_000
        item.tx_info.power = 14
        lora = item.tx_info.modulation.lora
        lora.bandwidth, lora.spreading_factor, lora.code_rate = 125_000, 7, gw.CR_4_5
        lora.polarization_inversion = True
        item.tx_info.timing.delay.delay.seconds = delay_s + number
        item.tx_info.context = context
    return frame


def health(gateway: GatewayProcess) -> dict[str, Any]:
    with urllib.request.urlopen(f"http://{gateway.status}/health", timeout=5) as answer:
        content: dict[str, Any] = json.load(answer)
    return content


def test_a_frame_reaches_the_broker_as_protobuf(forwarder: Forwarder, listener: Listener) -> None:
    assert forwarder.push(rxpk(data_frame(0x26011BDA, 7), tmst=1234)) == b"\x02\x00\x01\x01"

    frame = listener.wait_uplinks(1)[0]
    assert frame.phy_payload == data_frame(0x26011BDA, 7)
    assert frame.rx_info.gateway_id == EUI
    assert (frame.rx_info.rssi, frame.rx_info.snr, frame.rx_info.crc_status) == (-60, 7.5, gw.CRC_OK)
    assert not frame.rx_info.metadata
    expected = gw.UplinkTxInfo(frequency=868_100_000)
    expected.modulation.lora.bandwidth, expected.modulation.lora.spreading_factor = 125_000, 7
    expected.modulation.lora.code_rate = gw.CR_4_5
    assert frame.tx_info.SerializeToString() == expected.SerializeToString()


def test_version_1_forwarders_are_served_in_their_version(gateway: GatewayProcess, listener: Listener) -> None:
    with Forwarder(gateway.address, version=1) as old:
        assert old.pull() == b"\x01\x12\x34\x04"
        assert old.push(rxpk(data_frame(1, 1))) == b"\x01\x00\x01\x01"
        context = listener.wait_uplinks(1)[0].rx_info.context
        listener.send_downlink(order(context))
        assert json.loads(old.down.recv(65536)[4:])["txpk"]["tmst"] == 1234 + 1_000_000
    listener.wait(lambda one: bool(one.acks()), "acknowledgement without TX_ACK")
    assert [item.status for item in listener.acks()[0].items] == [gw.OK]


def test_one_bad_element_does_not_cost_the_others(forwarder: Forwarder, listener: Listener) -> None:
    good = rxpk(data_frame(1, 1))
    forwarder.push(rxpk(b"", data="???"), rxpk(data_frame(9, 9), freq="x"), good, rxpk(data_frame(9, 8), datr=None))

    assert [frame.phy_payload for frame in listener.wait_uplinks(1)] == [data_frame(1, 1)]


def test_rule_01_a_frame_is_acknowledged_only_once_it_would_survive_a_kill(broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    settings = write_settings(tmp_path, broker.url)
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        for counter in range(5):
            forwarder.push(rxpk(data_frame(counter, counter)))
        gateway.kill()
    broker.start()

    with Listener(broker) as listener, GatewayProcess(settings):
        frames = listener.wait_uplinks(5)
    assert {address_and_counter(frame.phy_payload) for frame in frames} == {(n, n) for n in range(5)}


def test_rule_01_a_frame_is_kept_while_no_server_listens(broker: Broker, tmp_path: Path) -> None:
    settings = write_settings(tmp_path, broker.url, "[status]\nbind = '127.0.0.1:0'")
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        gateway.wait_event("destination up")
        forwarder.push(rxpk(data_frame(1, 1)))
        gateway.wait_event("frame held", kind="city: unheard")
        forwarder.push(rxpk(data_frame(1, 2)))
        assert health(gateway)["buffered"] == 2
        assert health(gateway)["destinations"]["city"]["state"] == "holding"

        with Listener(broker) as listener:
            frames = listener.wait_uplinks(2)
        wait_for(lambda: health(gateway)["buffered"] == 0, "empty buffer")
    assert [address_and_counter(frame.phy_payload) for frame in frames] == [(1, 1), (1, 2)]


def test_rule_02_join_requests_of_an_outage_are_never_published(broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    settings = write_settings(tmp_path, broker.url, destination='join_lifetime = "1ms"')
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        forwarder.push(rxpk(join_request(1)))
        forwarder.push(rxpk(data_frame(1, 1)))
        broker.start()
        with Listener(broker) as listener:
            frames = listener.wait_uplinks(1)
    assert [frame.phy_payload for frame in frames] == [data_frame(1, 1)]


def test_rule_02_join_requests_do_not_survive_a_restart(broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    settings = write_settings(tmp_path, broker.url)
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        forwarder.push(rxpk(join_request(1)), rxpk(data_frame(1, 1)))
        gateway.kill()
    broker.start()

    with Listener(broker) as listener, GatewayProcess(settings):
        frames = listener.wait_uplinks(1)
    assert [frame.phy_payload for frame in frames] == [data_frame(1, 1)]


def test_rule_02_only_uplinks_with_good_checksums_are_relayed(forwarder: Forwarder, listener: Listener) -> None:
    forwarder.push(
        rxpk(data_frame(1, 1), stat=-1),
        rxpk(data_frame(1, 2), stat=0),
        rxpk(downlink_frame()),
        rxpk(data_frame(1, 3)[:9]),
        rxpk(join_request(5)),
        rxpk(b"\xe0proprietary"),
        rxpk(data_frame(1, 4)),
    )

    frames = {bytes(frame.phy_payload) for frame in listener.wait_uplinks(3)}
    assert frames == {join_request(5), b"\xe0proprietary", data_frame(1, 4)}


def test_rule_07_the_context_is_ours_and_leads_back_to_the_counter(forwarder: Forwarder, listener: Listener) -> None:
    forwarder.push(rxpk(data_frame(1, 1), tmst=0xFFFFFFFF))
    context = listener.wait_uplinks(1)[0].rx_info.context
    assert len(context) == 1 + 4 + 8 + 4
    assert context != (0xFFFFFFFF).to_bytes(4, "big")

    listener.send_downlink(order(context))

    assert forwarder.answer_pull_resp()["tmst"] == 999_999  # wraps at 2^32
    listener.wait(lambda one: bool(one.acks()), "acknowledgement")
    assert [item.status for item in listener.acks()[0].items] == [gw.OK]


@pytest.mark.parametrize(
    "context",
    [b"", b"\0\0\x04\xd2", b"\x01ABCD" + bytes(8) + b"\0\0\x04\xd2"],
    ids=["none", "raw counter", "of an earlier run"],
)
def test_rule_07_a_foreign_context_never_reaches_the_radio(
    context: bytes, gateway: GatewayProcess, forwarder: Forwarder, listener: Listener
) -> None:
    listener.send_downlink(order(context, items=2))

    listener.wait(lambda one: bool(one.acks()), "acknowledgement")
    assert [item.status for item in listener.acks()[0].items] == [gw.TOO_LATE, gw.TOO_LATE]
    assert forwarder.pull()[3] == 4, "nothing but the answer to our own question may come down"


def test_rule_07_a_replayed_frame_is_not_answered(broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    settings = write_settings(tmp_path, broker.url)
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        forwarder.push(rxpk(data_frame(1, 1)))
        gateway.kill()
    broker.start()

    with Listener(broker) as listener, GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        frame = listener.wait_uplinks(1)[0]
        listener.send_downlink(order(frame.rx_info.context))
        listener.wait(lambda one: bool(one.acks()), "acknowledgement")
        assert [item.status for item in listener.acks()[0].items] == [gw.TOO_LATE]
        assert forwarder.pull()[3] == 4


def test_rule_12_an_order_given_twice_is_carried_out_once(forwarder: Forwarder, listener: Listener) -> None:
    forwarder.push(rxpk(data_frame(1, 1)))
    context = listener.wait_uplinks(1)[0].rx_info.context
    listener.send_downlink(order(context, downlink_id=5))
    forwarder.answer_pull_resp()
    listener.send_downlink(order(context, downlink_id=5))
    listener.send_downlink(order(context, downlink_id=6))
    forwarder.answer_pull_resp()

    listener.wait(lambda one: len(one.acks()) == 2, "two acknowledgements")
    assert [ack.downlink_id for ack in listener.acks()] == [5, 6]


def test_rule_12_the_second_window_is_tried_when_the_first_is_refused(forwarder: Forwarder, listener: Listener) -> None:
    forwarder.push(rxpk(data_frame(1, 1)))
    context = listener.wait_uplinks(1)[0].rx_info.context
    listener.send_downlink(order(context, items=2))

    first = forwarder.answer_pull_resp("COLLISION_PACKET")
    second = forwarder.answer_pull_resp()

    assert (first["freq"], second["freq"]) == (868.1, 869.525)
    assert second["tmst"] - first["tmst"] == 1_000_000
    listener.wait(lambda one: bool(one.acks()), "acknowledgement")
    assert [item.status for item in listener.acks()[0].items] == [gw.COLLISION_PACKET, gw.OK]


def test_rule_12_an_order_after_its_moment_is_refused(forwarder: Forwarder, listener: Listener) -> None:
    forwarder.push(rxpk(data_frame(1, 1)))
    frame = listener.wait_uplinks(1)[0]
    late = order(frame.rx_info.context, delay_s=0)
    late.items[0].tx_info.timing.delay.delay.nanos = 40_000_000

    listener.send_downlink(late)

    listener.wait(lambda one: bool(one.acks()), "acknowledgement")
    assert [item.status for item in listener.acks()[0].items] == [gw.TOO_LATE]


def test_rule_12_pull_data_is_answered_without_a_broker(broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    with (
        GatewayProcess(write_settings(tmp_path, broker.url)) as gateway,
        Forwarder(gateway.address) as forwarder,
    ):
        assert forwarder.pull() == b"\x02\x12\x34\x04"


def test_rule_13_online_stands_after_the_subscription_and_offline_after_the_stop(
    broker: Broker, tmp_path: Path
) -> None:
    with Listener(broker) as listener:
        with GatewayProcess(write_settings(tmp_path, broker.url)) as gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            listener.wait(lambda one: one.states() == ["ONLINE"], "ONLINE")
            log = broker.log_file.read_text()
            assert gateway.stop() == 0
        listener.wait(lambda one: len(one.states()) >= 2, "OFFLINE")
        assert listener.states() == ["ONLINE", "OFFLINE"]
    with Listener(broker) as later:
        later.wait(lambda one: one.states() == ["OFFLINE"], "retained OFFLINE")
        assert later.messages[0][2], "retained"
    assert "spatz-" in log


def test_rule_13_a_killed_gateway_is_offline_by_its_will(broker: Broker, tmp_path: Path) -> None:
    with Listener(broker) as listener:
        gateway = GatewayProcess(write_settings(tmp_path, broker.url))
        with gateway, Forwarder(gateway.address) as forwarder:
            forwarder.pull()
            listener.wait(lambda one: one.states() == ["ONLINE"], "ONLINE")
            gateway.kill()
            listener.wait(lambda one: one.states() == ["ONLINE", "OFFLINE"], "OFFLINE")


def test_frames_pass_again_after_the_broker_was_away(
    gateway: GatewayProcess, forwarder: Forwarder, broker: Broker, listener: Listener
) -> None:
    broker.kill()
    gateway.wait_event("destination down")
    started = time.monotonic()
    for counter in range(1, 4):
        forwarder.push(rxpk(data_frame(1, counter)))
        forwarder.push(rxpk(data_frame(2, counter)))
    assert time.monotonic() - started < 5, "acknowledged without a broker"
    broker.start()

    frames = listener.wait_uplinks(6)
    for dev_addr in (1, 2):
        counters = [c for a, c in (address_and_counter(frame.phy_payload) for frame in frames) if a == dev_addr]
        assert counters == [1, 2, 3]


def test_a_second_gateway_on_the_same_spool_is_refused(gateway: GatewayProcess, broker: Broker, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match="in use by another gateway"):
        GatewayProcess(write_settings(tmp_path, broker.url))


def test_a_doubled_datagram_is_relayed_once_and_acknowledged_twice(forwarder: Forwarder, listener: Listener) -> None:
    datagram = push_data([rxpk(data_frame(1, 1))], token=0x0707)
    for _ in range(2):
        forwarder.up.send(datagram)
    assert [forwarder.up.recv(64) for _ in range(2)] == [b"\x02\x07\x07\x01"] * 2
    forwarder.push(rxpk(data_frame(2, 1)))

    frames = listener.wait_uplinks(2)
    assert [frame.phy_payload for frame in frames] == [data_frame(1, 1), data_frame(2, 1)]
