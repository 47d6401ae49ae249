"""Certification topics: RXParamSetup, RXTimingSetup, RX1 twice, RX2, both windows (TS001-1.0.4 3.3, 5.4, 5.8)."""

import pytest

from bench.server.maccommands import rx_param_setup_req, rx_timing_setup_req

RX2_HZ = 869_525_000


def arrived(turn):
    return [event.data for event in turn.of("Downlink")]


@pytest.mark.parametrize("data_rate", range(6))
def test_rx1_has_the_frequency_and_data_rate_of_the_uplink(house, data_rate):
    house.mac.set_adr(False)
    house.mac.set_data_rate(data_rate)

    turn = house.answer_with(house.build(port=2, data=b"in RX1"))

    downlink = house.air.records[-1].frame
    assert arrived(turn) == [b"in RX1"]
    assert (downlink.freq_hz, downlink.sf) == (turn.sent[0].freq_hz, turn.sent[0].sf)
    assert downlink.start_us - turn.sent[0].end_us == 1_000_000


@pytest.mark.parametrize("offset", range(6))
def test_rx1_is_slower_by_the_offset(house, offset):
    house.tester_says(rx_param_setup_req(rx1_dr_offset=offset, rx2_dr=0, rx2_frequency_hz=RX2_HZ))
    house.session.rx1_dr_offset = offset

    turn = house.answer_with(house.build(port=2, data=b"slower"))

    assert arrived(turn) == [b"slower"]
    assert house.air.records[-1].frame.sf == min(turn.sent[0].sf + offset, 12)


def test_rx2_is_heard_when_rx1_is_empty(house):
    turn = house.answer_with(rx2=house.build(port=2, data=b"in RX2"))

    downlink = house.air.records[-1].frame
    assert arrived(turn) == [b"in RX2"]
    assert (downlink.freq_hz, downlink.sf) == (RX2_HZ, 12)
    assert downlink.start_us - turn.sent[0].end_us == 2_000_000


def test_a_valid_frame_in_rx1_keeps_rx2_closed(house):
    first, second = house.build(port=2, data=b"first"), house.build(port=2, data=b"second")

    turn = house.answer_with(first, second)

    assert arrived(turn) == [b"first"]
    later = house.rest(5)
    if house.class_c:
        assert [event.data for event in later] == [b"second"]  # on RXC, as any other frame there
    else:
        assert house.air.records[-1].unheard["device"] == "no receive window was open"


def test_a_frame_for_another_device_in_rx1_leaves_rx2_open(house):
    other = house.build(port=2, data=b"other", dev_addr="01020304")

    turn = house.answer_with(other, house.build(port=2, data=b"mine"))

    assert arrived(turn) == [b"mine"]


def test_rx_param_setup_moves_rx2_and_is_answered_until_a_downlink_comes(house):
    moved = rx_param_setup_req(rx1_dr_offset=0, rx2_dr=3, rx2_frequency_hz=868_525_000)
    house.answer_with(house.build(f_opts=moved))

    first, second = house.answer_with(), house.answer_with()
    house.session.rx2_dr, house.session.rx2_frequency_hz = 3, 868_525_000
    third = house.answer_with(rx2=house.build(port=2, data=b"there"))

    answer = {"command": "RXParamSetupAns", "channel_ack": 1, "rx2_dr_ack": 1, "rx1_dr_offset_ack": 1}
    assert first.commands == second.commands == third.commands == [answer]
    assert arrived(third) == [b"there"]
    assert house.uplink().commands == []


@pytest.mark.parametrize(
    ("settings", "bits"),
    [
        ({"rx1_dr_offset": 6, "rx2_dr": 0, "rx2_frequency_hz": RX2_HZ}, (1, 1, 0)),
        ({"rx1_dr_offset": 0, "rx2_dr": 14, "rx2_frequency_hz": RX2_HZ}, (1, 0, 1)),
        ({"rx1_dr_offset": 0, "rx2_dr": 0, "rx2_frequency_hz": 870_500_000}, (0, 1, 1)),
    ],
    ids=["offset", "data rate", "frequency"],
)
def test_rx_param_setup_with_one_bad_part_changes_nothing(house, settings, bits):
    house.answer_with(house.build(f_opts=rx_param_setup_req(**settings)))

    turn = house.answer_with(rx2=house.build(port=2, data=b"still here"))

    (answer,) = turn.commands
    assert (answer["channel_ack"], answer["rx2_dr_ack"], answer["rx1_dr_offset_ack"]) == bits
    assert arrived(turn) == [b"still here"]


@pytest.mark.parametrize("delay_s", [0, 1, 4, 15])
def test_rx_timing_setup_moves_both_windows(house, delay_s):
    asked = house.tester_says(rx_timing_setup_req(delay_s))
    assert asked.command_names == ["RXTimingSetupAns"]

    house.session.rx1_delay_s = delay_s or 1
    in_rx1 = house.answer_with(house.build(port=2, data=b"one"))
    in_rx2 = house.answer_with(rx2=house.build(port=2, data=b"two"))

    assert arrived(in_rx1) + arrived(in_rx2) == [b"one", b"two"]
    assert house.air.records[-1].frame.start_us - in_rx2.sent[0].end_us == 1_000_000 * ((delay_s or 1) + 1)


def test_rx_timing_setup_is_answered_until_a_downlink_comes(house):
    house.answer_with(house.build(f_opts=rx_timing_setup_req(2)))
    house.session.rx1_delay_s = 2

    names = [house.answer_with().command_names for _ in range(3)]
    names.append(house.answer_with(house.build()).command_names)

    assert names == 4 * [["RXTimingSetupAns"]]
    assert house.uplink().command_names == []


def test_class_c_listens_on_rxc_between_uplinks_and_its_rxc_follows_rx2(new_house):
    house = new_house("C").joined()
    house.uplink()
    assert [event.data for event in house.on_rxc(house.build(port=2, data=b"slow"))] == [b"slow"]

    house.tester_says(rx_param_setup_req(rx1_dr_offset=0, rx2_dr=3, rx2_frequency_hz=RX2_HZ))
    events = house.on_rxc(house.build(port=2, data=b"fast"))

    assert [event.data for event in events] == [b"fast"]
    assert house.air.records[-1].frame.sf == 9


def test_class_c_gets_what_the_server_has_between_two_uplinks(new_house):
    house = new_house("C").joined()
    house.uplink()
    house.rest(10)

    house.enqueue(b"now")
    events = house.rest(5)

    assert [event.data for event in events] == [b"now"]


def test_mac_commands_on_rxc_are_ignored(new_house):
    house = new_house("C").joined()
    house.uplink()

    house.on_rxc(house.build(f_opts=b"\x06"))

    assert house.uplink().command_names == []


def test_class_c_also_listens_between_the_end_of_its_uplink_and_rx1(new_house):
    house = new_house("C").joined()
    house.tester_says(rx_timing_setup_req(5))

    # The tester still counts from 1 s: its frame for RX2 comes 3 s before RX1 opens.
    turn = house.answer_with(rx2=house.build(port=2, data=b"between"))

    assert turn.events == []
    assert [event.data for event in house.rest(1)] == [b"between"]
