"""Certification topics: downlink sequence numbers; confirmed frames both ways (TS001-1.0.4 4.3.1.2, 4.3.1.5)."""

from bench.server.maccommands import link_adr_req

ACK = 0x20
ALL_EIGHT = 0x00FF


def test_a_downlink_counter_is_taken_once_and_may_jump_ahead(house):
    start = house.session.f_cnt_down
    sent = (0, 0, 5, 3, 5, 200)

    taken = []
    for ahead in sent:
        frame = house.build(port=2, data=bytes((ahead,)), f_cnt=start + ahead)
        taken.append([event.data for event in house.answer_with(frame).of("Downlink")])

    assert taken == [[b"\x00"], [], [b"\x05"], [], [], [b"\xc8"]]
    assert house.state()["fcnt_down"] == start + 200


def test_the_downlink_counter_rolls_over_16_bits_and_old_frames_stay_refused(house):
    for f_cnt in (0x8000, 0xFFFF, 0x1_0001):
        frame = house.build(port=2, data=b"x", f_cnt=f_cnt)
        assert house.answer_with(frame).of("Downlink")[0].fcnt == f_cnt

    # The same 16 bits, made before the roll-over: a recording.
    assert house.answer_with(house.build(port=2, data=b"x", f_cnt=0x8000)).events == []
    assert house.state()["fcnt_down"] == 0x1_0001


def test_the_uplink_counter_counts_new_frames_only_and_repeats_are_identical(house):
    house.server_says(link_adr_req(dr=5, tx_power=0, channel_mask=ALL_EIGHT, mask_control=0, nb_trans=3))
    first = house.uplink()
    second = house.uplink()

    assert len(first.sent) == len(second.sent) == 3
    assert len({frame.payload for frame in first.sent}) == 1
    assert len({frame.freq_hz for frame in first.sent}) == 3
    assert second.seen["fcnt32"] == first.seen["fcnt32"] + 1
    counters = [up.f_cnt for up in house.events("up")]
    assert counters == sorted(set(counters))


def test_a_confirmed_uplink_is_acknowledged_once(house):
    turn = house.uplink(b"important", confirmed=True)

    assert turn.seen["mtype"] == "ConfirmedDataUp"
    assert turn.kinds == ["Acknowledged"]
    assert len(turn.sent) == 1


def test_an_unanswered_confirmed_uplink_is_repeated_as_often_as_nb_trans_says(house):
    house.server_says(link_adr_req(dr=5, tx_power=0, channel_mask=ALL_EIGHT, mask_control=0, nb_trans=3))
    house.link.connected = False

    turn = house.uplink(b"important", confirmed=True)

    assert turn.kinds == ["NotAcknowledged"]
    assert len({frame.payload for frame in turn.sent}) == 1
    pauses_ms = [(b.start_us - a.end_us) // 1000 for a, b in zip(turn.sent, turn.sent[1:], strict=False)]
    assert len(pauses_ms) == 2
    # RX2 opens after 2 s; RETRANSMIT_TIMEOUT is 1 to 3 s from there.
    assert all(3_000 <= pause_ms <= 5_500 for pause_ms in pauses_ms)


def test_a_repetition_ends_when_the_acknowledgement_comes(house):
    house.server_says(link_adr_req(dr=5, tx_power=0, channel_mask=ALL_EIGHT, mask_control=0, nb_trans=3))
    answer = house.build(ack=True)

    turn = house.answer_with(answer, unanswered=1, uplink=lambda: house.uplink(b"important", confirmed=True))

    assert turn.kinds == ["Acknowledged"]
    assert len(turn.sent) == 2


def test_a_confirmed_downlink_is_acknowledged_by_the_next_uplink_alone(house):
    house.uplink()
    house.answer_with(house.build(port=2, data=b"do it", confirmed=True))

    turns = [house.uplink(), house.uplink()]

    assert [turn.seen["ack"] for turn in turns] == [True, False]


def test_a_replayed_confirmed_downlink_is_not_acknowledged_again(house):
    frame = house.build(port=2, data=b"do it", confirmed=True)
    house.answer_with(frame)
    house.answer_with(frame)

    assert house.uplink().seen["ack"] is False


def test_class_c_acknowledges_within_8_s_or_not_at_all(new_house):
    house = new_house("C").joined()
    house.uplink()
    events = house.on_rxc(house.build(port=2, data=b"at once", confirmed=True))
    assert [type(event).__name__ for event in events] == ["Downlink"]

    late = house.uplink(pause_s=20)
    house.on_rxc(house.build(port=2, data=b"again", confirmed=True), listen_s=4)
    prompt = house.answers(pause_s=1)

    assert (late.seen["ack"], prompt.seen["ack"]) == (False, True)
