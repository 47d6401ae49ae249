"""Joins: accepted, refused, repeated, late."""

from server_node import APP_KEY, DEV_EUI, GATEWAY, Air, Node, join, joined

from bench.server.core import default_profile

UPLINK_MIC, OTAA = 6, 4


def ready(**settings):
    air = Air(**settings)
    air.server.add_device(DEV_EUI, APP_KEY)
    return air, Node()


def test_a_join_request_is_answered_in_both_windows_of_the_join():
    air, node = ready()

    air.hear(node.join_request(), sf=9, freq=868_500_000, context=b"\x00\x00\x04\xd2")
    air.wait(0.2)

    (down,) = air.take("down")
    rx1, rx2 = (item.tx_info for item in down.items)
    assert down.gateway_id == GATEWAY
    assert (rx1.frequency, rx1.modulation.lora.spreading_factor, rx1.timing.delay.delay.seconds) == (868_500_000, 9, 5)
    assert (rx2.frequency, rx2.modulation.lora.spreading_factor, rx2.timing.delay.delay.seconds) == (869_525_000, 12, 6)
    assert all(tx.modulation.lora.polarization_inversion for tx in (rx1, rx2))
    assert (rx1.power, rx2.power) == (16, 29)
    assert rx1.context == rx2.context == b"\x00\x00\x04\xd2"
    assert down.items[0].phy_payload == down.items[1].phy_payload


def test_the_accept_carries_the_channels_of_the_network_and_nonces_that_count_from_0():
    air, node = ready()

    nonces = []
    for _ in range(2):
        join(air, node)
        nonces.append(node.accept.join_nonce)

    assert nonces == [0, 1]
    assert node.accept.cf_list.hex() == "184f84e85684b85e84886684586e8400"
    assert (node.accept.rx1_dr_offset, node.accept.rx2_dr, node.accept.rx_delay_s) == (0, 0, 1)


def test_the_application_hears_of_the_join_with_the_new_address():
    air, node = ready()

    air.hear(node.join_request())
    air.wait(0.2)
    (event,) = air.take("join")
    node.take_accept(air.take("down")[0].items[0].phy_payload)

    assert event.dev_addr == node.accept.dev_addr
    assert event.device_info.dev_eui == DEV_EUI


def test_a_dev_nonce_is_good_once():
    air, node = ready()
    join(air, node)
    air.wait(1)

    air.hear(node.join_request(dev_nonce=0))
    air.wait(1)

    (log,) = air.take("log")
    assert (log.code, log.description) == (OTAA, "DevNonce has already been used")
    assert air.take("down") == []


def test_dev_nonces_are_kept_per_join_eui():
    air, node = ready()
    join(air, node)
    node.join_eui = "70b3d57ed00000fe"

    air.hear(node.join_request(dev_nonce=0))
    air.wait(1)

    assert len(air.take("join")) == 1


def test_a_wrong_key_is_told_to_the_owner():
    air, _ = ready()

    air.hear(Node(app_key=bytes(16)).join_request())
    air.wait(1)

    (log,) = air.take("log")
    assert log.code == UPLINK_MIC
    assert air.take("down") == []


def test_an_unknown_device_leaves_a_log_line_only():
    air, _ = ready()

    air.hear(Node("70b3d57ed0000009").join_request())
    air.wait(1)

    assert len(air.take("line")) == 1
    assert air.outputs == []


def test_a_late_join_request_with_an_unused_nonce_destroys_the_live_session():
    air, node = ready()
    stored_on_the_way = node.join_request()
    join(air, node)
    air.hear(node.send())
    air.wait(1)
    assert len(air.take("up")) == 1

    air.hear(stored_on_the_way)
    air.wait(1)
    air.take("join")
    air.hear(node.send())
    air.wait(1)

    assert air.take("up") == []


def test_a_join_flushes_the_queue_when_the_profile_says_so():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 1, b"\x01")

    join(air, node)

    assert air.server.storage.device(DEV_EUI).queue == []


def test_a_join_keeps_the_queue_otherwise():
    profile = default_profile()
    profile.flush_queue_on_activate = False
    air, node = joined(profile=profile)
    air.server.enqueue(DEV_EUI, 1, b"\x01")

    join(air, node)

    assert len(air.server.storage.device(DEV_EUI).queue) == 1


def test_equal_seeds_give_equal_bytes():
    downs = []
    for seed in (7, 7, 8):
        air, node = ready(seed=seed)
        air.hear(node.join_request())
        air.wait(1)
        downs.append(air.take("down")[0].SerializeToString(deterministic=True))

    assert downs[0] == downs[1] != downs[2]
