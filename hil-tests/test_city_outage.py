"""A city without its broker for hours: several gateways, devices heard by some of them, merge gates that get killed."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gateway.city import City

GATEWAYS = 4
DEVICES = 20
HOURS = 4


@pytest.fixture
def city(tmp_path: Path) -> Iterator[City]:
    with City(tmp_path) as city:
        yield city


def carry_out(city: City, chance: random.Random, *, devices: int, hours: int, kills: int, quiet: str) -> None:
    """Outage, return, kills in the middle of it, live frames meanwhile; then everything must be there."""
    nodes = city.devices(devices)
    gates = [
        city.gate("low", partitions="01234567", quiet=quiet),
        city.gate("high", partitions="89abcdef", quiet=quiet),
    ]
    for number in range(GATEWAYS):
        city.gateway(number)
    for one in nodes:
        city.hear(one, 0, [one.dev_addr % GATEWAYS])
    city.wait_all()

    city.broker.kill()
    for hour in range(1, hours + 1):
        city.clock.advance(3600)
        for one in chance.sample(nodes, len(nodes)):
            city.hear(one, hour, chance.sample(range(GATEWAYS), chance.choice((1, 1, 2, 3))))
    city.broker.start()

    application = city.application
    for kill in range(kills):
        here = len(city.sent) * (kill + 2) // (kills + 2)
        application.wait(lambda here=here: len(application.ups) >= here, f"{here} frames")  # type: ignore[misc]
        gate = gates[kill % len(gates)]
        gate.kill()
        # Devices go on sending while the gate is away.
        for one in chance.sample(nodes, 3):
            f_cnt = max(f_cnt for dev_addr, f_cnt in city.sent if dev_addr == one.dev_addr) + 1
            city.hear(one, f_cnt, chance.sample(range(GATEWAYS), 2))
        gate.start()
    city.wait_all(patience_s=120)
    city.judge()


@pytest.mark.live
def test_after_hours_without_broker_every_frame_is_there_once_in_order_at_its_time(city: City) -> None:
    carry_out(city, random.Random(1), devices=DEVICES, hours=HOURS, kills=2, quiet="2s")


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(5))
def test_many_outages_of_a_city(city: City, seed: int) -> None:
    carry_out(city, random.Random(seed), devices=60, hours=10, kills=6, quiet="2s")
