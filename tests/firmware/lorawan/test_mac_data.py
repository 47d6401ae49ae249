"""Uplinks, downlinks, counters, acknowledgements, repetitions and limits. Runs on both interpreters."""

from binascii import hexlify

from firmware.lorawan.errors import AckWait, Busy, DutyCycleWait, PayloadTooLong, StateCorrupt, Wait
from firmware.lorawan.store import COLD, HOT, NONCE
from tests.firmware.lorawan.net import Device, joined, names, raises


def test_uplinks_count_from_zero_and_carry_what_was_given():
    device = joined()

    first, events = device.uplink(b"hello", port=17)
    second, _ = device.uplink(b"", port=18)

    assert (first["fcnt32"], first["fport"], first["plaintext"]) == (0, 17, hexlify(b"hello").decode())
    assert (first["mtype"], first["adr"], first["ack"]) == ("UnconfirmedDataUp", True, False)
    assert events == []
    assert (second["fcnt32"], second["fport"], second["frmpayload"]) == (1, 18, "")


def test_downlink_is_reported_with_what_was_heard():
    device = joined()

    _, events = device.uplink(answer=lambda: device.network.downlink(9, b"set", pending=True))

    (event,) = events
    assert (event.port, event.data, event.confirmed, event.pending, event.fcnt) == (9, b"set", False, True, 0)
    assert (event.rssi_dbm, event.snr_db_x4) == (-80, 20)


def test_confirmed_downlink_is_acknowledged_once_in_the_next_uplink():
    device = joined()
    device.uplink(answer=lambda: device.network.downlink(9, b"set", confirmed=True))

    assert [device.uplink()[0]["ack"] for _ in range(2)] == [True, False]


def test_replayed_older_foreign_and_altered_downlinks_are_dropped():
    device = joined()
    frame = device.network.downlink(9, b"a", fcnt=5)
    device.uplink(answer=frame)
    altered = bytearray(device.network.downlink(9, b"b", fcnt=6))
    altered[10] ^= 1
    foreign = bytearray(device.network.downlink(9, b"c", fcnt=7))
    foreign[1] ^= 1
    older = device.network.downlink(9, b"d", fcnt=4)

    for bad in (frame, older, altered, foreign, b"", b"\x60", frame[:11], b"\xe0" + frame[1:], b"\x61" + frame[1:]):
        found, events = device.uplink(answer=bytes(bad))
        assert events == []
        assert not found["exchange"].wants(bytes(bad))


def test_downlink_counter_rolls_over_sixteen_bits_and_survives_a_reset():
    device = joined()
    for fcnt in (0xFFFE, 0x1_0003, 0x1_FFFF):
        _, events = device.uplink(answer=device.network.downlink(9, b"a", fcnt=fcnt))
        assert events[0].fcnt == fcnt
        device.boot()
        _, events = device.uplink(answer=device.network.downlink(9, b"a", fcnt=fcnt))
        assert events == []


def test_uplink_counter_goes_on_beyond_sixteen_bits():
    device = joined()
    device.mac._records.session.fcnt_up = 0xFFFF
    device.network.fcnts = [(1, 0xFFFE)]

    assert [device.uplink()[0]["fcnt32"] for _ in range(2)] == [0xFFFF, 0x1_0000]


def test_a_frame_with_fopts_and_port_zero_is_discarded_whole():
    device = joined()
    frame = device.network.downlink(0, b"\x06", fopts=b"\x06")

    _, events = device.uplink(answer=frame)

    assert events == []
    assert device.uplink()[0]["fopts"] == ""


def test_confirmed_uplink_reports_its_acknowledgement():
    device = joined()

    found, events = device.uplink(confirmed=True, answer=lambda: device.network.downlink(ack=True))

    assert found["mtype"] == "ConfirmedDataUp"
    assert names(events) == ["Acknowledged"]
    assert events[0].fcnt == 0


def test_unacknowledged_uplink_is_reported_and_the_next_one_waits_one_to_three_seconds():
    device = joined()

    _, events = device.uplink(confirmed=True)

    assert names(events) == ["NotAcknowledged"]
    wait = raises(AckWait, device.mac.send, 1, b"x", device.now_ms)
    assert 1_000 <= wait.ms <= 3_000
    assert device.uplink(pause_ms=wait.ms)[0]["fcnt32"] == 1


def test_repetitions_are_bit_identical_on_other_channels_and_end_with_any_downlink():
    device = joined()
    device.command("0350070003")  # DR5, NbTrans 3
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"abc", device.now_ms, True)
    first = device.network.hear(exchange)
    frame, freq_hz = bytes(exchange.frame), exchange.freq_hz

    events = device.finish(exchange)

    assert names(events) == ["Repeat"]
    assert events[0].exchange is exchange
    assert events[0].not_before_ms >= device.now_ms + 1_000
    raises(Busy, device.mac.send, 1, b"x", device.now_ms)
    device.now_ms = events[0].not_before_ms
    assert bytes(exchange.frame) == frame
    assert exchange.freq_hz != freq_hz
    assert exchange.rx1.freq_hz == exchange.freq_hz
    events = device.finish(exchange, device.network.downlink(ack=True))
    assert names(events) == ["Acknowledged"]
    assert device.uplink()[0]["fcnt32"] == first["fcnt32"] + 1


def test_repetitions_end_after_nb_trans_transmissions():
    device = joined()
    device.command("0350070003")
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"abc", device.now_ms)
    kinds = []
    while True:
        events = device.finish(exchange)
        kinds += names(events)
        if "Repeat" not in names(events):
            break
        device.now_ms = max(device.now_ms, events[0].not_before_ms)

    assert kinds == ["Repeat", "Repeat"]


def test_repetitions_can_be_given_up():
    device = joined()
    device.command("0350070003")
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"abc", device.now_ms, True)
    device.finish(exchange)

    assert names(device.mac.abandon(exchange)) == ["NotAcknowledged"]
    assert device.uplink()[0]["plaintext"] == hexlify(b"x").decode()


def test_payload_limits_follow_the_data_rate_and_pending_answers():
    device = joined()
    assert device.mac.room(device.now_ms) == 242
    device.uplink(answer=lambda: device.network.downlink(fopts=b"\x03\x00\x07\x00\x01"))  # DR0

    assert device.mac.room(device.now_ms) == 49
    refused = raises(PayloadTooLong, device.mac.send, 1, bytes(50), device.now_ms + 60_000)
    assert (refused.max, refused.max_alone) == (49, 51)
    assert device.uplink(bytes(49))[0]["fopts"] == "0307"
    assert len(device.uplink(bytes(51))[0]["frmpayload"]) == 102


def test_answers_go_out_alone_when_asked_and_on_port_zero_when_they_are_many():
    device = joined()
    device.uplink(answer=lambda: device.network.downlink(fopts=b"\x06"))
    device.now_ms += 60_000
    found = device.network.hear(device.mac.send_answers(device.now_ms))
    assert (found["fopts"], found["fport"]) == ("06c805", None)

    device = joined()
    device.uplink(answer=lambda: device.network.downlink(0, b"\x06" * 7))
    device.now_ms += 60_000
    found = device.network.hear(device.mac.send_answers(device.now_ms))
    assert (found["fopts"], found["fport"], found["plaintext"]) == ("", 0, "06c805" * 7)


def test_answers_beyond_fifteen_bytes_are_cut_at_whole_commands_beside_data():
    device = joined()
    device.uplink(answer=lambda: device.network.downlink(0, b"\x06" * 4 + b"\x03\x50\x07\x00\x01" * 2))

    assert device.uplink()[0]["fopts"] == "06c805" * 4 + "0307"


def test_pending_flag_without_data_is_an_event():
    device = joined()

    assert names(device.uplink(answer=lambda: device.network.downlink(pending=True))[1]) == ["Pending"]


def test_a_counter_is_never_used_twice_across_resets_and_none_is_skipped_after_save():
    device = joined()
    for turn in range(70):
        device.uplink()
        if turn % 9 == 0:
            device.boot()
    fcnts = [fcnt for _, fcnt in device.network.fcnts]
    assert fcnts == sorted(set(fcnts))

    device.mac.save(device.now_ms)
    device.boot()
    assert device.uplink()[0]["fcnt32"] == fcnts[-1] + 1


def test_hot_record_is_written_once_in_32_uplinks_and_stays_within_128_bytes():
    device = joined()
    writes = []
    save = device.store.save
    device.store.save = lambda name, body: (writes.append(name), save(name, body))

    for _ in range(64):
        device.uplink(pause_ms=900_000)

    assert writes == [HOT]  # the join stored 0..31, so one write covers 32..63
    device.uplink(answer=lambda: device.network.downlink(0, b"\x06" * 40))
    assert len(device.store.records[HOT]) <= 128


def test_damaged_and_missing_records_are_refused():
    device = joined()
    device.uplink()
    whole = dict(device.store.records)
    for name in (NONCE, HOT, COLD, "identity"):
        for at in (0, 3, -1):
            framed = bytearray(whole[name])
            framed[at] ^= 0x40
            device.store.records = dict(whole)
            device.store.records[name] = bytes(framed)
            raises(StateCorrupt, device.boot)
    for name in (NONCE, HOT):
        device.store.records = {other: whole[other] for other in whole if other != name}
        raises(StateCorrupt, device.boot)
    device.store.records = whole
    assert device.boot().mac.joined


def test_duty_cycle_refuses_with_the_time_to_wait_and_holds_in_every_sliding_hour():
    device = joined()
    device.mac.set_adr(False)
    sent = []
    refused = None
    while device.now_ms < 3 * 3_600_000:
        try:
            exchange = device.mac.send(1, bytes(242), device.now_ms)
        except Wait as wait:
            refused = refused or wait
            device.now_ms += wait.ms
            continue
        sent.append((device.now_ms, exchange.airtime_us))
        device.finish(exchange)

    assert type(refused) is DutyCycleWait
    for start_ms, _ in sent:
        assert sum(us for ms, us in sent if start_ms <= ms < start_ms + 3_600_000) <= 36_000_000
    assert sum(us for _, us in sent) > 60_000_000  # and it is used


def test_duty_cycle_survives_resets():
    device = joined()
    device.mac.set_adr(False)
    spent_us = 0
    while device.now_ms < 3_600_000:
        try:
            exchange = device.mac.send(1, bytes(242), device.now_ms)
        except Wait as wait:
            device.now_ms += wait.ms
            continue
        spent_us += exchange.airtime_us
        device.finish(exchange)
        if device.random() % 16 == 0:
            device.boot()

    assert 25_000_000 < spent_us <= 36_000_000


def test_network_duty_cycle_silences_all_bands():
    device = joined()
    device.command("0407")  # 1 / 128
    device.now_ms += 3_600_000
    exchange = device.mac.send(1, b"x", device.now_ms)
    begin_ms = device.now_ms
    device.finish(exchange)

    wait = raises(DutyCycleWait, device.mac.send, 1, b"x", device.now_ms)

    assert device.now_ms + wait.ms - begin_ms >= exchange.airtime_us * 128 // 1000


def test_state_for_people_tells_what_goes_on():
    device = Device()
    assert device.mac.state(device.now_ms)["joined"] is False
    device.join()

    state = device.mac.state(device.now_ms)

    assert (state["dev_addr"], state["fcnt_up"], state["data_rate"], state["room"]) == ("26011bda", 0, 5, 242)
