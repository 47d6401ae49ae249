"""Certification topics: activation over the air; cryptography of joins and data (TS001-1.0.4 sections 4 and 6)."""

from bench.server.frames import JoinAccept, JoinRequest


def test_a_join_uses_a_default_channel_and_the_windows_of_joins(new_house):
    house = new_house()

    turn = house.join()

    (request,) = turn.sent
    accept = house.air.records[-1].frame
    assert turn.kinds == ["Joined"]
    assert turn.seen["mtype"] == "JoinRequest"
    assert turn.seen["mic_valid"]
    assert request.freq_hz in (868_100_000, 868_300_000, 868_500_000)
    assert accept.start_us - request.end_us == 5_000_000


def test_a_join_accept_that_comes_only_in_rx2_is_taken(new_house):
    house = new_house()
    house.keep_to_rx2()

    turn = house.join()

    accept = house.air.records[-1].frame
    assert turn.kinds == ["Joined"]
    assert (accept.freq_hz, accept.sf) == (869_525_000, 12)
    assert accept.start_us - turn.sent[0].end_us == 6_000_000


def test_each_try_spends_a_dev_nonce_and_varies_the_data_rate(new_house):
    house = new_house()
    house.link.connected = False

    tries = [house.join() for _ in range(6)]

    assert [turn.kinds for turn in tries] == [["JoinFailed"]] * 6
    assert [JoinRequest.parse(frame.payload).dev_nonce for frame in house.sent] == list(range(6))
    assert len({frame.sf for frame in house.sent}) > 1


def test_a_new_join_replaces_keys_address_and_counters(new_house):
    house = new_house().joined()
    house.uplink(b"old")
    old = (house.session.dev_addr, house.session.keys.app_s_key)
    house.rest(3600)

    house.joined()
    turn = house.uplink(b"new")

    assert old != (house.session.dev_addr, house.session.keys.app_s_key)
    assert (turn.seen["fcnt32"], turn.seen["plaintext"]) == (0, b"new".hex())
    assert house.events("up")[-1].data == b"new"


def test_a_join_accept_of_another_key_or_with_a_used_nonce_is_refused(new_house):
    house = new_house().joined()
    dev_addr = house.state()["dev_addr"]
    settings = {"net_id": "000000", "dev_addr": "01020304", "rx1_dr_offset": 0, "rx2_dr": 0, "rx_delay_s": 1}
    join_nonce = house.server.storage.device_keys(house.device.dev_eui).join_nonce - 1
    for key, nonce in ((bytes(16), join_nonce + 5), (bytes(range(16)), join_nonce)):
        house.rest(3600)
        accept = JoinAccept(join_nonce=nonce, **settings).build(key)
        turn = house.answer_with(accept, uplink=house.join)

        assert turn.kinds == ["JoinFailed"]
    assert house.refused == [
        "its MIC does not fit the AppKey of this node",
        f"JoinNonce {join_nonce} was taken before, or no join is open",
    ]
    assert house.state()["dev_addr"] == dev_addr


def test_the_join_accept_sets_delay_offset_rx2_and_channels(new_house):
    house = new_house(rx1_delay_s=3, rx1_dr_offset=1, rx2_dr=3)
    house.joined()

    house.enqueue(b"command")
    turn = house.uplink()

    downlink = house.air.records[-1].frame
    assert downlink.start_us - turn.sent[0].end_us == 3_000_000
    assert downlink.sf == turn.sent[0].sf + 1
    assert [event.data for event in turn.of("Downlink")] == [b"command"]
    frequencies = {house.uplink().sent[0].freq_hz for _ in range(16)}
    assert frequencies == set(house.server.settings.network_channels_hz().values())


def test_payloads_of_every_block_count_survive_both_directions(house):
    for length in (1, 15, 16, 17, 32, 33, 48):
        data = bytes(range(length))
        house.enqueue(data[::-1], port=9)

        turn = house.uplink(data, port=8)

        assert house.events("up")[-1].data == data
        assert [event.data for event in turn.of("Downlink")] == [data[::-1]]


def test_a_downlink_whose_mic_or_address_is_wrong_changes_nothing(house):
    broken = bytearray(house.build(port=2, data=b"x"))
    broken[-1] ^= 1
    before = house.state()

    for frame in (bytes(broken), house.build(port=2, data=b"x", dev_addr="01020304")):
        assert house.answer_with(frame).events == []

    assert house.state()["fcnt_down"] == before["fcnt_down"]
    assert house.refused[0] == "its MIC does not fit the session of this node"
    assert house.refused[1].startswith("for DevAddr 01020304")
