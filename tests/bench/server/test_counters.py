"""Uplink counters: accepted, retransmitted, reset, jumped, rolled over, not checked."""

import pytest
from server_node import DEV_EUI, Node, joined

from bench.server.counters import Verdict, full_counter, judge
from bench.server.frames import DataFrame, FType


@pytest.mark.parametrize(
    ("expected", "f_cnt16", "full"),
    [
        (0, 0, 0),
        (5, 5, 5),
        (5, 9, 9),
        (5, 4, 65540),
        (65535, 65535, 65535),
        (65536, 0, 65536),
        (65536, 65535, 131071),
        (70000, 70000 & 0xFFFF, 70000),
        (0xFFFF_FFFF, 0xFFFF, 0xFFFF_FFFF),
    ],
)
def test_the_full_counter_is_the_next_that_ends_in_the_16_bits(expected, f_cnt16, full):
    assert full_counter(expected, f_cnt16) == full


@pytest.mark.parametrize(
    ("expected", "f_cnt", "skip", "verdict"),
    [
        (5, 5, False, Verdict.ACCEPT),
        (5, 65535 + 5, False, Verdict.ACCEPT),
        (5, 4, False, Verdict.RETRANSMISSION),
        (5, 3, False, Verdict.RESET),
        (5, 0, False, Verdict.RESET),
        (5, 3, True, Verdict.ACCEPT),
    ],
)
def test_a_counter_is_judged(expected, f_cnt, skip, verdict):
    assert judge(expected, f_cnt, skip_check=skip) is verdict


def hear(air, phy, seconds=1.0):
    air.hear(phy)
    air.wait(seconds)
    return [up.f_cnt for up in air.take("up")], [log.code for log in air.take("log")]


F_CNT_RESET, F_CNT_RETRANSMISSION = 5, 7


def test_uplinks_in_order_are_taken_once_each():
    air, node = joined()

    assert hear(air, node.send()) == ([0], [])
    assert hear(air, node.send()) == ([1], [])


def test_a_repeated_uplink_after_the_lock_is_a_retransmission_and_confirmed_or_not_gets_no_answer():
    air, node = joined()
    phy = node.send(confirmed=True)
    hear(air, phy)
    assert len(air.take("down")) == 1

    assert hear(air, phy) == ([], [F_CNT_RETRANSMISSION])
    assert air.take("down") == []


def test_an_older_uplink_is_called_a_reset():
    air, node = joined()
    for _ in range(3):
        hear(air, node.send())

    assert hear(air, node.send(f_cnt=0)) == ([], [F_CNT_RESET])


def test_a_jump_of_65535_forward_is_accepted_since_there_is_no_gap_limit():
    air, node = joined()
    hear(air, node.send())

    assert hear(air, node.send(f_cnt=65536)) == ([65536], [])


def test_the_counter_rolls_over_its_16_bits():
    air, node = joined()
    hear(air, node.send(f_cnt=65535))

    assert hear(air, node.send(f_cnt=65536)) == ([65536], [])
    assert hear(air, node.send(f_cnt=65537)) == ([65537], [])


def test_an_old_uplink_beyond_65536_fails_as_a_wrong_mic_and_leaves_only_a_log_line():
    air, node = joined()
    hear(air, node.send(f_cnt=65535))
    hear(air, node.send(f_cnt=70000))

    assert hear(air, node.send(f_cnt=69000)) == ([], [])
    assert any("valid MIC" in line for line in air.take("line"))


def test_without_the_check_a_late_frame_is_taken_again_and_sets_the_counter_back():
    air, node = joined()
    for _ in range(4):
        hear(air, node.send())
    air.server.storage.device(DEV_EUI).skip_fcnt_check = True

    assert hear(air, node.send(f_cnt=1)) == ([1], [])
    assert air.server.storage.device(DEV_EUI).session.f_cnt_up == 2


def test_a_disabled_device_is_not_heard():
    air, node = joined()
    air.server.storage.device(DEV_EUI).is_disabled = True

    assert hear(air, node.send()) == ([], [])


def test_two_devices_of_one_address_are_told_apart_by_their_keys():
    air, node = joined()
    other = Node("70b3d57ed0000002", bytes(range(16, 32)))
    air.server.add_device(other.dev_eui, other.app_key)
    air.hear(other.join_request())
    air.wait(1)
    other.take_accept(air.take("down")[0].items[0].phy_payload)
    air.outputs.clear()
    session = air.server.storage.device(other.dev_eui).session
    session.dev_addr = node.accept.dev_addr
    frame = DataFrame(FType.UNCONFIRMED_UP, node.accept.dev_addr, 0, f_port=1, payload=b"x")

    air.hear(frame.build(other.keys, 0))
    air.wait(1)

    assert [up.device_info.dev_eui for up in air.take("up")] == [other.dev_eui]
