"""A whole node on the virtual board: it joins, reports the truth, obeys, and goes on whatever breaks."""

from __future__ import annotations

import json

import pytest

from bench.boards import InterpreterMissing
from firmware.payload.commands import encode_command
from tests.firmware.node.whole_node import DEV_EUI, WholeNode

LATE = 16
SENSOR_FAULT = 2
REPORT_PORTS = {"fill": 20, "air": 21, "light": 22}
COMMAND_PORT, ANSWER_PORT, STATUS_PORT, EVENT_PORT = 40, 31, 30, 32


@pytest.fixture
def node(tmp_path):
    """Start a node of a profile; all are taken off the bench at the end."""
    started = []

    def start(profile="fill", **settings):
        try:
            whole = WholeNode(tmp_path / str(len(started)), profile, **settings)
        except InterpreterMissing as missing:
            pytest.skip(str(missing))
        started.append(whole)
        return whole.__enter__()

    yield start
    for whole in started:
        whole.__exit__()


def flags_of(up):
    from firmware import payload

    return payload.decode(up.f_port, up.data).flags


def test_fill_node_reports_what_its_sensors_saw(node):
    whole = node("fill")

    assert whole.run_until_ups(20, 2)
    for report in whole.decoded(20):
        assert (report["distance"], report["fill"]) == (1020, 40)
        assert (report["temperature"], report["battery"]) == (21.5, 3.62)


def test_air_node_reports_what_its_sensors_saw(node):
    whole = node("air")
    whole.world.temperature_centi, whole.world.humidity_permille = -450, 820

    assert whole.run_until_ups(21, 2)
    for report in whole.decoded(21):
        assert (report["no2"], report["o3"], report["no"]) == (21, 47, None)
        assert (report["temperature"], report["humidity"], report["calibration"]) == (-4.5, 82, 17)
        assert len(report["raw"]) == 4


def test_light_node_counts_every_movement_while_it_sleeps_and_sends(node):
    whole = node("light", dim_percent=60)
    whole.world.motions_us = [second * 1_000_000 for second in range(30, 900, 9)]

    assert whole.run_until_ups(22, 12, 900)
    reports = whole.decoded(22)
    last_us = whole.bench.now_us
    counted = sum(report["motion"] for report in reports)
    played = [entry for entry in whole.models["motion"].played if entry.time_us < last_us]
    assert 0 <= len(played) - counted <= 1  # one may have come between the reading and now
    assert all((report["illuminance"], report["dim"]) == (143, 60) for report in reports)


def test_first_uplinks_are_a_report_and_the_status(node):
    whole = node("fill")

    assert whole.run_until_ups(STATUS_PORT, 1)
    assert [up.f_port for up in whole.ups()] == [20, STATUS_PORT]
    (status,) = whole.decoded(STATUS_PORT)
    assert (status["reset"], status["boots"], status["battery"]) == ("power_on", 1, 3.62)


def test_interval_command_is_answered_in_the_very_next_uplink_and_survives_a_power_cut(node):
    whole = node("fill", report_interval_s=600)
    whole.run_until_ups(STATUS_PORT, 1)
    whole.server.enqueue(DEV_EUI, COMMAND_PORT, encode_command(17, {1: 60}))
    whole.run_until_ups(20, 2, 1300)

    # The command travels in the window after the status report.
    assert [up.f_port for up in whole.ups()][:3] == [20, STATUS_PORT, ANSWER_PORT]
    assert (whole.decoded(ANSWER_PORT)[-1]["seq"], whole.decoded(ANSWER_PORT)[-1]["ok"]) == (17, True)
    assert "spatz: command seq=17 interval=60 ok" in whole.board.console

    whole.board.power_off()
    whole.board.power_on()
    before = len(whole.ups(20))
    whole.bench.run_for(250)
    assert len(whole.ups(20)) - before >= 4


def test_interval_out_of_range_changes_nothing_and_is_refused(node):
    whole = node("fill")
    whole.run_until_ups(STATUS_PORT, 1)
    whole.server.enqueue(DEV_EUI, COMMAND_PORT, bytes.fromhex("8212a10105"))

    assert whole.run_until_ups(ANSWER_PORT, 1)
    assert whole.decoded(ANSWER_PORT)[0]["ok"] is False
    assert "interval=60 refused" in whole.board.console


@pytest.mark.parametrize("data", [b"", b"\xff", b"\x82\x01", bytes(40)])
def test_downlink_that_is_no_command_is_dropped(node, data):
    whole = node("fill")
    whole.run_until_ups(STATUS_PORT, 1)
    whole.server.enqueue(DEV_EUI, COMMAND_PORT, data)

    assert whole.run_until_ups(20, 4)
    assert whole.ups(ANSWER_PORT) == []


def test_reboot_command_is_answered_first_and_carried_out_once(node):
    whole = node("fill")
    whole.run_until_ups(STATUS_PORT, 1)
    whole.server.enqueue(DEV_EUI, COMMAND_PORT, encode_command(3, {20: 1}))
    assert whole.run_until_ups(STATUS_PORT, 2)
    assert whole.decoded(ANSWER_PORT)[0]["ok"] is True
    whole.server.enqueue(DEV_EUI, COMMAND_PORT, encode_command(3, {20: 1}))
    assert whole.run_until_ups(ANSWER_PORT, 2)
    whole.bench.run_for(120)

    assert whole.decoded(ANSWER_PORT)[1]["ok"] is False
    assert whole.board.console.count("spatz: start") == 2


def test_confirmed_reports_are_acknowledged(node):
    whole = node("fill", confirmed=True)

    assert whole.run_until_ups(20, 3)
    assert all(up.confirmed for up in whole.ups(20))
    assert "unheard" not in whole.board.console


def test_reports_of_an_outage_come_later_with_their_age(node):
    whole = node("fill", confirmed=True)
    whole.run_until_ups(20, 2)
    whole.link.connected = False
    whole.bench.run_for(300)
    whole.link.connected = True
    kept = whole.board.console.count("report port=20")
    whole.bench.run_for(3600)

    late = [up for up in whole.ups(20) if flags_of(up) & LATE]
    ages = [report["age"] for report in whole.decoded(20) if report.get("age") is not None]
    assert kept >= 5
    assert len(late) >= 4
    assert len(ages) == len(late)
    assert min(ages) >= 1
    minutes = [round(up.time.ToMicroseconds() / 60e6) - age for up, age in zip(late, ages, strict=True)]
    assert len(set(minutes)) == len(late), "no reading was sent twice"


def test_reports_taken_before_the_join_are_kept_in_flash_and_sent_after_it(node):
    whole = node("fill")
    whole.link.connected = False
    whole.bench.run_for(400)
    whole.board.power_off()
    whole.board.power_on()
    whole.link.connected = True
    whole.bench.run_for(4000)

    unknown_age = [up for up in whole.ups(20) if flags_of(up) & LATE and flags_of(up) & 8]
    assert len(unknown_age) >= 4


@pytest.mark.parametrize(
    ("profile", "part", "fault", "field"),
    [
        ("fill", "distance", "no-response", "distance"),
        ("fill", "temperature", "no-response", "temperature"),
        ("air", "adc", "bus", "no2"),
        ("air", "climate", "bus", "humidity"),
        ("light", "light", "bus", "illuminance"),
    ],
)
def test_broken_sensor_shows_as_an_empty_field_and_a_flag_until_it_heals(node, profile, part, fault, field):
    whole = node(profile)
    port = REPORT_PORTS[profile]
    whole.models[part].fail(fault)
    assert whole.run_until_ups(port, 2)
    assert whole.decoded(port)[-1][field] is None
    assert flags_of(whole.ups(port)[-1]) & SENSOR_FAULT

    whole.models[part].heal()
    whole.bench.run_for(180)

    assert whole.decoded(port)[-1][field] is not None
    assert flags_of(whole.ups(port)[-1]) & SENSOR_FAULT == 0


def test_full_bin_sends_a_confirmed_event_after_two_samples(node):
    whole = node("fill", report_interval_s=3600, sample_interval_s=30)
    whole.run_until_ups(STATUS_PORT, 1)
    whole.world.distance_mm = 400
    begin_us = whole.bench.now_us

    assert whole.run_until_ups(EVENT_PORT, 1, 120)
    assert whole.bench.now_us - begin_us < 75_000_000
    (event,) = whole.decoded(EVENT_PORT)
    assert (event["event"], event["value"], event["number"]) == ("full", 92, 1)
    assert whole.ups(EVENT_PORT)[0].confirmed
    whole.bench.run_for(5)
    assert whole.decoded(20)[-1]["fill"] == 92


def test_covered_lens_counts_as_full_without_a_distance(node):
    whole = node("fill")
    whole.models["distance"].fail("below-blanking")

    assert whole.run_until_ups(20, 2)
    assert (whole.decoded(20)[-1]["distance"], whole.decoded(20)[-1]["fill"]) == (None, 100)
    assert flags_of(whole.ups(20)[-1]) & SENSOR_FAULT


def test_node_that_hears_nothing_for_four_days_joins_again_and_reports_meanwhile(node):
    whole = node("fill", report_interval_s=3600)
    whole.run_until_ups(STATUS_PORT, 1)
    whole.link.connected = False
    whole.bench.run_for(95 * 3600)
    assert whole.board.console.count("spatz: join ") == 1
    whole.bench.run_for(3 * 3600)
    tries = whole.board.console.count("spatz: join ")
    assert tries >= 2
    assert whole.board.console.count("spatz: report") >= 97

    whole.link.connected = True
    whole.bench.run_for(3 * 3600)
    assert whole.board.console.count("spatz: joined") == 2


def test_node_in_a_network_that_has_nothing_to_say_asks_and_does_not_join_again(node):
    whole = node("fill", report_interval_s=7200)
    whole.bench.run_for(6 * 86_400)

    assert whole.board.console.count("spatz: join ") == 1
    assert len(whole.ups(20)) >= 71


def test_node_without_identity_measures_into_flash_and_says_why(node):
    whole = node("fill")
    whole.board.power_off()
    whole.board.write_files({"/lorawan/identity": b""})
    whole.board.power_on()
    whole.bench.run_for(200)

    assert "spatz: link dead" in whole.board.console
    assert "pending=3" in whole.board.console


def test_unusable_configuration_is_told_with_the_next_step(node):
    whole = node("fill")
    whole.board.power_off()
    whole.board.write_files({"/node.json": json.dumps({"version": 1}).encode()})
    whole.board.power_on()
    whole.bench.run_for(5)

    assert "spatz: no configuration: name: missing; run `spatz deploy`" in whole.board.console


def test_no_key_is_ever_printed(node):
    whole = node("fill")
    whole.run_until_ups(STATUS_PORT, 1)
    session = whole.server.storage.device(DEV_EUI).session

    for key in (bytes(range(16)), session.keys.app_s_key, session.keys.nwk_s_key):
        assert key.hex() not in whole.board.console.lower()
