"""Fixed plans of 72 channels: US915 and AU915. Runs on both interpreters."""

from binascii import unhexlify

from firmware.lorawan.errors import PayloadTooLong
from firmware.lorawan.regions import au915, us915
from tests.firmware.lorawan.net import Device, names, raises


def joined(region=us915, cflist="", **settings):
    device = Device(region=region)
    device.join(cflist=unhexlify(cflist), dl_settings=8, **settings)
    return device


def channel_of(region, freq_hz):
    narrow, rest = divmod(freq_hz - region.FIRST_NARROW_HZ, 200_000)
    if rest == 0:
        assert 0 <= narrow < 64
        return narrow
    wide, rest = divmod(freq_hz - region.FIRST_WIDE_HZ, 1_600_000)
    assert rest == 0
    assert 0 <= wide < 8
    return 64 + wide


def sent_channels(device, number):
    """The channels of the next uplinks."""
    return [channel_of(device.region, device.uplink()[0]["exchange"].freq_hz) for _ in range(number)]


def link_adr(data_rate, control, mask, power=0, nb_trans=1):
    request = bytes((0x03, data_rate << 4 | power, mask & 0xFF, mask >> 8, control << 4 | nb_trans))
    return "".join(f"{byte:02x}" for byte in request)


def test_join_requests_probe_octet_after_octet_and_then_a_wide_channel():
    for region, narrow_sf in ((us915, 10), (au915, 10)):
        device = Device(region=region)
        seen = []
        for number in range(72):
            device.now_ms += 90_000_000  # a day: back-off is the subject of other tests
            exchange = device.mac.join(device.now_ms)
            channel = channel_of(region, exchange.freq_hz)
            wide = number % 9 == 8
            assert (channel >= 64) == wide
            assert (exchange.sf, exchange.bw_hz) == ((8, 500_000) if wide else (narrow_sf, 125_000))
            assert exchange.rx1.freq_hz == 923_300_000 + 600_000 * (channel % 8)
            assert (exchange.rx1.bw_hz, exchange.rx2.freq_hz) == (500_000, 923_300_000)
            seen.append(channel)
            device.finish(exchange)
        for first in range(0, 72, 9):
            octets = [channel // 8 for channel in seen[first : first + 8]]
            assert sorted(octets) == list(range(8))
        assert sorted(seen) == list(range(72))


def test_a_join_begins_with_a_random_octet_so_that_resets_do_not_repeat_it():
    starts = set()
    for seed in range(1, 20):
        exchange = Device(region=us915, seed=seed).mac.join(1000)
        starts.add(channel_of(us915, exchange.freq_hz) // 8)
    assert len(starts) > 4


def test_cflist_type_1_masks_the_channels():
    device = joined(cflist="00ff000000000000020000000000000001"[:30] + "01")

    assert sorted(sent_channels(device, 8)) == list(range(8, 16))
    assert sorted(sent_channels(device, 8)) == list(range(8, 16))


def test_other_types_of_cflist_and_an_empty_mask_change_nothing():
    for cflist in ("184f84e8568400000000000000000000", "00" * 15 + "01", "ff" * 15 + "02"):
        device = joined(cflist=cflist)
        assert sorted(sent_channels(device, 64)) == list(range(64))


def test_a_device_joined_on_a_wide_channel_goes_on_where_the_network_listens():
    device = Device(region=us915)
    for _ in range(8):
        device.now_ms += 90_000_000
        device.finish(device.mac.join(device.now_ms))
    device.now_ms += 90_000_000

    device.join(cflist=unhexlify("00ff" + "00" * 13 + "01"), dl_settings=8)  # no wide channel

    assert device.mac.state(device.now_ms)["data_rate"] == 0
    assert set(sent_channels(device, 16)) == set(range(8, 16))


def test_the_first_window_is_on_downlink_channel_n_mod_8_at_the_rate_of_the_table():
    for region in (us915, au915):
        device = joined(region)
        for _ in range(20):
            exchange = device.uplink()[0]["exchange"]
            channel = channel_of(region, exchange.freq_hz)
            rate = device.mac.state(device.now_ms)["data_rate"]
            assert exchange.rx1.freq_hz == 923_300_000 + 600_000 * (channel % 8)
            assert exchange.rx1.sf == region.SPREADING_FACTORS[region.RX1_DR[rate * region.RX1_OFFSETS]]


def test_every_value_of_ch_mask_cntl_means_its_channels():
    narrow, wide = set(range(64)), set(range(64, 72))
    cases = [
        (0, 0x00FF, set(range(8)) | set(range(16, 64)), wide),
        (1, 0xFF00, narrow - set(range(16, 24)), wide),
        (2, 0x0001, narrow - set(range(33, 48)), wide),
        (3, 0x8000, narrow - set(range(48, 63)), wide),
        (4, 0x0003, narrow, {64, 65}),
        (5, 0x0081, set(range(8)) | set(range(56, 64)), {64, 71}),
        (6, 0x0000, narrow, set()),
        (6, 0x0010, narrow, {68}),
        (7, 0x0022, set(), {65, 69}),
    ]
    for control, mask, narrow_left, wide_left in cases:
        device = joined()
        rate = 0 if narrow_left else 4
        _, fopts = device.command(link_adr(rate, control, mask))
        assert fopts == "0307", (control, mask)
        if narrow_left:
            assert set(sent_channels(device, 2 * len(narrow_left))) == narrow_left
        if wide_left:
            _, fopts = device.command(link_adr(4, control, mask))
            assert fopts == "0307"
            assert set(sent_channels(device, 2 * len(wide_left))) == wide_left
        else:
            assert device.command(link_adr(4, control, mask))[1] == "0305"  # no channel carries DR4


def test_a_block_takes_its_masks_in_order_as_networks_of_eight_channels_send_them():
    device = joined()

    _, fopts = device.command(link_adr(3, 7, 0x0002) + link_adr(3, 0, 0xFF00, power=2))
    found, _ = device.uplink()

    assert fopts == "03070307"
    assert found["exchange"].sf == 7
    assert set(sent_channels(device, 16)) == set(range(8, 16))


def test_a_block_is_atomic_and_refused_as_a_whole():
    for bad in (
        link_adr(5, 6, 0x00FF),  # DR5 is not defined
        link_adr(9, 6, 0x00FF),  # DR9 is for downlinks
        link_adr(0, 7, 0x0000),  # no channel at all
        link_adr(0, 7, 0x0001),  # DR0 on wide channels
    ):
        device = joined()
        before = device.mac.state(device.now_ms)

        events, fopts = device.command(link_adr(4, 0, 0x00FF, power=3) + bad)

        assert events == []
        assert len(fopts) == 8
        assert fopts[:4] == fopts[4:]
        assert fopts != "03070307"
        after = device.mac.state(device.now_ms)
        assert [after[key] for key in ("data_rate", "eirp_dbm")] == [before[key] for key in ("data_rate", "eirp_dbm")]
        assert set(sent_channels(device, 128)) == set(range(64))


def test_us915_hops_over_two_narrow_channels_at_least():
    assert joined().command(link_adr(0, 7, 0x0000) + link_adr(0, 0, 0x0001))[1] == "03050305"
    assert joined().command(link_adr(0, 7, 0x0000) + link_adr(0, 0, 0x0003))[1] == "03070307"
    assert joined(au915).command(link_adr(2, 7, 0x0000) + link_adr(2, 0, 0x0001))[1] == "03070307"


def test_us915_is_less_loud_on_few_and_on_wide_channels():
    device = joined()
    assert device.uplink()[0]["exchange"].power_dbm == 30

    device.command(link_adr(0, 7, 0x0002) + link_adr(0, 0, 0xFF00))
    assert device.uplink()[0]["exchange"].power_dbm == 21

    device.command(link_adr(4, 6, 0x00FF))
    assert device.uplink()[0]["exchange"].power_dbm == 26

    device.command(link_adr(4, 6, 0x00FF, power=14))
    assert device.uplink()[0]["exchange"].power_dbm == 2


def test_commands_of_dynamic_plans_are_dropped_without_an_answer():
    for command in ("0748184f8450", "0a00184f84"):
        device = joined()
        events, fopts = device.command(command + "06")
        assert events == []
        assert fopts.startswith("06")
        assert len(fopts) == 6


def test_receive_parameters_are_downlink_rates_and_downlink_channels():
    good_hz, bad_hz = "086f8d", "184f84"  # 926.9 and 867.1 MHz
    device = joined()
    assert device.command("052a" + good_hz)[1] == "0507"
    exchange = device.uplink()[0]["exchange"]
    assert (exchange.rx2.freq_hz, exchange.rx2.sf, exchange.rx2.bw_hz) == (926_900_000, 10, 500_000)
    assert exchange.rx1.sf == 12  # DR0 with offset 2
    assert joined().command("0504" + good_hz)[1] == "0505"  # DR4 is for uplinks
    assert joined().command("0508" + bad_hz)[1] == "0506"
    assert joined().command("0548" + good_hz)[1] == "0503"  # RX1DROffset 4
    assert joined(au915).command("0558" + good_hz)[1] == "0507"


def test_the_dwell_limit_is_a_refusal_that_explains_itself():
    device = joined()
    device.mac.set_adr(False)

    error = raises(PayloadTooLong, device.mac.send, 1, bytes(12), device.now_ms + 60_000)

    assert error.max == 11
    assert "400 ms" in str(error)
    assert names([error]) == ["DwellTooLong"]
    device.uplink(bytes(11))


def test_with_adr_a_report_too_long_for_the_data_rate_goes_at_the_slowest_that_takes_it():
    device = joined(cflist="00ff" + "00" * 13 + "01")
    for size, sf in ((11, 10), (12, 9), (53, 9), (54, 8), (126, 7), (242, 7)):
        exchange = device.uplink(bytes(size))[0]["exchange"]
        assert (exchange.sf, exchange.bw_hz) == (sf, 125_000)
        assert exchange.airtime_us <= 400_000
        assert device.mac.state(device.now_ms)["data_rate"] == 0
    assert raises(PayloadTooLong, device.mac.send, 1, bytes(243), device.now_ms + 60_000).max == 11


def test_answers_that_the_lowest_rate_cannot_take_do_not_block_the_device():
    requests = unhexlify(link_adr(15, 6, 0x00FF, power=15) * 7)  # 14 bytes of answers, the data rate takes 11
    for adr in (True, False):
        device = joined()
        device.mac.set_adr(adr)
        device.uplink(answer=lambda device=device: device.network.downlink(0, requests))
        assert device.mac.room(device.now_ms) == 1

        found, _ = device.uplink(b"x")
        again, _ = device.uplink(b"x")

        answer = "0307" if adr else "0301"
        assert (found["fopts"], again["fopts"]) == (answer * 5, "")


def test_answers_alone_take_as_much_as_the_data_rate_carries():
    device = joined()
    device.mac.set_adr(False)
    device.uplink(answer=lambda: device.network.downlink(0, b"\x06" * 5))  # 15 bytes of answers

    exchange = device.mac.send_answers(device.now_ms + 60_000)

    found = device.network.hear(exchange)
    assert (found["fport"], len(found["plaintext"]) // 2) == (0, 9)
    assert exchange.sf == 10


def test_the_adr_ladder_ends_with_all_channels_enabled():
    device = joined()
    device.command(link_adr(3, 7, 0x0002) + link_adr(3, 0, 0xFF00, power=3))
    rates = []
    for _ in range(64 + 32 * 5):
        device.uplink()
        rates.append(device.mac.state(device.now_ms)["data_rate"])

    assert sorted(set(rates)) == [0, 1, 2, 3]
    assert device.mac.state(device.now_ms)["eirp_dbm"] == 30
    assert set(sent_channels(device, 128)) == set(range(64))


def test_the_mask_survives_a_reset():
    device = joined()
    device.command(link_adr(1, 7, 0x0002) + link_adr(1, 0, 0xFF00))

    device.boot()

    assert set(sent_channels(device, 16)) == set(range(8, 16))
