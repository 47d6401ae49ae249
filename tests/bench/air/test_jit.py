import pytest

from bench.air.jit import CAPACITY, COUNTER, JitError, JitQueue, Slot

MS = 1_000
S = 1_000_000


@pytest.mark.parametrize(
    ("ahead_us", "outcome"),
    [
        (42_500, JitError.TOO_LATE),
        (42_501, None),
        (512 * S, None),
        (512 * S + 1, JitError.TOO_EARLY),
        (-1, JitError.TOO_EARLY),  # late packets look early: differences are unsigned
        (-5 * S, JitError.TOO_EARLY),
    ],
)
@pytest.mark.parametrize("now_us", [0, COUNTER - 10_000])
def test_the_window_is_42_5_ms_to_512_s_modulo_2_to_the_32(now_us, ahead_us, outcome):
    got = JitQueue().accept(now_us, (now_us + ahead_us) % COUNTER, 50 * MS)

    assert isinstance(got, Slot) if outcome is None else got is outcome


def test_a_very_old_packet_falls_into_the_window_again():
    # gateway.md section 1, "ghost transmission": 4000 s late is 294.967 s early
    assert isinstance(JitQueue().accept(0, -4_000 * S % COUNTER, 50 * MS), Slot)


def test_thirty_two_packets_fit():
    queue = JitQueue()
    for number in range(CAPACITY):
        assert isinstance(queue.accept(0, (number + 1) * S, 50 * MS), Slot)
    assert queue.accept(0, 100 * S, 50 * MS) is JitError.FULL
    assert JitError.FULL.value == "COLLISION_PACKET"


@pytest.mark.parametrize(
    ("start_ms", "fits"), [(900, False), (857, True), (1_000, False), (1_092, False), (1_093, True)]
)
def test_packets_must_not_come_closer_than_the_radio_can_be_programmed(start_ms, fits):
    queue = JitQueue()
    queue.accept(0, 1_000 * MS, 50 * MS)

    # before: start + 100 ms + 42.5 ms <= 1000 ms; after: 1050 ms + 42.5 ms < start
    assert isinstance(queue.accept(0, start_ms * MS, 100 * MS), Slot) is fits


def test_as_soon_as_possible_is_80_ms_ahead_or_the_next_gap():
    queue = JitQueue()
    first = queue.accept_soon(0, 50 * MS)
    second = queue.accept_soon(0, 50 * MS)

    assert first.count_us == 80 * MS
    assert second.count_us > first.count_us + first.duration_us + 41_500


def test_release_makes_room():
    queue = JitQueue()
    slot = queue.accept(0, 1 * S, 50 * MS)
    queue.release(slot)
    assert len(queue) == 0
