"""Gateways: registered or not, of one's own tenant or of another."""

import pytest
from server_node import APP_KEY, DEV_EUI, GATEWAY, Air, Node, join, joined, register_gateway

from bench.server.records import Tenant
from bench.server.settings import Settings

OTHER = "0016c001ff10a236"


def strict():
    """A joined device on a server that wants to know its gateways: (air, node, record of the gateway)."""
    air, node = Air(settings=Settings(allow_unknown_gateways=False)), Node()
    air.server.add_device(DEV_EUI, APP_KEY)
    record = register_gateway(air.server)
    join(air, node)
    return air, node, record


def test_a_registered_gateway_is_heard_and_seen():
    air, node, record = strict()

    air.hear(node.send())
    air.wait(1)

    assert len(air.take("up")) == 1
    assert record.last_seen_us == air.now_us - 1_000_000


def test_frames_of_gateways_nobody_registered_are_dropped_and_the_counter_stays():
    air, node, _ = strict()
    del air.server.storage.gateways[GATEWAY]

    air.hear(node.send())
    air.wait(1)

    assert air.take("up") == []
    assert any("RxInfo set is empty" in line for line in air.take("line"))
    assert air.server.storage.device(DEV_EUI).session.f_cnt_up == 0


@pytest.mark.parametrize(
    ("private_up", "private_down", "heard", "answered"),
    [(False, False, True, True), (True, False, False, False), (False, True, True, False)],
)
def test_another_tenants_private_gateway_does_not_serve_us(private_up, private_down, heard, answered):
    air, node = joined()
    stranger = Tenant(id="t2", name="other", private_gateways_up=private_up, private_gateways_down=private_down)
    air.server.storage.add_tenant(stranger)
    register_gateway(air.server, tenant_id="t2")

    air.hear(node.send(confirmed=True))
    air.wait(1)

    assert bool(air.take("up")) is heard
    assert bool(air.take("down")) is answered


def test_another_gateway_answers_when_the_best_may_not():
    air, node = joined()
    air.server.storage.add_tenant(Tenant(id="t2", name="other", private_gateways_down=True))
    register_gateway(air.server, tenant_id="t2")
    phy = node.send(confirmed=True)

    air.hear(phy, snr=9.0, gateway=GATEWAY)
    air.hear(phy, snr=-7.0, gateway=OTHER)
    air.wait(1)

    (down,) = air.take("down")
    assert down.gateway_id == OTHER
