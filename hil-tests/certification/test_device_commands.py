"""Certification topics: DevStatus, LinkCheck, DutyCycle, DeviceTime, TxParamSetup (TS001-1.0.4 section 5)."""

import pytest

from bench.server.eventtime import gps_us
from bench.server.maccommands import dev_status_req

EPOCH_US = 1_795_305_600_000_000


def test_dev_status_tells_battery_and_the_snr_of_the_request(new_house):
    house = new_house(battery=77).joined()
    # 16 dBm EIRP less 133.5 dB: 0.5 dB above the noise floor of -117 dBm.
    house.air.set_loss("device", "gateway", 127.0)

    turn = house.server_says(dev_status_req())

    (answer,) = turn.commands
    assert answer["command"] == "DevStatusAns"
    assert answer["battery"] == 77
    snr_db = answer["margin"] - 64 if answer["margin"] >= 32 else answer["margin"]
    assert snr_db == round(16 - 127.0 + 117.03)
    assert house.events("status")[-1].margin == snr_db


def test_dev_status_answers_once(house):
    turn = house.server_says(dev_status_req())

    assert turn.command_names == ["DevStatusAns"]
    assert house.uplink().command_names == []


def test_link_check_is_answered_with_margin_and_gateways(house):
    house.mac.request_link_check()

    turn = house.uplink()

    (answer,) = turn.of("LinkCheck")
    assert turn.command_names == ["LinkCheckReq"]
    assert answer.gateways == 1
    assert answer.margin_db > 0
    assert house.uplink().command_names == []


def test_a_link_check_answer_nobody_asked_for_is_ignored(house):
    turn = house.answer_with(house.build(f_opts=b"\x02\x10\x01"))

    assert turn.of("LinkCheck") == []
    assert house.uplink().command_names == []


def test_device_time_is_the_end_of_the_uplink_that_asked(house):
    house.mac.request_time()

    turn = house.uplink()

    (told,) = turn.of("NetworkTime")
    end_us = gps_us(EPOCH_US + turn.sent[0].end_us)
    assert abs(told.gps_s * 256 + told.fraction_256 - end_us * 256 // 1_000_000) <= 1
    # What the node makes of it now is right to within a tick of 1/256 s and what it took to conclude.
    now_us = gps_us(EPOCH_US + house.schedule.now_us)
    assert 0 <= now_us - end_us - 1000 * told.age_ms < 200_000


def test_a_duty_cycle_of_one_in_1024_silences_the_device_accordingly(house):
    turn = house.server_says(b"\x04\x0a")
    assert turn.command_names == ["DutyCycleAns"]
    airtime_us = turn.sent[0].end_us - turn.sent[0].start_us

    following = house.uplink(pause_s=0)

    silence_us = following.sent[0].start_us - turn.sent[0].end_us
    assert silence_us >= airtime_us * (2**10 - 1)
    assert silence_us < airtime_us * (2**10 - 1) + 5_000_000


def test_a_duty_cycle_of_zero_lifts_the_limit(house):
    house.server_says(b"\x04\x0a")
    house.server_says(b"\x04\x00")
    last = house.uplink()

    following = house.uplink(pause_s=5)

    assert following.sent[0].start_us - last.sent[0].end_us < 10_000_000


@pytest.mark.parametrize("settings", [0x05, 0x35], ids=["no dwell time", "dwell time both ways"])
def test_tx_param_setup_is_not_answered_in_a_region_without_it(house, settings):
    before = house.state()

    turn = house.server_says(bytes((0x09, settings)))

    assert turn.command_names == []
    assert turn.sent[0].power_dbm == house.sent[0].power_dbm
    assert house.state()["eirp_dbm"] == before["eirp_dbm"]


def test_an_unknown_command_ends_the_list_and_answers_before_it_stand(house):
    house.answer_with(house.build(f_opts=b"\x06\x80\x06"))

    assert house.uplink().command_names == ["DevStatusAns"]
