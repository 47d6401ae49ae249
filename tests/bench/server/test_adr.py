"""ChirpStack's default ADR algorithm; the table is the one of its own tests, in our words."""

import pytest

from bench.server.adr import AdrRequest, Heard, LinkSettings, advise, next_nb_trans, packet_loss_percent


def request(steps, dr, power, *, max_dr=5, max_power=5, count=20):
    history = [Heard(i, 3.0 * steps, power, 1) for i in range(count)]
    return AdrRequest(LinkSettings(dr, power, 1), 0.0, 0.0, max_dr, max_power, history)


@pytest.mark.parametrize(
    ("steps", "dr", "power", "expected"),
    [
        (0, 3, 1, (3, 1)),
        (1, 4, 1, (5, 1)),
        (1, 5, 1, (5, 2)),
        (2, 3, 1, (5, 1)),
        (2, 4, 1, (5, 2)),
        (2, 5, 1, (5, 3)),
        (2, 5, 5, (5, 5)),
        (-1, 5, 1, (5, 0)),
        (-1, 4, 0, (4, 0)),
        (-10, 4, 0, (4, 0)),
    ],
)
def test_margin_is_spent_on_data_rate_first_then_on_power(steps, dr, power, expected):
    advice = advise(request(steps, dr, power))

    assert (advice.dr, advice.tx_power_index) == expected


def test_missing_margin_waits_for_a_full_history():
    assert advise(request(-1, 5, 3, count=19)).tx_power_index == 3


def test_a_data_rate_above_the_maximum_is_lowered():
    assert advise(request(0, 5, 0, max_dr=4)).dr == 4


def test_packet_loss_is_the_share_of_missing_counters():
    counters = [*range(5), *(i + 1 for i in range(5, 10)), *(i + 2 for i in range(10, 20))]

    assert packet_loss_percent([Heard(c, 0.0, 0, 1) for c in counters]) == 10.0


@pytest.mark.parametrize(("loss", "current", "wanted"), [(4.99, 3, 2), (9.99, 2, 2), (29.9, 1, 2), (30.0, 3, 3)])
def test_nb_trans_follows_the_loss(loss, current, wanted):
    assert next_nb_trans(current, loss) == wanted
