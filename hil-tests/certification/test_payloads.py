"""Certification topics: largest payloads, oversized downlink, MAC in FOpts and/or payload, priority, FPort 224 off.

Source: TS001-1.0.4 sections 4.3.1.6, 4.3.2, 5; RP002-1.0.4 section 2.4.6.
"""

import pytest

from bench.server.maccommands import new_channel_req
from firmware.lorawan.errors import PayloadTooLong

ROOM = (51, 51, 51, 115, 242, 242)
DEV_STATUS = b"\x06"


@pytest.mark.parametrize("data_rate", range(6))
def test_the_largest_uplink_of_each_data_rate_goes_and_one_byte_more_does_not(house, data_rate):
    house.mac.set_adr(False)
    house.mac.set_data_rate(data_rate)
    largest = bytes(range(ROOM[data_rate]))
    house.rest(3600)

    with pytest.raises(PayloadTooLong) as refusal:
        house.uplink(largest + b"\x00")
    house.uplink(largest)

    assert refusal.value.max == ROOM[data_rate]
    assert house.events("up")[-1].data == largest


@pytest.mark.parametrize("data_rate", range(6))
def test_the_largest_downlink_of_each_data_rate_is_taken(house, data_rate):
    house.mac.set_adr(False)
    house.mac.set_data_rate(data_rate)
    largest = bytes(range(ROOM[data_rate]))
    house.rest(3600)

    turn = house.answer_with(house.build(port=2, data=largest))

    assert [event.data for event in turn.of("Downlink")] == [largest]


def test_an_oversized_downlink_does_not_upset_the_device(house):
    house.mac.set_adr(False)
    house.mac.set_data_rate(0)

    house.answer_with(house.build(port=2, data=bytes(ROOM[0] + 1)))
    following = house.answer_with(house.build(port=2, data=b"fits"))

    assert [event.data for event in following.of("Downlink")] == [b"fits"]


def test_mac_commands_in_fopts_come_with_application_data(house):
    turn = house.answer_with(house.build(port=2, data=b"both", f_opts=DEV_STATUS))

    assert [event.data for event in turn.of("Downlink")] == [b"both"]
    assert house.uplink().command_names == ["DevStatusAns"]


def test_mac_commands_on_port_0_are_taken_and_not_given_to_the_application(house):
    turn = house.answer_with(house.build(port=0, data=DEV_STATUS))

    assert turn.of("Downlink") == []
    assert house.uplink().command_names == ["DevStatusAns"]


def test_mac_commands_in_fopts_and_on_port_0_at_once_discard_the_frame(house):
    before = house.state()["fcnt_down"]

    house.answer_with(house.build(port=0, data=DEV_STATUS, f_opts=DEV_STATUS))

    assert house.uplink().command_names == []
    assert house.state()["fcnt_down"] == before


def test_answers_too_long_for_fopts_go_alone_on_port_0(new_house):
    house = new_house(extra_channels_hz=()).joined()
    # Eight NewChannelReq: 16 bytes of answers, more than the 15 of FOpts.
    asked = b"".join(new_channel_req(index=3 + i, frequency_hz=867_100_000 + 100_000 * i) for i in range(8))
    house.answer_with(house.build(port=0, data=asked))

    turn = house.answers()

    assert turn.seen["fport"] == 0
    assert turn.command_names == 8 * ["NewChannelAns"]


def test_mac_answers_have_priority_over_application_data(house):
    house.mac.set_adr(False)
    house.mac.set_data_rate(0)
    house.answer_with(house.build(f_opts=DEV_STATUS))

    with pytest.raises(PayloadTooLong) as refusal:
        house.uplink(bytes(ROOM[0]))
    smaller = house.uplink(bytes(refusal.value.max))

    assert (refusal.value.max, refusal.value.max_alone) == (ROOM[0] - 3, ROOM[0])
    assert smaller.command_names == ["DevStatusAns"]
    assert house.uplink(bytes(ROOM[0])).command_names == []


def test_port_224_means_nothing_while_test_mode_is_off(house):
    before = house.state()["dev_addr"]

    # DutJoinReq and an echo: an application without test mode gets bytes on a port it does not know.
    for command in (b"\x02", b"\x08\x01\x02"):
        turn = house.answer_with(house.build(port=224, data=command))
        assert [(event.port, event.data) for event in turn.of("Downlink")] == [(224, command)]
    following = house.uplink(b"as before")

    assert house.state()["dev_addr"] == before
    assert (following.seen["fport"], following.seen["plaintext"]) == (1, b"as before".hex())
