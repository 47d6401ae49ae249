"""De-duplication: one uplink, however many gateways heard it."""

from server_node import joined

OTHER = "0016c001ff10a236"


def test_copies_within_200_ms_make_one_event_with_every_receiver():
    air, node = joined()
    phy = node.send()

    air.hear(phy, snr=3.0)
    air.wait(0.19)
    air.hear(phy, gateway=OTHER, snr=9.0)
    assert air.take("up") == []
    air.wait(0.02)

    (up,) = air.take("up")
    assert [rx.gateway_id for rx in up.rx_info] == ["0016c001ff10a235", OTHER]


def test_a_copy_between_200_and_400_ms_is_lost_without_a_word():
    air, node = joined()
    phy = node.send()
    air.hear(phy)
    air.wait(0.3)
    air.outputs.clear()

    air.hear(phy, gateway=OTHER)
    air.wait(1)

    assert air.outputs == []


def test_a_copy_after_400_ms_starts_a_flow_of_its_own_and_is_a_retransmission():
    air, node = joined()
    phy = node.send()
    air.hear(phy)
    air.wait(0.41)
    air.outputs.clear()

    air.hear(phy, gateway=OTHER)
    air.wait(1)

    assert len(air.take("log")) == 1
    assert air.take("up") == []


def test_copies_whose_tx_info_differs_are_not_merged():
    air, node = joined()
    phy = node.send()

    air.hear(phy, freq=868_100_000)
    air.hear(phy, freq=868_100_001, gateway=OTHER)
    air.wait(0.2)

    assert len(air.take("up")) == 1
    assert len(air.take("log")) == 1


def test_a_message_repeated_by_its_gateway_makes_one_event_and_two_entries_since_each_gets_its_time_of_arrival():
    air, node = joined()
    phy = node.send()

    air.hear(phy)
    air.wait(0.05)
    air.hear(phy)
    air.wait(0.2)

    (up,) = air.take("up")
    assert len(up.rx_info) == 2


def test_the_answer_goes_to_the_gateway_that_heard_best_with_its_own_context():
    air, node = joined()
    phy = node.send(confirmed=True)

    air.hear(phy, snr=-6.0, context=b"\x01")
    air.hear(phy, gateway=OTHER, snr=-2.0, context=b"\x02\x00\xff")
    air.wait(0.5)

    (down,) = air.take("down")
    assert down.gateway_id == OTHER
    assert {item.tx_info.context for item in down.items} == {b"\x02\x00\xff"}
