"""Certification topics: NewChannel, DlChannel, LinkADR twice: single and in blocks (TS001-1.0.4 5.2, 5.6, 5.7)."""

import pytest

from bench.server.maccommands import link_adr_req, new_channel_req

NEW_HZ = 867_300_000
PLENTY = 24  # uplinks: each channel has its turn at least twice


def used(house, count=PLENTY):
    return [house.uplink(pause_s=20).sent[0].freq_hz for _ in range(count)]


def mask(house, channels, **changed):
    settings = {"dr": 5, "tx_power": 0, "mask_control": 0, "nb_trans": 1, **changed}
    return house.server_says(link_adr_req(channel_mask=channels, **settings))


def status(turn):
    return [{name: value for name, value in command.items() if name != "command"} for command in turn.commands]


def test_a_new_channel_is_used_and_removed_again(new_house):
    house = new_house(extra_channels_hz=()).joined()
    added = house.server_says(new_channel_req(index=3, frequency_hz=NEW_HZ))
    assert status(added) == [{"channel_freq_ok": 1, "data_rate_range_ok": 1}]
    assert NEW_HZ in used(house)

    removed = house.server_says(new_channel_req(index=3, frequency_hz=0))

    assert status(removed) == [{"channel_freq_ok": 1, "data_rate_range_ok": 1}]
    assert NEW_HZ not in used(house)


@pytest.mark.parametrize(
    ("request_bytes", "frequency_ok", "rates_ok"),
    [
        (new_channel_req(index=0, frequency_hz=NEW_HZ), 0, 0),
        (new_channel_req(index=16, frequency_hz=NEW_HZ), 0, 0),
        (new_channel_req(index=3, frequency_hz=870_500_000), 0, 1),
        (new_channel_req(index=3, frequency_hz=NEW_HZ, min_dr=5, max_dr=3), 1, 0),
        (new_channel_req(index=3, frequency_hz=NEW_HZ, max_dr=14), 1, 0),
    ],
    ids=["default channel", "no such index", "outside the band", "range upside down", "unknown data rate"],
)
def test_a_new_channel_that_cannot_be_is_refused_whole(new_house, request_bytes, frequency_ok, rates_ok):
    house = new_house(extra_channels_hz=()).joined()

    turn = house.server_says(request_bytes)

    assert status(turn) == [{"channel_freq_ok": frequency_ok, "data_rate_range_ok": rates_ok}]
    assert set(used(house, 9)) == {868_100_000, 868_300_000, 868_500_000}


def test_dl_channel_moves_rx1_of_that_channel_and_is_answered_until_a_downlink_comes(new_house):
    house = new_house(extra_channels_hz=()).joined()
    moved_hz = 868_700_000 + 100_000
    house.answer_with(house.build(f_opts=b"\x0a\x00" + (moved_hz // 100).to_bytes(3, "little")))

    first, second = house.answer_with(), house.answer_with()
    assert status(first) == status(second) == [{"channel_freq_ok": 1, "uplink_freq_exists": 1}]
    while True:
        frame = house.build(port=2, data=b"there")
        turn = house.answer_with(frame, rx1_hz=moved_hz)
        if turn.sent[0].freq_hz == 868_100_000:
            break
        assert turn.of("Downlink") == []

    assert [event.data for event in turn.of("Downlink")] == [b"there"]
    assert house.uplink().command_names == []


def test_dl_channel_for_an_undefined_channel_or_frequency_is_refused(house):
    for channel, freq_hz, found in (
        (12, 868_800_000, {"channel_freq_ok": 1, "uplink_freq_exists": 0}),
        (0, 862_000_000, {"channel_freq_ok": 0, "uplink_freq_exists": 1}),
    ):
        house.answer_with(house.build(f_opts=bytes((0x0A, channel)) + (freq_hz // 100).to_bytes(3, "little")))
        assert status(house.uplink()) == [found]


def test_link_adr_sets_data_rate_power_and_mask(house):
    turn = mask(house, 0b1010, dr=4, tx_power=3)

    assert status(turn) == [{"ch_mask_ack": 1, "data_rate_ack": 1, "power_ack": 1}]
    assert turn.sent[0].sf == 8
    assert house.sent[0].power_dbm - turn.sent[0].power_dbm == 6
    assert set(used(house, 8)) == {868_300_000, 867_100_000}
    assert house.uplink().command_names == []


@pytest.mark.parametrize(
    ("changed", "found"),
    [
        ({"dr": 14}, (1, 0, 1)),
        ({"tx_power": 9}, (1, 1, 0)),
        ({"channels": 0}, (0, 1, 1)),
        ({"channels": 0x0100}, (0, 1, 1)),
        ({"mask_control": 3}, (0, 1, 1)),
    ],
    ids=["unknown data rate", "unknown power", "no channel", "undefined channel", "unknown mask control"],
)
def test_link_adr_with_one_bad_part_changes_nothing(house, changed, found):
    before = house.state()
    settings = {"channels": 0b111, "dr": 2, "tx_power": 4, **changed}

    turn = mask(house, settings.pop("channels"), **settings)

    assert status(turn) == [dict(zip(("ch_mask_ack", "data_rate_ack", "power_ack"), found, strict=True))]
    after = house.state()
    assert {name: after[name] for name in ("data_rate", "eirp_dbm", "nb_trans")} == {
        name: before[name] for name in ("data_rate", "eirp_dbm", "nb_trans")
    }


def test_link_adr_fifteen_keeps_what_was(house):
    mask(house, 0xFF, dr=3, tx_power=2)

    turn = mask(house, 0xFF, dr=15, tx_power=15)

    assert status(turn) == [{"ch_mask_ack": 1, "data_rate_ack": 1, "power_ack": 1}]
    assert (house.state()["data_rate"], house.state()["eirp_dbm"]) == (3, 12)


def test_a_block_of_link_adr_is_one_request_with_an_answer_for_each(house):
    block = b"".join(
        link_adr_req(dr=dr, tx_power=0, channel_mask=channels, mask_control=control, nb_trans=1)
        for dr, channels, control in ((0, 0, 6), (9, 0b1, 0), (3, 0b11, 0))
    )

    turn = house.server_says(block)

    # The bad data rate of the second does not count: data rate, power and NbTrans are those of the last one.
    assert status(turn) == 3 * [{"ch_mask_ack": 1, "data_rate_ack": 1, "power_ack": 1}]
    assert turn.sent[0].sf == 9
    assert set(used(house, 6)) == {868_100_000, 868_300_000}


def test_a_block_of_link_adr_may_pass_through_an_empty_mask(house):
    block = b"".join(
        link_adr_req(dr=5, tx_power=0, channel_mask=channels, mask_control=0, nb_trans=1) for channels in (0, 0b101)
    )

    turn = house.server_says(block)

    assert status(turn) == 2 * [{"ch_mask_ack": 1, "data_rate_ack": 1, "power_ack": 1}]
    assert set(used(house, 6)) == {868_100_000, 868_500_000}


def test_a_block_of_link_adr_with_one_bad_mask_is_refused_whole(house):
    block = b"".join(
        link_adr_req(dr=3, tx_power=0, channel_mask=channels, mask_control=control, nb_trans=1)
        for channels, control in ((0b1, 0), (0x8000, 0))
    )

    turn = house.server_says(block)

    assert status(turn) == 2 * [{"ch_mask_ack": 0, "data_rate_ack": 1, "power_ack": 1}]
    assert len(set(used(house, 16))) == 8


def test_link_adr_to_a_device_without_adr_sets_the_channels_alone(house):
    house.mac.set_adr(False)

    turn = mask(house, 0b11, dr=2, tx_power=3)

    assert status(turn) == [{"ch_mask_ack": 1, "data_rate_ack": 0, "power_ack": 0}]
    assert turn.sent[0].sf == house.sent[0].sf
    assert set(used(house, 6)) == {868_100_000, 868_300_000}
