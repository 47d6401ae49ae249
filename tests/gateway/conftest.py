"""Fixtures: a broker, a clock, a gateway process with a concentrator and a listener."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from bench.broker import Broker
from tests.gateway.kit import FakeClock, Forwarder, GatewayProcess, Listener, write_settings
from tests.gateway.papers import issue


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    with Broker(tmp_path / "broker") as broker:
        yield broker


@pytest.fixture
def listener(broker: Broker) -> Iterator[Listener]:
    with Listener(broker) as listener:
        yield listener


@pytest.fixture
def gateway(broker: Broker, tmp_path: Path) -> Iterator[GatewayProcess]:
    with GatewayProcess(write_settings(tmp_path, broker.url)) as gateway:
        yield gateway


@pytest.fixture
def forwarder(gateway: GatewayProcess) -> Iterator[Forwarder]:
    """A packet forwarder whose downlink way is open and whose gateway is announced at the broker."""
    with Forwarder(gateway.address) as forwarder:
        forwarder.pull()
        gateway.wait_event("destination up")
        yield forwarder


@pytest.fixture
def papers(tmp_path: Path) -> dict[str, Path]:
    """Certificates of an authority of our own."""
    return issue(tmp_path)
