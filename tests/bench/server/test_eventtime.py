"""When an uplink happened, by ChirpStack's rule."""

import pytest
from server_node import NOW_US, SECOND_US, joined

from bench.server.eventtime import gps_us, unix_us

HOUR_US = 3600 * SECOND_US


@pytest.mark.parametrize(
    ("utc_s", "gps_s"),
    [
        (315_964_800, 0),
        (1_483_228_799, 1_167_264_016),
        (1_483_228_800, 1_167_264_018),
        (1_795_312_800, 1_479_348_018),
    ],
    ids=["GPS epoch", "last second before the 18th leap second", "first second after it", "today"],
)
def test_gps_time_runs_ahead_by_the_leap_seconds(utc_s, gps_s):
    assert gps_us(utc_s * SECOND_US) == gps_s * SECOND_US
    assert unix_us(gps_s * SECOND_US) == utc_s * SECOND_US


def time_of(**times):
    air, node = joined()
    air.hear(node.send(), **times)
    air.wait(1)
    (up,) = air.take("up")
    return up.time.ToMicroseconds()


def test_gps_time_is_believed_however_old_it_is():
    assert time_of(gps_us=gps_us(NOW_US - 24 * HOUR_US), gw_time_us=NOW_US) == NOW_US - 24 * HOUR_US


def test_a_gateway_clock_within_30_s_is_believed():
    assert time_of(gw_time_us=NOW_US - 29 * SECOND_US) == NOW_US - 29 * SECOND_US


def test_a_gateway_clock_further_off_gives_way_to_the_servers():
    arrived = time_of(gw_time_us=NOW_US - 31 * SECOND_US)

    assert abs(arrived - NOW_US) < SECOND_US


def test_without_any_time_the_server_says_now():
    assert abs(time_of() - NOW_US) < SECOND_US


def test_the_event_keeps_the_gateways_metadata_beside_the_region():
    air, node = joined()
    from server_node import uplink_frame

    frame = uplink_frame(node.send())
    frame.rx_info.metadata["spatz_late"] = "1"
    air.server.handle_uplink(frame, air.now_us)
    air.wait(1)

    (up,) = air.take("up")
    assert dict(up.rx_info[0].metadata) == {
        "spatz_late": "1",
        "region_config_id": "eu868",
        "region_common_name": "EU868",
    }
