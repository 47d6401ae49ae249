"""Byte budgets: the pure counter, the wire, and a gateway that has nearly used up its day."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path

import pytest

from bench.broker import Broker
from gateway.budget import Allowance, Budget
from gateway.clock import SystemClock
from gateway.forwarders.wire import Wire
from gateway.settings import load
from gateway.store import Store
from gateway.turns import Parcel, Rules, Turns
from tests.gateway.kit import (
    FakeClock,
    Forwarder,
    GatewayThread,
    Listener,
    ShiftClock,
    data_frame,
    join_request,
    rxpk,
    uplink,
    wait_for,
    write_settings,
)

DAY_US = 86_400_000_000
NOON_US = 20_000 * DAY_US + DAY_US // 2
LIMIT = 1_000_000


def test_the_last_fifth_is_kept_for_live_frames() -> None:
    budget = Budget(per_day=LIMIT)
    assert budget.spend(799_999, NOON_US, 0) is Allowance.ALL
    assert budget.spend(800_000, NOON_US, 1) is Allowance.LIVE
    assert budget.spend(999_999, NOON_US, 2) is Allowance.LIVE
    assert budget.spend(1_000_000, NOON_US, 3) is Allowance.NOTHING


def test_a_new_day_is_a_new_budget_and_a_month_goes_on() -> None:
    budget = Budget(per_day=LIMIT, per_month=2 * LIMIT)
    budget.spend(LIMIT, NOON_US, 0)
    assert budget.spend(LIMIT + 10, NOON_US + DAY_US, DAY_US) is Allowance.ALL
    assert [tuple(period) for period in budget.periods()] == [("day", LIMIT, 10), ("month", 2 * LIMIT, LIMIT + 10)]
    assert budget.spend(2 * LIMIT, NOON_US + DAY_US, DAY_US) is Allowance.NOTHING
    assert budget.spend(2 * LIMIT, NOON_US + 31 * DAY_US, 31 * DAY_US) is Allowance.ALL


def test_without_a_limit_everything_may_be_sent_and_is_counted() -> None:
    budget = Budget()
    assert budget.spend(1 << 40, None, 0) is Allowance.ALL
    assert not budget.limited
    assert budget.periods()[0].used_bytes == 1 << 40


def test_a_clock_nobody_vouches_for_ends_no_period_before_its_time() -> None:
    budget = Budget(per_day=LIMIT)
    budget.spend(LIMIT, NOON_US, 0)
    assert budget.spend(LIMIT, None, DAY_US - 1) is Allowance.NOTHING
    assert budget.spend(LIMIT, None, DAY_US) is Allowance.ALL
    # The clock becomes good in the middle of that period: it is still the same one.
    budget.spend(2 * LIMIT, None, DAY_US + 1)
    assert budget.spend(2 * LIMIT, NOON_US, DAY_US + 2) is Allowance.NOTHING


def test_a_budget_goes_on_after_a_restart() -> None:
    before = Budget(per_day=LIMIT)
    before.spend(LIMIT, NOON_US, 5)
    same_day, next_day = (Budget(per_day=LIMIT, notes=before.notes()) for _ in range(2))
    assert same_day.spend(0, NOON_US, 1) is Allowance.NOTHING
    assert next_day.spend(0, NOON_US + DAY_US, 1) is Allowance.ALL


def parcel(clock: FakeClock, seq: int, stored: bool = True) -> Parcel:
    from gateway.frames import Moment

    moment = Moment(1, clock.mono_us(), clock.wall_us())
    return Parcel(seq, seq, moment, uplink(data_frame(seq, 1)), stored, clock.mono_us() + 4_000_000)


def test_saving_lets_live_frames_through_and_holds_the_backlog(clock: FakeClock) -> None:
    turns = Turns(Rules(), backlog=True)
    turns.link_up(clock.mono_us())
    turns.allowance = Allowance.LIVE
    turns.offer(parcel(clock, 1))
    assert turns.next_live(clock.mono_us()) is not None
    clock.advance(10)
    assert turns.replay_room(clock.mono_us()) == 0
    # Nothing to wait for: the loop must sleep, not spin.
    assert turns.next_due(clock.mono_us()) is None
    turns.allowance = Allowance.ALL
    assert turns.replay_room(clock.mono_us()) > 0


def test_a_spent_budget_sends_nothing_and_forgets_only_what_has_no_tomorrow(clock: FakeClock) -> None:
    turns = Turns(Rules(), backlog=False)
    turns.link_up(clock.mono_us())
    turns.offer(parcel(clock, 1))
    turns.allowance = Allowance.NOTHING
    turns.offer(parcel(clock, 2))
    turns.offer(parcel(clock, 3, stored=False))
    assert turns.next_live(clock.mono_us()) is None
    assert turns.backlog
    clock.advance(5)
    assert turns.next_live(clock.mono_us()) is None
    assert turns.expired == 1
    assert turns.next_due(clock.mono_us()) is None


def test_tcp_is_counted_with_its_headers() -> None:
    wire = Wire()
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        client = socket.create_connection(server.getsockname())
        peer, _ = server.accept()
        wire.attach(client)
        client.sendall(bytes(10_000))
        while len(peer.recv(65_536)) < 10_000:
            pass
        peer.sendall(bytes(500))
        assert client.recv(1000)
        # 10500 bytes of content, at least six segments (three of them for the handshake), never a tenth more.
        assert 10_500 + 6 * 40 <= wire.total_bytes <= 11_500
        total = wire.total_bytes
        wire.detach()
        client.close()
        peer.close()
    assert wire.total_bytes >= total
    wire.datagram(100)
    assert wire.total_bytes >= total + 128
    wire.failed(tls=True)
    assert wire.total_bytes > total + 4000


# A gateway


def write_used(settings: Path, used_bytes: int, clock: ShiftClock) -> None:
    path = load(settings).resolve("spool.db")
    store = Store(path, 1 << 30, clock.boot_id)
    day = (SystemClock().wall_us() + clock.forward_us) // DAY_US
    store.begin()
    store.note({"budget/city/day-bytes": used_bytes, "budget/city/day-number": day})
    store.commit()
    store.close()


@pytest.mark.live
def test_a_gateway_short_of_budget_sends_what_is_new_keeps_the_rest_and_goes_on_tomorrow(
    broker: Broker, tmp_path: Path
) -> None:
    settings = write_settings(tmp_path, broker.url, destination="max_bytes_per_day = 1048576\nreplay_per_second = 100")
    clock = ShiftClock()
    broker.stop()
    with GatewayThread(settings, clock) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        for counter in range(5):
            forwarder.push(rxpk(data_frame(0x01000000 + counter, counter)))
    write_used(settings, 900_000, clock)
    broker.start()
    with Listener(broker) as listener:
        with GatewayThread(settings, clock) as gateway, Forwarder(gateway.address) as forwarder:
            wait_for(lambda: [relay.state for relay in gateway.daemon.relays] == ["saving"], "saving")
            forwarder.pull()
            forwarder.push(rxpk(data_frame(0x02000000, 1)))
            forwarder.push(rxpk(join_request(1)))
            listener.wait_uplinks(2)
            wait_for(lambda: gateway.daemon.buffered == 5, "only the backlog waits")
        # What was used is remembered, in the second gateway as well.
        with GatewayThread(settings, clock) as gateway:
            wait_for(lambda: [relay.state for relay in gateway.daemon.relays] == ["saving"], "saving still")
            used = gateway.daemon.relays[0].budget.periods()[0].used_bytes
            assert 901_000 < used < 920_000
            clock.advance(86_400)
            listener.wait_uplinks(7)
            assert gateway.daemon.relays[0].state == "up"


@pytest.mark.live
def test_the_count_of_a_real_connection_is_near_what_a_proxy_on_the_way_sees(broker: Broker, tmp_path: Path) -> None:
    seen = _Proxy(broker.port)
    settings = write_settings(tmp_path, f"mqtt://127.0.0.1:{seen.port}")
    with (
        Listener(broker) as listener,
        GatewayThread(settings, ShiftClock()) as gateway,
        Forwarder(gateway.address) as forwarder,
    ):
        forwarder.pull()
        for counter in range(20):
            forwarder.push(rxpk(data_frame(0x01000000 + counter, counter)))
        listener.wait_uplinks(20)
        wait_for(lambda: gateway.daemon.buffered == 0, "all acknowledged")
        wire = gateway.daemon.relays[0].link.wire.total_bytes
        # About 350 bytes a frame with headers; the content alone is what the proxy sees.
        assert seen.content_bytes < wire < seen.content_bytes + 120 * 52
    seen.close()


class _Proxy:
    """Counts the content of one TCP connection in both directions."""

    def __init__(self, port: int) -> None:
        self.content_bytes = 0
        self._loop = asyncio.new_event_loop()
        self._server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = self._server.sockets[0].getsockname()[1]
        self._target = port
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
        await asyncio.gather(self._copy(reader, far_writer), self._copy(far_reader, writer))

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            self.content_bytes += len(data)
            writer.write(data)
        writer.close()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(5)
        self._server.close()
        self._loop.run_until_complete(asyncio.sleep(0))
        self._loop.close()
