"""Source "concentratord": its messages, and the source on genuine ZeroMQ sockets with a real broker behind it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from chirpstack_api import gw
from hypothesis import given
from hypothesis import strategies as st

from bench.broker import Broker
from gateway.concentratord import messages
from gateway.errors import BadFrame
from gateway.forwarders import chirpstack_messages
from gateway.frames import (
    Counts,
    Crc,
    Delay,
    DownlinkItem,
    Fsk,
    GatewayReport,
    GpsTime,
    Immediately,
    LoRa,
    Moment,
    TxStatus,
    Uplink,
)
from gateway.gps_time import utc_from_gps_us
from gateway.logs import Tally
from gateway.setting_types import ZmqUrl
from gateway.sources.concentratord import ConcentratordSource
from gateway.statistics import Ledger
from gateway.status import health
from tests.gateway.concentratord import Concentratord, stats_event, uplink_event
from tests.gateway.kit import (
    EUI,
    FakeClock,
    GatewayProcess,
    GatewayThread,
    Listener,
    ShiftClock,
    data_frame,
    downlink_frame,
    write_settings,
)

COUNTER = b"\0\0\x04\xd2"


def item(**changes: Any) -> DownlinkItem:
    values: dict[str, Any] = {
        "phy_payload": downlink_frame(),
        "frequency_hz": 868_100_000,
        "power_dbm": 14,
        "modulation": LoRa(7, 125_000, "4/5"),
        "timing": Delay(1_500_000),
        "context": COUNTER,
    }
    return DownlinkItem(**{**values, **changes})


def test_an_uplink_event_becomes_an_uplink() -> None:
    event = messages.read_event(uplink_event(data_frame(1, 2)).SerializeToString())
    assert isinstance(event, Uplink)
    assert (event.gateway_id, event.phy_payload, event.frequency_hz) == (EUI, data_frame(1, 2), 868_100_000)
    assert (event.modulation, event.rssi_dbm, event.snr_db, event.crc) == (LoRa(7, 125_000), -60, 7.5, Crc.OK)
    assert (event.uplink_id, event.context) == (4711, COUNTER)


def test_only_gps_time_is_believed() -> None:
    event = uplink_event(data_frame(1, 2))
    blind = messages.read_event(event.SerializeToString())
    assert isinstance(blind, Uplink)
    assert (blind.gps_us, blind.utc_us) == (None, None)
    event.uplink_frame.rx_info.time_since_gps_epoch.seconds = 1_400_000_000
    seeing = messages.read_event(event.SerializeToString())
    assert isinstance(seeing, Uplink)
    assert seeing.gps_us == 1_400_000_000_000_000
    assert seeing.utc_us == utc_from_gps_us(1_400_000_000_000_000)


def test_counters_and_mesh_messages_are_told_apart() -> None:
    report = messages.read_event(stats_event(10).SerializeToString())
    counts = Counts({868_100_000: 10}, {}, {LoRa(7, 125_000): 10}, {}, {"OK": 2})
    assert report == GatewayReport(EUI, rx_received=10, rx_ok=9, latitude=51.5, longitude=7.4, counts=counts)
    mesh = gw.Event(mesh=gw.MeshEvent(gateway_id=EUI))
    assert messages.read_event(mesh.SerializeToString()) == messages.Mesh(EUI)


def test_counters_reach_the_server_as_concentratord_told_them_and_add_up_in_an_outage() -> None:
    report = messages.read_event(stats_event(10).SerializeToString())
    assert isinstance(report, GatewayReport)
    ledger = Ledger()
    for mono_us in (0, 30_000_000):
        ledger.add(report, Moment(1, mono_us, mono_us))
    told = chirpstack_messages.stats(ledger.take()[0].report, None)
    assert dict(told.rx_packets_per_frequency) == {868_100_000: 20}
    assert dict(told.tx_packets_per_status) == {"OK": 4}
    assert [(one.modulation.lora.spreading_factor, one.count) for one in told.rx_packets_per_modulation] == [(7, 20)]


@pytest.mark.parametrize(
    ("event", "kind"),
    [
        (b"\xff\xff\xff", "event"),
        (b"", "event-empty"),
        (uplink_event(b""), "size"),
        (uplink_event(bytes(256)), "size"),
        (uplink_event(b"abcde", gateway_id="0016C001FF10A235"), "gateway-id"),
        (uplink_event(b"abcde", gateway_id="../../etc/passwd"), "gateway-id"),
        (uplink_event(b"abcde", rssi=-2000), "rssi"),
        (uplink_event(b"abcde", context=bytes(33)), "context"),
        (gw.Event(uplink_frame=gw.UplinkFrame(phy_payload=b"a")), "freq"),
    ],
)
def test_what_cannot_be_an_event_is_named(event: Any, kind: str) -> None:
    data = event if isinstance(event, bytes) else event.SerializeToString()
    with pytest.raises(BadFrame, match=f"^{kind}$"):
        messages.read_event(data)


@given(st.binary(max_size=400))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    for read in (messages.read_event, messages.read_gateway_id, lambda answer: messages.read_verdict(answer, 1)):
        with contextlib.suppress(BadFrame):
            read(data)


@pytest.mark.parametrize("timing", [Delay(1_500_000), Immediately(), GpsTime(1_400_000_000_123_456)])
def test_an_order_carries_everything_of_its_item(timing: Any) -> None:
    command = gw.Command.FromString(messages.order(EUI, 7, item(timing=timing, preamble=8, no_crc=True)))
    frame = command.send_downlink_frame
    assert (frame.downlink_id, frame.gateway_id, len(frame.items)) == (7, EUI, 1)
    info = frame.items[0].tx_info
    assert (info.frequency, info.power, info.context) == (868_100_000, 14, COUNTER)
    lora = info.modulation.lora
    assert (lora.spreading_factor, lora.polarization_inversion, lora.preamble, lora.no_crc) == (7, True, 8, True)
    if isinstance(timing, Delay):
        assert (info.timing.delay.delay.seconds, info.timing.delay.delay.nanos) == (1, 500_000_000)
    elif isinstance(timing, GpsTime):
        since = info.timing.gps_epoch.time_since_gps_epoch
        assert (since.seconds, since.nanos) == (1_400_000_000, 123_456_000)
    else:
        assert info.timing.WhichOneof("parameters") == "immediately"


def test_an_order_may_be_fsk() -> None:
    command = gw.Command.FromString(messages.order(EUI, 7, item(modulation=Fsk(50_000))))
    assert command.send_downlink_frame.items[0].tx_info.modulation.fsk.datarate == 50_000


@pytest.mark.parametrize("status", list(TxStatus))
def test_every_status_is_understood(status: TxStatus) -> None:
    ack = gw.DownlinkTxAck(downlink_id=7)
    ack.items.add().status = int(status)
    assert messages.read_verdict(ack.SerializeToString(), 7) is status


def test_an_answer_to_another_order_is_none() -> None:
    ack = gw.DownlinkTxAck(downlink_id=6)
    ack.items.add().status = gw.OK
    with pytest.raises(BadFrame):
        messages.read_verdict(ack.SerializeToString(), 7)
    assert messages.read_verdict(b"", 7) is TxStatus.INTERNAL_ERROR


# On real sockets


class Sink:
    """Stores nothing until told to."""

    def __init__(self) -> None:
        self.uplinks: list[Uplink] = []
        self.open: list[asyncio.Future[bool]] = []
        self.stuck = False

    def receive(self, uplinks: Any) -> asyncio.Future[bool]:
        self.uplinks += uplinks
        done: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        if self.stuck:
            self.open.append(done)
        else:
            done.set_result(True)
        return done

    def report(self, report: GatewayReport) -> None:
        pass

    def concentrator(self, gateway_id: str, source: Any) -> None:
        pass


def source_for(daemon: Concentratord, sink: Sink, only: str = "") -> ConcentratordSource:
    return ConcentratordSource(
        ZmqUrl.parse(daemon.event_url),
        ZmqUrl.parse(daemon.command_url),
        only=only,
        sink=sink,
        clock=FakeClock(),
        tally=Tally(),
    )


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Concentratord]:
    with Concentratord(tmp_path) as one:
        yield one


async def until(condition: Any, patience_s: float = 20.0) -> None:
    async with asyncio.timeout(patience_s):
        while not condition():
            await asyncio.sleep(0.005)


def test_a_burst_larger_than_any_queue_of_zeromq_is_taken_whole(daemon: Concentratord) -> None:
    sink = Sink()

    async def scenario() -> None:
        source = source_for(daemon, sink)
        await source.start()
        await asyncio.to_thread(daemon.wait_subscriber)
        sender = threading.Thread(
            target=lambda: [daemon.publish(uplink_event(data_frame(n % 50, n))) for n in range(3000)]
        )
        sender.start()
        await until(lambda: len(sink.uplinks) == 3000)
        await source.stop()
        sender.join()

    asyncio.run(scenario())
    assert [int.from_bytes(one.phy_payload[6:8], "little") for one in sink.uplinks] == list(range(3000))


def test_reading_stops_while_the_disk_does_not_follow_and_nothing_is_lost(daemon: Concentratord) -> None:
    sink = Sink()
    sink.stuck = True

    async def scenario() -> None:
        source = source_for(daemon, sink)
        await source.start()
        await asyncio.to_thread(daemon.wait_subscriber)
        for n in range(4000):
            daemon.publish(uplink_event(data_frame(1, n)))
        await until(lambda: len(sink.uplinks) > 1024)
        for _ in range(200):
            await asyncio.sleep(0)
        assert len(sink.uplinks) < 1024 + 2 * 256
        sink.stuck = False
        for done in sink.open:
            done.set_result(True)
        await until(lambda: len(sink.uplinks) == 4000)
        await source.stop()

    asyncio.run(scenario())


def test_a_command_without_an_answer_is_given_up_and_the_next_one_is_answered(daemon: Concentratord) -> None:
    async def scenario() -> list[str]:
        source = source_for(daemon, Sink())
        await source.start()
        await until(lambda: source.reachable() == {EUI})
        daemon.silent = True
        said = []
        try:
            await source.transmit(EUI, item(), 1_000_000)
        except Exception as error:
            said.append(str(error))
        daemon.silent = False
        said.append((await source.transmit(EUI, item(), 1_000_000)).name)
        await source.stop()
        return said

    assert asyncio.run(scenario()) == ["no answer from Concentratord within 100 ms", "OK"]


def test_an_order_that_waited_too_long_for_its_turn_is_too_late(daemon: Concentratord) -> None:
    async def scenario() -> list[Any]:
        source = source_for(daemon, Sink())
        await source.start()
        await until(lambda: source.reachable() == {EUI})
        clock = source._clock
        assert isinstance(clock, FakeClock)
        await source._turn.acquire()
        waiting = asyncio.create_task(source.transmit(EUI, item(), 500_000))
        await asyncio.sleep(0)
        clock.advance(0.47)
        source._turn.release()
        verdict = await waiting
        await source.stop()
        return [verdict, len(daemon.orders())]

    assert asyncio.run(scenario()) == [TxStatus.TOO_LATE, 0]


def test_orders_to_a_concentratord_that_is_away_are_not_carried_out_when_it_comes_back(tmp_path: Path) -> None:
    daemon = Concentratord(tmp_path)

    async def scenario() -> None:
        source = source_for(daemon, Sink())
        await source.start()
        await until(lambda: source.reachable() == {EUI})
        await asyncio.to_thread(daemon.stop)
        with pytest.raises(Exception, match="no answer"):
            await source.transmit(EUI, item(), 5_000_000)
        daemon.commands.clear()
        daemon.start()
        await until(lambda: bool(daemon.commands))
        assert daemon.orders() == []
        assert (await source.transmit(EUI, item(), 5_000_000)) is TxStatus.OK
        await source.stop()

    asyncio.run(scenario())
    daemon.stop()


def test_garbage_on_both_sockets_is_counted_and_forgotten(daemon: Concentratord) -> None:
    sink = Sink()

    async def scenario() -> tuple[dict[Any, int], str]:
        source = source_for(daemon, sink)
        await source.start()
        await asyncio.to_thread(daemon.wait_subscriber)
        await until(lambda: source.reachable() == {EUI})
        for data in (b"", b"\xff" * 300, uplink_event(b"", gateway_id="nobody"), gw.Event(mesh=gw.MeshEvent())):
            daemon.publish(data)
        daemon.answers = [b"\xff\xff"]
        why = ""
        try:
            await source.transmit(EUI, item(), None)
        except Exception as error:
            why = str(error)
        daemon.publish(uplink_event(data_frame(1, 1)))
        await until(lambda: len(sink.uplinks) == 1)
        await source.stop()
        return dict(source._tally.counts), why

    counts, why = asyncio.run(scenario())
    assert why == "Concentratord answered something else (answer)"
    assert counts == {
        ("event refused", "event-empty"): 1,
        ("event refused", "event"): 1,
        ("event refused", "size"): 1,
        ("event refused", "gateway-id"): 1,
    }


def test_another_concentrator_than_the_one_in_the_settings_is_refused(daemon: Concentratord) -> None:
    sink = Sink()

    async def scenario() -> dict[Any, int]:
        source = source_for(daemon, sink, only="00" * 8)
        await source.start()
        await asyncio.to_thread(daemon.wait_subscriber)
        daemon.publish(uplink_event(data_frame(1, 1)))
        await until(lambda: ("event refused", "gateway-unknown") in source._tally.counts)
        assert source.reachable() == frozenset()
        with pytest.raises(Exception, match="serves nobody yet"):
            await source.transmit(EUI, item(), None)
        await source.stop()
        return dict(source._tally.counts)

    assert asyncio.run(scenario())["concentratord refused", "gateway-unknown"] >= 1
    assert sink.uplinks == []


def test_oversized_messages_close_the_door_and_no_more(tmp_path: Path, daemon: Concentratord) -> None:
    sink = Sink()

    async def scenario() -> None:
        source = source_for(daemon, sink)
        await source.start()
        await asyncio.to_thread(daemon.wait_subscriber)
        daemon.publish(bytes(1 << 20))
        # ZeroMQ hangs up on a peer that sends too much, and calls again.
        while not sink.uplinks:
            daemon.publish(uplink_event(data_frame(1, 1)))
            await asyncio.sleep(0.02)
        await source.stop()

    asyncio.run(scenario())


# The whole gateway


def settings_for(tmp_path: Path, broker: Broker, daemon: Concentratord) -> Path:
    path = write_settings(tmp_path, broker.url)
    text = path.read_text().replace(
        'type = "semtech_udp"\nbind = "127.0.0.1:0"',
        f'type = "concentratord"\nevent = "{daemon.event_url}"\ncommand = "{daemon.command_url}"',
    )
    path.write_text(text)
    return path


@pytest.mark.live
def test_frames_go_up_and_downlinks_come_back_through_the_whole_gateway(
    tmp_path: Path, broker: Broker, daemon: Concentratord
) -> None:
    settings = settings_for(tmp_path, broker, daemon)
    with Listener(broker) as listener, GatewayThread(settings, ShiftClock()) as gateway:
        # GetGatewayId at the start: the gateway is announced before the first frame.
        gateway.up()
        listener.wait(lambda one: one.states() == ["ONLINE"], "online")
        daemon.publish(uplink_event(data_frame(0x26011BDA, 1)))
        frame = listener.wait_uplinks(1)[0]
        assert (frame.rx_info.gateway_id, frame.rx_info.uplink_id) == (EUI, 4711)

        order = gw.DownlinkFrame(downlink_id=99, gateway_id=EUI)
        for hz, seconds in ((868_100_000, 5), (869_525_000, 6)):  # RX1DELAY is the network's choice
            target = order.items.add(phy_payload=downlink_frame(0x26011BDA))
            target.tx_info.frequency, target.tx_info.power = hz, 14
            target.tx_info.modulation.lora.spreading_factor = 7
            target.tx_info.modulation.lora.bandwidth = 125_000
            target.tx_info.modulation.lora.polarization_inversion = True
            target.tx_info.timing.delay.delay.seconds = seconds
            target.tx_info.context = frame.rx_info.context
        daemon.status = gw.COLLISION_PACKET
        listener.send_downlink(order)
        listener.wait(lambda one: len(one.acks()) == 1, "an answer")
        assert [one.status for one in listener.acks()[0].items] == [gw.COLLISION_PACKET, gw.COLLISION_PACKET]
        sent = daemon.orders()
        assert [one.items[0].tx_info.timing.delay.delay.seconds for one in sent] == [5, 6]
        # Concentratord's own context, not the gateway's envelope around it.
        assert {one.items[0].tx_info.context for one in sent} == {COUNTER}

        daemon.publish(stats_event(10))
        listener.wait(lambda one: bool(one.of("/event/stats")), "counters")

        # What was refused cost no airtime; what is sent does, and a restart does not forget it.
        assert health(gateway.daemon)["duty_cycle"] == []
        daemon.status, order.downlink_id = gw.OK, 100
        # Of another device: a second frame of the first would wait its turn (rule 4), and so miss its RX1.
        daemon.publish(uplink_event(data_frame(0x26011BDB, 1)))
        context = listener.wait_uplinks(2)[1].rx_info.context
        for target in order.items:
            target.tx_info.context = context
        listener.send_downlink(order)
        listener.wait(lambda one: len(one.acks()) == 2, "an answer")
        assert [one.status for one in listener.acks()[1].items] == [gw.OK, gw.IGNORED]
        used = health(gateway.daemon)["duty_cycle"]
        assert [(one["gateway_id"], one["band"]) for one in used] == [(EUI, "868.0-868.6")]
    with GatewayThread(settings, ShiftClock()) as gateway:
        assert health(gateway.daemon)["duty_cycle"] == used


@pytest.mark.live
def test_a_concentratord_that_restarts_is_found_again(tmp_path: Path, broker: Broker) -> None:
    daemon = Concentratord(tmp_path)
    with Listener(broker) as listener, GatewayProcess(settings_for(tmp_path, broker, daemon)):
        daemon.wait_subscriber()
        daemon.publish(uplink_event(data_frame(1, 1)))
        listener.wait_uplinks(1)
        daemon.stop()
        daemon.start()
        daemon.wait_subscriber()
        daemon.publish(uplink_event(data_frame(1, 2)))
        listener.wait_uplinks(2)
    daemon.stop()


@pytest.mark.live
def test_a_gateway_may_be_started_before_concentratord(tmp_path: Path, broker: Broker) -> None:
    daemon = Concentratord(tmp_path)
    daemon.stop()
    with Listener(broker) as listener, GatewayProcess(settings_for(tmp_path, broker, daemon)) as gateway:
        gateway.wait_event("concentratord silent")
        daemon.start()
        gateway.wait_event("concentratord serves", gateway=EUI)
        daemon.wait_subscriber()
        daemon.publish(uplink_event(data_frame(1, 1)))
        listener.wait_uplinks(1)
    daemon.stop()


@pytest.mark.live
def test_frames_published_while_the_broker_is_away_arrive_later(
    tmp_path: Path, broker: Broker, daemon: Concentratord
) -> None:
    with GatewayProcess(settings_for(tmp_path, broker, daemon)) as gateway:
        daemon.wait_subscriber()
        gateway.wait_event("destination up")
        broker.stop()
        gateway.wait_event("destination down")
        for n in range(20):
            daemon.publish(uplink_event(data_frame(100 + n, n)))
        broker.start()
        with Listener(broker) as listener:
            assert len({bytes(one.phy_payload) for one in listener.wait_uplinks(20)}) == 20
