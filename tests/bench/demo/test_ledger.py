"""The ledger's books: what counts as sent, heard, lost, equal."""

import pytest

from bench.demo.ledger import Ledger, UplinkId, differences

UPLINK = UplinkId("bin-1", "01020304", 7)


@pytest.fixture
def ledger():
    ledger = Ledger()
    ledger.node("bin-1", "fill")
    return ledger


def test_an_uplink_that_was_heard_and_never_arrived_is_lost(ledger):
    ledger.sent(UPLINK, 20, 1000, heard=True)

    assert ledger.lost() == [UPLINK]
    assert ledger.lost_on_air() == []
    assert (ledger.heard_count(), ledger.decoded_count()) == (1, 0)


def test_an_uplink_that_nobody_heard_is_lost_on_the_air_and_not_by_the_gateway(ledger):
    ledger.sent(UPLINK, 20, 1000, heard=False)

    assert ledger.lost() == []
    assert ledger.lost_on_air() == [UPLINK]


def test_a_repeat_that_is_heard_makes_the_uplink_heard_and_keeps_its_first_time(ledger):
    ledger.sent(UPLINK, 20, 1000, heard=False)
    ledger.sent(UPLINK, 20, 5000, heard=True)

    assert ledger.heard_count() == 1
    assert ledger.uplinks[UPLINK].sent_us == 1000


def test_an_uplink_that_arrives_without_ever_having_been_sent_is_noticed(ledger):
    ledger.arrived(UPLINK, {}, 1000)

    assert ledger.unannounced == [UPLINK]
    assert ledger.decoded_count() == 0


def test_a_value_that_no_model_played_is_a_mismatch_that_names_itself(ledger):
    ledger.sent(UPLINK, 20, 1000, heard=True)
    ledger.arrived(UPLINK, {"fill": 47, "distance": 1234}, 2000)

    found = ledger.compare(UPLINK, {"fill": {47}, "distance": {1230, 1231}})

    assert [str(one) for one in found] == ["bin-1, frame 7: distance decoded as 1234, the models played 1230 or 1231"]
    assert ledger.mismatches == found


@pytest.mark.parametrize(
    ("decoded", "acceptable"),
    [({}, {"fill": {47}}), ({"fill": None}, {"fill": {47}}), ({"fill": 0}, {"fill": {None}})],
)
def test_a_missing_value_is_no_zero_and_a_zero_no_missing_value(decoded, acceptable):
    assert [name for name, _, _ in differences(decoded, acceptable)] == ["fill"]


def test_report_times_leave_out_answers_and_other_nodes(ledger):
    ledger.sent(UPLINK, 20, 3000, heard=True)
    ledger.sent(UplinkId("bin-1", "01020304", 6), 20, 1000, heard=True)
    ledger.sent(UplinkId("bin-1", "01020304", 8), 31, 4000, heard=True)
    ledger.sent(UplinkId("lamp-1", "01020305", 8), 22, 2000, heard=True)

    assert ledger.report_times_us("bin-1") == [1000, 3000]
