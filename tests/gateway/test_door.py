"""The door of sources on TCP: bounded, with TLS that fails loudly once, and with a logger that counts."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from gateway.logs import Counted, Tally
from gateway.setting_types import Address
from gateway.sources import door as door_module
from gateway.sources.basics_station import server_tls
from gateway.sources.door import Door

MOST = 2
PATIENCE_S = 10


class Echo(asyncio.Protocol):
    """Says one byte when somebody is inside."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        transport.write(b"!")


Visit = Callable[[Address, Tally], Awaitable[None]]


def with_door(visit: Visit, tls: ssl.SSLContext | None = None) -> None:
    async def scenario() -> None:
        tally = Tally()
        door = Door(Echo, tls=tls, most=MOST, tally=tally, event="refused")
        try:
            await visit(door.open(Address.of("127.0.0.1", 0)), tally)
        finally:
            await door.close()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


async def knock(address: Address) -> tuple[bytes, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(address.host, address.port)
    return await reader.read(1), writer


def test_there_is_room_for_so_many_and_again_when_one_has_left() -> None:
    async def visit(address: Address, tally: Tally) -> None:
        inside = [await knock(address) for _ in range(MOST)]
        assert [word for word, _ in inside] == [b"!"] * MOST
        assert (await knock(address))[0] == b""
        assert tally.counts["refused", "connections-many"] == 1
        inside[0][1].close()
        await inside[0][1].wait_closed()
        while (await knock(address))[0] != b"!":
            await asyncio.sleep(0)

    with_door(visit)


def test_handshakes_that_fail_are_counted_and_leave_room(papers: dict[str, Path]) -> None:
    tls = server_tls(str(papers["server"]), str(papers["server-key"]))

    async def visit(address: Address, tally: Tally) -> None:
        for _ in range(3 * MOST):
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.write(b"GET / HTTP/1.1\r\n\r\n")
            await writer.drain()
            writer.close()
        while sum(tally.counts.values()) < 3 * MOST:
            await asyncio.sleep(0.01)
        assert {kind.partition(":")[0] for _, kind in tally.counts} <= {"tls", "connections-many"}

    with_door(visit, tls)


def test_few_greet_at_once_and_those_who_say_nothing_keep_nobody_out(papers: dict[str, Path]) -> None:
    guests = 3 * door_module._MOST_GREETING

    async def scenario() -> None:
        tally = Tally()
        tls = server_tls(str(papers["server"]), str(papers["server-key"]))
        door = Door(Echo, tls=tls, most=10 * guests, tally=tally, event="refused", greeting_s=0.01)
        address = door.open(Address.of("127.0.0.1", 0))
        try:
            silent = [await asyncio.open_connection(address.host, address.port) for _ in range(guests)]
            trusting = ssl.create_default_context(cafile=papers["ca"])
            trusting.check_hostname = False
            reader, writer = await asyncio.open_connection(address.host, address.port, ssl=trusting)
            assert await reader.read(1) == b"!"
            assert door.most_greeted == door_module._MOST_GREETING
            assert tally.counts["refused", "tls: slow"] > guests - door_module._MOST_GREETING
            for one in (writer, *(writer for _, writer in silent)):
                one.close()
        finally:
            await door.close()

    asyncio.run(asyncio.wait_for(scenario(), PATIENCE_S))


def test_a_library_that_strangers_make_talk_is_counted_not_written(caplog: pytest.LogCaptureFixture) -> None:
    tally = Tally()
    told = Counted(tally, logging.getLogger("test"), "refused")
    for _ in range(100):
        try:
            raise ValueError("what a stranger wrote")
        except ValueError:
            told.exception("Error handling request")
    told.info("of no interest")
    assert dict(tally.counts) == {("refused", "ValueError"): 100}
    assert [record.getMessage() for record in caplog.records] == ["refused"]
