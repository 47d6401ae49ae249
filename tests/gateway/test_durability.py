from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bench.broker import Broker
from gateway.frames import Moment
from gateway.spool import Spool
from gateway.store import Before, Frame, Store
from gateway.wear_saving import WearSavingSpool
from tests.gateway.kit import (
    Forwarder,
    GatewayProcess,
    GatewayThread,
    Listener,
    ShiftClock,
    address_and_counter,
    data_frame,
    rxpk,
    uplink,
    wait_for,
    write_settings,
)


def settings_for(directory: Path, broker: Broker, mode: str) -> Path:
    settings = write_settings(directory, broker.url)
    settings.write_text(settings.read_text().replace('path = "spool.db"', f'path = "spool.db"\ndurability = "{mode}"'))
    return settings


def frame(spool: Spool, dev_addr: int, destination: int) -> Frame:
    seq = spool.next_seq()
    return Frame(seq, dev_addr, Moment(1, 0, 0), uplink(data_frame(dev_addr, seq)).to_bytes(), (destination,))


def stored(spool: Spool) -> int:
    return sum(spool.pending.values())


async def opened(directory: Path) -> tuple[WearSavingSpool, int]:
    spool = await WearSavingSpool.open(directory / "s", 64 << 20, "boot-a")
    return spool, await spool.call(lambda store: store.destination("one"))


def test_a_frame_delivered_soon_never_touches_the_card(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, one = await opened(tmp_path)
        spool.flowing = lambda: True
        first = frame(spool, 7, one)
        assert await spool.append([first]) == [{one: Before()}]
        assert spool.waiting(one) == 1
        second = frame(spool, 7, one)
        assert await spool.append([second]) == [{one: Before(first.seq, 1)}]
        await spool.forget(one, [(7, first.seq), (7, second.seq)])
        assert await spool.call(lambda store: store.oldest(10)) == []
        assert spool.waiting(one) == 0
        await spool.close()

    asyncio.run(scenario())


def test_a_frame_not_delivered_in_two_seconds_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.wear_saving._HOLD_S", 0.05)

    async def scenario() -> None:
        spool, one = await opened(tmp_path)
        spool.flowing = lambda: True
        await spool.append([frame(spool, 7, one)])
        while not stored(spool):
            await asyncio.sleep(0.01)
        await spool.close()

    asyncio.run(scenario())


def test_as_soon_as_a_destination_stops_everything_is_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, one = await opened(tmp_path)
        spool.flowing = lambda: True
        held = frame(spool, 7, one)
        await spool.append([held])
        spool.flowing = lambda: False
        later = frame(spool, 7, one)
        assert await spool.append([later]) == [{one: Before(held.seq, 1)}]
        rows, _ = await spool.heads(one, -2, 1, frozenset())
        assert rows[0].seq == held.seq
        await spool.close()
        store = Store(tmp_path / "s", 64 << 20, "boot-a")
        assert store.pending[one] == 2
        store.close()

    asyncio.run(scenario())


def test_more_than_fits_in_memory_is_written(tmp_path: Path) -> None:
    async def scenario() -> None:
        spool, one = await opened(tmp_path)
        spool.flowing = lambda: True
        for _ in range(2001):
            await spool.append([frame(spool, 7, one)])
        assert stored(spool) == 2001
        await spool.close()

    asyncio.run(scenario())


@pytest.mark.live
@pytest.mark.parametrize("mode", ["paranoid", "balanced", "wear-saving"])
def test_an_outage_loses_nothing_in_any_mode(mode: str, broker: Broker, tmp_path: Path) -> None:
    settings = settings_for(tmp_path, broker, mode)
    with GatewayThread(settings, ShiftClock()) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        with Listener(broker) as listener:
            gateway.up()
            forwarder.push(rxpk(data_frame(1, 1)))
            listener.wait_uplinks(1)
        broker.stop()
        for counter in range(2, 5):
            gateway.clock.advance(1)
            forwarder.push(rxpk(data_frame(1, counter)))
        broker.start()
        with Listener(broker) as listener:
            listener.wait_uplinks(3)
            assert [address_and_counter(one.phy_payload)[1] for one in listener.uplinks()] == [2, 3, 4]
            wait_for(lambda: gateway.daemon.buffered == 0, "empty buffer")


@pytest.mark.live
@pytest.mark.parametrize("mode", ["paranoid", "wear-saving"])
def test_a_kill_in_an_outage_loses_nothing_in_any_mode(mode: str, broker: Broker, tmp_path: Path) -> None:
    broker.stop()
    settings = settings_for(tmp_path, broker, mode)
    with GatewayProcess(settings) as gateway, Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        for device in range(5):
            forwarder.push(rxpk(data_frame(device, 1)))
        gateway.kill()
    broker.start()
    with Listener(broker) as listener, GatewayProcess(settings):
        assert len({one.phy_payload for one in listener.wait_uplinks(5)}) == 5
