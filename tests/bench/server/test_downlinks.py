"""Downlinks: the queue, acknowledgements by gateway and device, counters, windows, MAC commands."""

import pytest
from chirpstack_api import gw
from server_node import DEV_EUI, NOW_US, joined

from bench.server import maccommands
from bench.server.core import default_profile
from bench.server.errors import Invalid, NotFound
from bench.server.frames import FType

DOWNLINK_GATEWAY, DOWNLINK_PAYLOAD_SIZE, EXPIRED = 8, 1, 11


def device(air):
    return air.server.storage.device(DEV_EUI)


def uplink(air, node, **options):
    """An uplink, its answer awaited: the downlink or None."""
    air.hear(node.send(**options))
    air.wait(0.4)
    downs = air.take("down")
    assert len(downs) <= 1
    return downs[0] if downs else None


def test_nothing_to_say_means_no_downlink():
    air, node = joined()

    assert uplink(air, node) is None


def test_a_confirmed_uplink_is_acknowledged_300_ms_after_it_came():
    air, node = joined()
    air.hear(node.send(confirmed=True))

    air.wait(0.299)
    assert air.take("down") == []
    air.wait(0.002)

    (down,) = air.take("down")
    frame, _ = node.open(down.items[0].phy_payload, 0)
    assert frame.ack
    assert frame.f_port is None


def test_a_queue_item_travels_in_both_windows_and_leaves_the_queue_when_the_gateway_sent_it():
    air, node = joined()
    item = air.server.enqueue(DEV_EUI, 31, b"\xa1\x01\x14")

    down = uplink(air, node)
    for part in down.items:
        frame, data = node.open(part.phy_payload, 0)
        assert (frame.ftype, frame.f_port, data) == (FType.UNCONFIRMED_DOWN, 31, b"\xa1\x01\x14")
    assert [part.tx_info.timing.delay.delay.seconds for part in down.items] == [1, 2]
    assert len(device(air).queue) == 1
    air.ack(down, gw.OK)

    (event,) = air.take("txack")
    assert (event.queue_item_id, event.downlink_id, event.f_cnt_down) == (item.id, down.downlink_id, 0)
    assert device(air).queue == []
    assert device(air).session.f_cnt_down == 1


@pytest.mark.parametrize("status", ["TOO_LATE", "TOO_EARLY", "COLLISION_PACKET", "INTERNAL_ERROR"])
def test_an_item_the_gateway_could_not_send_stays_and_so_does_the_counter(status):
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01")
    down = uplink(air, node)

    air.ack(down, gw.TxAckStatus.Value(status), gw.TxAckStatus.Value(status))

    (log,) = air.take("log")
    assert (log.code, log.description) == (DOWNLINK_GATEWAY, status)
    assert len(device(air).queue) == 1
    assert device(air).session.f_cnt_down == 0
    again = uplink(air, node)
    assert node.open(again.items[0].phy_payload, 0)[1] == b"\x01"


def test_the_second_window_counts_when_the_first_failed():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01")
    down = uplink(air, node)

    air.ack(down, gw.TOO_LATE, gw.OK)

    (event,) = air.take("txack")
    assert event.tx_info.frequency == 869_525_000
    assert device(air).queue == []


def test_no_word_from_the_gateway_leaves_everything_as_it_was():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01")

    first, second = uplink(air, node), uplink(air, node)

    assert first.downlink_id != second.downlink_id
    assert device(air).session.f_cnt_down == 0


def test_a_gateways_word_after_30_seconds_finds_nothing():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01")
    down = uplink(air, node)
    air.wait(30)

    air.ack(down, gw.OK)

    assert len(device(air).queue) == 1
    assert len(air.take("line")) == 1


def test_more_statuses_than_items_are_refused():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01")
    down = uplink(air, node)

    air.ack(down, gw.TOO_LATE, gw.TOO_LATE, gw.OK)

    assert len(device(air).queue) == 1


def test_an_empty_acknowledgement_downlink_counts_as_well():
    air, node = joined()
    down = uplink(air, node, confirmed=True)

    air.ack(down, gw.OK)
    second = uplink(air, node, confirmed=True)

    assert node.open(second.items[0].phy_payload, 1)[0].ack
    assert air.take("txack") == []


def test_a_confirmed_downlink_waits_for_the_devices_acknowledgement():
    air, node = joined()
    item = air.server.enqueue(DEV_EUI, 31, b"\x01", confirmed=True)
    down = uplink(air, node)
    assert node.open(down.items[0].phy_payload, 0)[0].ftype is FType.CONFIRMED_DOWN
    air.ack(down, gw.OK)
    assert device(air).queue[0].is_pending

    assert uplink(air, node, ack=True) is None

    (event,) = air.take("ack")
    assert (event.queue_item_id, event.acknowledged) == (item.id, True)
    assert device(air).queue == []


def test_a_confirmed_downlink_that_the_next_uplink_does_not_acknowledge_is_given_up():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01", confirmed=True)
    air.ack(uplink(air, node), gw.OK)

    assert uplink(air, node) is None

    (event,) = air.take("ack")
    assert event.acknowledged is False
    assert device(air).queue == []


def test_f_pending_says_that_more_waits():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01")
    air.server.enqueue(DEV_EUI, 31, b"\x02")

    first = uplink(air, node)
    air.ack(first, gw.OK)
    second = uplink(air, node)

    assert node.open(first.items[0].phy_payload, 0)[0].f_pending is True
    assert node.open(second.items[0].phy_payload, 1)[0].f_pending is False


def test_an_item_too_long_for_the_window_is_discarded_with_an_event():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, bytes(52))
    air.hear(node.send(), sf=12)
    air.wait(0.4)

    (log,) = air.take("log")
    assert log.code == DOWNLINK_PAYLOAD_SIZE
    assert device(air).queue == []


def test_an_expired_item_is_discarded_with_an_event():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01", expires_us=NOW_US)

    assert uplink(air, node) is None

    (log,) = air.take("log")
    assert log.code == EXPIRED


@pytest.mark.parametrize("port", [0, 256])
def test_an_f_port_outside_1_to_255_is_refused(port):
    air, _ = joined()

    with pytest.raises(Invalid):
        air.server.enqueue(DEV_EUI, port, b"\x01")


def test_a_downlink_for_an_unknown_device_is_refused():
    air, _ = joined()

    with pytest.raises(NotFound):
        air.server.enqueue("70b3d57ed0000009", 1, b"\x01")


# --------------------------------------------------------------------------------------------- MAC commands


def test_a_link_check_is_answered_with_margin_and_number_of_gateways():
    air, node = joined()
    phy = node.send(f_opts=b"\x02")
    air.hear(phy, snr=2.5)
    air.hear(phy, snr=-1.0, gateway="0016c001ff10a236")
    air.wait(0.4)

    (down,) = air.take("down")
    assert node.open(down.items[0].phy_payload, 0)[0].f_opts == bytes((0x02, 10, 2))


def test_the_time_is_told_in_gps_seconds_of_the_uplink():
    air, node = joined()
    gps_us = 1_479_383_018_500_000
    air.hear(node.send(f_opts=b"\x0d"), gps_us=gps_us)
    air.wait(0.4)

    (down,) = air.take("down")
    answer = node.open(down.items[0].phy_payload, 0)[0].f_opts
    assert answer == b"\x0d" + (1_479_383_018).to_bytes(4, "little") + bytes((128,))


def test_the_status_is_asked_for_at_the_profiles_interval_and_told_to_the_application():
    profile = default_profile()
    profile.device_status_req_interval = 24
    air, node = joined(profile=profile)

    down = uplink(air, node)
    assert node.open(down.items[0].phy_payload, 0)[0].f_opts == b"\x06"
    assert uplink(air, node, f_opts=bytes((0x06, 127, 0x3D))) is None
    (status,) = air.take("status")
    air.wait(3600)

    assert (status.margin, round(status.battery_level, 1), status.external_power_source) == (-3, 50.0, False)
    assert uplink(air, node) is not None


def test_adr_raises_the_data_rate_and_the_device_agrees():
    air, node = joined()

    air.hear(node.send(adr=True), sf=12, snr=5.0)
    air.wait(0.4)
    (down,) = air.take("down")
    request = node.open(down.items[0].phy_payload, 0)[0].f_opts

    # 5 dB over the -20 dB floor of SF12, less 10 dB reserve: 15 dB, five steps, DR0 -> DR5.
    assert request == bytes((0x03, 0x50, 0xFF, 0x00, 0x01))
    air.ack(down, gw.OK)
    air.hear(node.send(adr=True, f_opts=b"\x03\x07"), sf=7, snr=0.0)
    air.wait(0.4)
    assert air.take("down") == []
    assert device(air).session.link.dr == 5


def test_a_refused_power_lowers_the_highest_index_the_server_will_ask_for():
    air, node = joined()
    air.hear(node.send(adr=True), sf=7, snr=14.0)
    air.wait(0.4)
    (down,) = air.take("down")
    assert node.open(down.items[0].phy_payload, 0)[0].f_opts[1] == 0x53
    air.ack(down, gw.OK)

    air.hear(node.send(adr=True, f_opts=b"\x03\x03"), sf=7, snr=14.0)
    air.wait(0.4)

    (again,) = air.take("down")
    assert node.open(again.items[0].phy_payload, 1)[0].f_opts[1] == 0x52


def test_an_adr_ack_request_is_answered_and_the_extra_channels_are_sent_again():
    air, node = joined()

    down = uplink(air, node, adr_ack_req=True)

    frame, data = node.open(down.items[0].phy_payload, 0)
    assert frame.f_port == 0
    assert data == b"".join(
        maccommands.new_channel_req(index=i, frequency_hz=hz)
        for i, hz in ((3, 867_100_000), (4, 867_300_000), (5, 867_500_000))
    )


def test_mac_commands_that_do_not_fit_into_fopts_push_the_queue_item_to_the_next_downlink():
    air, node = joined()
    air.server.enqueue(DEV_EUI, 31, b"\x01")

    down = uplink(air, node, adr_ack_req=True)
    frame, _ = node.open(down.items[0].phy_payload, 0)
    air.ack(down, gw.OK)

    assert frame.f_port == 0
    assert frame.f_pending
    assert len(device(air).queue) == 1


def test_commands_a_test_asks_for_go_out_once():
    air, node = joined()
    air.server.request_mac(DEV_EUI, maccommands.rx_timing_setup_req(3))

    down = uplink(air, node)
    air.ack(down, gw.OK)
    uplink(air, node, f_opts=b"\x08")

    assert node.open(down.items[0].phy_payload, 0)[0].f_opts == b"\x08\x03"
    assert device(air).session.rx1_delay_s == 3


def test_new_windows_hold_for_the_next_answer():
    air, node = joined()
    air.server.request_mac(
        DEV_EUI, maccommands.rx_param_setup_req(rx1_dr_offset=2, rx2_dr=3, rx2_frequency_hz=869_525_000)
    )
    air.ack(uplink(air, node), gw.OK)

    down = uplink(air, node, confirmed=True, f_opts=b"\x05\x07")

    assert [part.tx_info.modulation.lora.spreading_factor for part in down.items] == [9, 9]
    assert len(down.items[0].phy_payload) > 12


def test_a_repeated_answer_gets_a_downlink_so_that_the_device_stops_repeating_it():
    air, node = joined()

    down = uplink(air, node, f_opts=b"\x08")

    assert len(down.items[0].phy_payload) == 12
    assert any("nobody asked" in line for line in air.take("line"))


def test_an_unknown_command_ends_the_list_and_what_came_before_it_counts():
    air, node = joined()

    down = uplink(air, node, f_opts=b"\x02\x80\x0d")

    assert node.open(down.items[0].phy_payload, 0)[0].f_opts[0] == 0x02
    assert len(node.open(down.items[0].phy_payload, 0)[0].f_opts) == 3


def test_a_class_c_device_is_answered_at_once_but_not_within_5_s_of_an_uplink():
    profile = default_profile()
    profile.supports_class_c = True
    air, node = joined(profile=profile)
    uplink(air, node)

    air.server.enqueue(DEV_EUI, 31, b"\x01", now_us=air.now_us)
    air.wait(4)
    assert air.take("down") == []
    air.wait(1)

    (down,) = air.take("down")
    (item,) = down.items
    assert item.tx_info.timing.WhichOneof("parameters") == "immediately"
    assert item.tx_info.frequency == 869_525_000
    assert node.open(item.phy_payload, 0)[1] == b"\x01"
