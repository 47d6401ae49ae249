import pytest

from bench.chips.a02yyuw import A02YYUW
from bench.schedule import Schedule
from bench.wires import HostUART


def listen(model, schedule, seconds):
    uart = HostUART(schedule, model, rxbuf=4096)
    schedule.run_until(schedule.now_us + int(seconds * 1_000_000))
    return uart.read() or b""


def test_published_frame_is_what_1953_mm_looks_like(vectors):
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 1953)

    heard = listen(model, schedule, 1)

    assert heard[:4] == bytes.fromhex(vectors["a02-ds"]["bytes"])


def test_ff_within_a_frame_is_a_value_like_any_other(vectors):
    both = bytes.fromhex(vectors["a02-ff-in-payload"]["bytes"])
    for frame, distance_mm in zip((both[:4], both[4:]), vectors["a02-ff-in-payload"]["expected"], strict=True):
        schedule = Schedule()
        assert listen(A02YYUW(schedule, lambda now_us, mm=distance_mm: mm), schedule, 1)[:4] == frame


def test_nothing_comes_before_the_start_up_time_and_then_three_to_ten_frames_a_second():
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 1000, first_frame_us=700_000)

    assert listen(model, schedule, 0.7) == b""
    frames = len(listen(model, schedule, 10)) // 4

    assert 33 <= frames <= 100


def test_bytes_arrive_one_by_one_at_9600_baud():
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 1000, first_frame_us=0)
    arrivals = []
    model.connect(lambda data: arrivals.append((schedule.now_us, data)))

    schedule.run_until(5_000)

    assert [when for when, _ in arrivals] == [1042, 2084, 3126, 4168]
    assert all(len(data) == 1 for _, data in arrivals)


def test_without_supply_it_stops_in_the_middle_of_a_frame():
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 1000, first_frame_us=0)
    uart = HostUART(schedule, model)
    schedule.run_until(2_500)

    model.set_power(False)
    schedule.run_until(5_000_000)

    assert len(uart.read()) == 2


def test_a_reader_that_never_reads_keeps_the_oldest_frames_and_loses_the_new_ones():
    schedule = Schedule()
    distance = [1000]
    model = A02YYUW(schedule, lambda now_us: distance[0])
    uart = HostUART(schedule, model, rxbuf=64)
    schedule.run_until(10_000_000)

    distance[0] = 2000
    schedule.run_until(20_000_000)

    assert uart.any() == 64
    assert uart.lost > 0
    assert uart.read()[:4] == b"\xff\x03\xe8\xea"


@pytest.mark.parametrize(
    ("fault", "expected"),
    [("no-target", "ff ff fd fb"), ("interference", "ff ff fe fc"), ("below-blanking", "ff 00 14 13")],
)
def test_fault_words_show_as_their_frames(fault, expected):
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 1000)
    model.fail(fault)

    assert listen(model, schedule, 1)[:4] == bytes.fromhex(expected)
    assert model.played[0].value == fault


def test_old_firmware_says_zero_where_it_sees_nothing():
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 6000, new_firmware=False)

    assert listen(model, schedule, 1)[:4] == bytes.fromhex("ff 00 00 ff")


def test_a_noisy_line_spoils_every_second_frame_so_that_its_sum_does_not_fit():
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 1234)
    model.fail("checksum")

    heard = listen(model, schedule, 3)
    frames = [heard[i : i + 4] for i in range(0, len(heard) - 3, 4)]

    good = [sum(frame[:3]) & 0xFF == frame[3] for frame in frames]
    assert good == [bool(i % 2) for i in range(len(frames))]


def test_joined_in_the_middle_of_a_frame_and_stray_ff():
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 1953, powered=False)
    model.fail("mid-frame")
    model.fail("stray-ff")
    model.set_power(True)

    assert listen(model, schedule, 0.75)[:7] == bytes.fromhex("a1 a7 ff ff 07 a1 a7")


def test_played_tells_every_frame_in_mm():
    schedule = Schedule()
    model = A02YYUW(schedule, lambda now_us: 800 if now_us < 2_000_000 else 900)

    listen(model, schedule, 4)

    values = [entry.value for entry in model.played]
    assert values == sorted(values)
    assert set(values) == {800, 900}


def test_an_unknown_fault_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="no-target"):
        A02YYUW(Schedule(), lambda now_us: 1).fail("crc")
