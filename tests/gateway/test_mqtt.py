"""The MQTT connection against a real mosquitto: reason codes, refusals, TLS, a path that goes dead."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from bench.broker import Broker as Mosquitto
from gateway.errors import LinkLost, LinkRefused
from gateway.forwarders import mqtt
from gateway.forwarders.access import tls_context
from tests.gateway.kit import Listener

pytestmark = pytest.mark.live

WILL = mqtt.Will("will", b"gone")


def broker_at(port: int, **changes: Any) -> mqtt.Broker:
    return mqtt.Broker(**{"host": "127.0.0.1", "port": port, "client_id": "test", **changes})


def with_connection(
    broker: mqtt.Broker, work: Callable[[mqtt.Connection], Coroutine[Any, Any, None]], heard: list[Any] | None = None
) -> None:
    async def scenario() -> None:
        connection = await mqtt.Connection.open(
            broker, WILL, lambda topic, payload: heard.append((topic, payload)) if heard is not None else None
        )
        try:
            await work(connection)
        finally:
            connection.close()

    asyncio.run(scenario())


def test_the_reason_code_tells_whether_somebody_listens(broker: Mosquitto) -> None:
    async def work(connection: mqtt.Connection) -> None:
        assert await connection.publish("nobody", b"x") == mqtt.NO_SUBSCRIBER
        await connection.subscribe(["somebody"])
        assert await connection.publish("somebody", b"x") == mqtt.SUCCESS

    with_connection(broker_at(broker.port), work)


def test_messages_arrive(broker: Mosquitto) -> None:
    heard: list[Any] = []

    async def work(connection: mqtt.Connection) -> None:
        await connection.subscribe(["a/#"])
        for number in range(100):
            await connection.publish(f"a/{number}", bytes(number))
        while len(heard) < 100:
            await asyncio.sleep(0.01)

    with_connection(broker_at(broker.port), work, heard)
    assert heard == [(f"a/{number}", bytes(number)) for number in range(100)]


def test_a_message_does_not_wait_for_the_acknowledgement_of_the_one_before(broker: Mosquitto) -> None:
    async def work(connection: mqtt.Connection) -> None:
        sock = connection._client.socket()
        assert isinstance(sock, socket.socket)
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY) != 0

    with_connection(broker_at(broker.port), work)


def test_everybody_waiting_learns_that_the_connection_is_lost(broker: Mosquitto) -> None:
    async def work(connection: mqtt.Connection) -> None:
        await connection.publish("a", b"x")
        broker.kill()
        waiting = [connection.publish("a", b"x") for _ in range(5)]
        results = await asyncio.wait_for(asyncio.gather(*waiting, return_exceptions=True), 5)
        assert all(isinstance(result, LinkLost) for result in results)
        assert connection.closed.done()

    with_connection(broker_at(broker.port), work)


def test_a_broker_that_is_not_there_is_a_lost_link() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with pytest.raises(LinkLost):
        asyncio.run(mqtt.Connection.open(broker_at(port), WILL, lambda *_: None))


def test_a_goodbye_keeps_the_will_unsaid_and_an_abort_does_not(broker: Mosquitto) -> None:
    async def leave(farewell: bool) -> None:
        connection = await mqtt.Connection.open(broker_at(broker.port), WILL, lambda *_: None)
        await connection.publish("last", b"word")
        if farewell:
            connection.close()
        else:
            connection.abort("test")

    with Listener(broker, "#") as listener:
        asyncio.run(leave(True))
        asyncio.run(leave(False))
        listener.wait(lambda one: bool(one.of("will")), "the will")
        assert [topic for topic, _, _ in listener.messages] == ["last", "last", "will"]


class TestTls:
    """mosquitto with certificates made for the test."""

    @pytest.fixture
    def secure(self, papers: dict[str, Path], tmp_path: Path) -> Any:
        lines = [
            f"cafile {papers['ca']}",
            f"certfile {papers['server']}",
            f"keyfile {papers['server-key']}",
            "require_certificate true",
        ]
        for path in papers.values():
            path.chmod(0o644)
        for directory in (tmp_path, *tmp_path.parents[:2]):
            directory.chmod(0o755)
        with Mosquitto(tmp_path / "tls", extra=lines) as broker:
            yield broker

    def test_a_client_certificate_opens_the_door(self, secure: Mosquitto, papers: dict[str, Path]) -> None:
        async def work(connection: mqtt.Connection) -> None:
            await connection.subscribe(["a"])
            assert await connection.publish("a", bytes(100_000)) == mqtt.SUCCESS

        tls = tls_context(str(papers["ca"]), str(papers["client"]), str(papers["client-key"]))
        with_connection(broker_at(secure.port, tls=tls), work)

    def test_a_server_of_another_authority_is_not_believed(self, secure: Mosquitto, papers: dict[str, Path]) -> None:
        tls = tls_context("", str(papers["client"]), str(papers["client-key"]))
        with pytest.raises(LinkLost, match="certificate verify failed"):
            asyncio.run(mqtt.Connection.open(broker_at(secure.port, tls=tls), WILL, lambda *_: None))

    def test_without_a_client_certificate_the_door_stays_shut(self, secure: Mosquitto, papers: dict[str, Path]) -> None:
        tls = tls_context(str(papers["ca"]), "", "")
        with pytest.raises((LinkLost, LinkRefused)):
            asyncio.run(mqtt.Connection.open(broker_at(secure.port, tls=tls), WILL, lambda *_: None))
