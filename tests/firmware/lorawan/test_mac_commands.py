"""MAC commands: one test a rule of TS001-1.0.4 section 5. Runs on both interpreters."""

from binascii import unhexlify

from firmware.lorawan.explain import explain_commands
from tests.firmware.lorawan.net import joined, names


def answers(fopts):
    return explain_commands(unhexlify(fopts), "up")


def test_link_adr_sets_rate_power_channels_and_repetitions_and_survives_a_reset():
    device = joined()

    events, fopts = device.command("0332060002")  # DR3, power 2, channels 1 and 2, NbTrans 2

    assert names(events) == ["SettingsChanged"]
    assert fopts == "0307"
    device.boot()
    seen = set()
    for _ in range(6):
        device.now_ms += 60_000
        exchange = device.mac.send(1, b"x", device.now_ms)
        assert (exchange.sf, exchange.power_dbm) == (9, 12)
        seen.add(exchange.freq_hz)
        assert names(device.finish(exchange)) == ["Repeat"]
        device.mac.abandon(exchange)
    assert seen == {868_300_000, 868_500_000}


def test_link_adr_fifteen_keeps_rate_and_power():
    device = joined()

    _, fopts = device.command("03ff070001")

    assert fopts == "0307"
    assert device.mac.state(device.now_ms)["data_rate"] == 5
    assert device.mac.state(device.now_ms)["eirp_dbm"] == 16


def test_link_adr_refuses_undefined_channels_no_channel_unknown_rates_and_powers():
    for request, status in (
        ("03500f0001", 0b110),  # channel 3 is not defined
        ("0350000001", 0b110),  # no channel at all
        ("0350070011", 0b110),  # ChMaskCntl 1 is not for this plan
        ("0370070001", 0b101),  # DR7 is FSK
        ("0360070001", 0b101),  # DR6 is on none of the channels
        ("0358070001", 0b011),  # TXPower 8
        ("03d8000071", 0b000),
    ):
        device = joined()
        events, fopts = device.command(request)
        assert fopts == f"03{status:02x}", request
        assert events == []
        assert device.mac.state(device.now_ms)["data_rate"] == 5


def test_link_adr_block_is_atomic_with_one_answer_each():
    device = joined(cflist=unhexlify("184f84e85684b85e84886684586e8400"))

    _, fopts = device.command("0350070001" + "0310f80001")  # masks in order, rate of the last

    assert fopts == "0307" * 2
    assert device.mac.state(device.now_ms)["data_rate"] == 1
    _, fopts = device.command("0320070001" + "03200f0f01")  # the second mask enables channels that do not exist
    assert fopts == "0306" * 2
    assert device.mac.state(device.now_ms)["data_rate"] == 1


def test_link_adr_all_channels_on():
    device = joined(cflist=unhexlify("184f84e85684b85e84886684586e8400"))
    device.command("0350010001")

    assert device.command("0350000061")[1] == "0307"
    seen = {device.uplink()[0]["exchange"].freq_hz for _ in range(16)}
    assert len(seen) == 8


def test_with_adr_off_only_the_channel_mask_is_taken():
    device = joined()
    device.mac.set_adr(False)

    _, fopts = device.command("0310040003")

    assert fopts == "0301"
    found, _ = device.uplink()
    assert (found["exchange"].sf, found["exchange"].freq_hz, found["adr"]) == (7, 868_500_000, False)


def test_dev_status_tells_battery_and_the_snr_of_the_request():
    device = joined()
    for snr_db_x4, margin in ((20, 5), (-30, -7), (-200, -32), (200, 31)):
        frame = device.network.downlink(fopts=b"\x06")
        device.now_ms += 60_000
        exchange = device.mac.send(1, b"x", device.now_ms)
        device.network.hear(exchange)
        device.finish(exchange, frame, snr_db_x4=snr_db_x4)

        assert answers(device.uplink()[0]["fopts"]) == [{"command": "DevStatusAns", "battery": 200, "margin": margin}]


def test_link_check_is_asked_once_and_its_answer_reported():
    device = joined()
    device.mac.request_link_check()

    found, events = device.uplink(answer=lambda: device.network.downlink(fopts=b"\x02\x0a\x03"))

    assert found["fopts"] == "02"
    assert (events[0].margin_db, events[0].gateways) == (10, 3)
    found, events = device.uplink(answer=lambda: device.network.downlink(fopts=b"\x02\x0a\x03"))
    assert (found["fopts"], events) == ("", [])  # nobody asked


def test_device_time_is_taken_only_in_the_windows_of_the_uplink_that_asked():
    device = joined()
    device.mac.request_time()
    answer = b"\x0d\x01\x02\x03\x04\x80"

    found, events = device.uplink(answer=lambda: device.network.downlink(fopts=answer))

    assert found["fopts"] == "0d"
    assert (events[0].gps_s, events[0].fraction_256) == (0x04030201, 0x80)
    assert device.uplink(answer=lambda: device.network.downlink(fopts=answer))[1] == []


def test_rx_param_setup_moves_the_windows_of_the_next_uplink_and_is_sticky():
    device = joined()

    _, fopts = device.command("0523" + "98ab84")  # offset 2, DR3, 869.468 MHz

    assert fopts == "0507"
    for _ in range(2):
        found, _ = device.uplink()
        assert found["fopts"] == "0507"
        exchange = found["exchange"]
        assert (exchange.rx1.sf, exchange.rx2.sf, exchange.rx2.freq_hz) == (9, 9, 869_468_000)
    device.uplink(answer=lambda: device.network.downlink())
    assert device.uplink()[0]["fopts"] == ""
    device.boot()
    assert device.uplink()[0]["exchange"].rx2.freq_hz == 869_468_000


def test_rx_param_setup_is_all_or_nothing():
    for request, status in (
        ("0563d2ad84", 0b011),  # offset 6
        ("0507d2ad84", 0b101),  # DR7
        ("0503000000", 0b110),  # 0 Hz
        ("0503e8a484", 0b110),  # 869.3 MHz: alarms
    ):
        device = joined()
        events, fopts = device.command(request)
        assert fopts == f"05{status:02x}", request
        assert events == []
        assert device.uplink()[0]["exchange"].rx2.freq_hz == 869_525_000


def test_rx_timing_setup_delays_both_windows_and_is_sticky():
    device = joined()

    _, fopts = device.command("0804")

    assert fopts == "08"
    found, _ = device.uplink()
    assert found["fopts"] == "08"
    assert (found["exchange"].rx1.delay_ms, found["exchange"].rx2.delay_ms) == (4_000, 5_000)
    device.command("0800")
    assert device.uplink()[0]["exchange"].rx1.delay_ms == 1_000


def test_new_channel_defines_removes_and_refuses():
    device = joined()
    assert device.command("0703184f8450")[1] == "0703"  # channel 3: 867.1 MHz, DR0..5
    assert 867_100_000 in {device.uplink()[0]["exchange"].freq_hz for _ in range(8)}
    device.boot()
    assert 867_100_000 in {device.uplink()[0]["exchange"].freq_hz for _ in range(8)}
    assert device.command("070300000050")[1] == "0703"
    assert 867_100_000 not in {device.uplink()[0]["exchange"].freq_hz for _ in range(8)}

    for request, status in (
        ("0702184f8450", 0b00),  # a default channel
        ("0710184f8450", 0b00),  # beyond sixteen
        ("0703184f8405", 0b01),  # DR5..0
        ("0703184f8470", 0b01),  # up to FSK
        ("0703605d6750", 0b10),  # 677.4 MHz
    ):
        events, fopts = device.command(request)
        assert (fopts, events) == (f"07{status:02x}", []), request


def test_a_channel_with_a_higher_rate_makes_that_rate_usable():
    device = joined()
    device.command("0703d8578466")  # 867.320 MHz, DR6 only

    assert device.command("0360080001")[1] == "0307"
    found, _ = device.uplink()
    assert (found["exchange"].sf, found["exchange"].bw_hz) == (7, 250_000)


def test_dl_channel_moves_rx1_only_and_is_sticky():
    device = joined()

    _, fopts = device.command("0a00184f84" + "0a01184f84" + "0a02184f84")

    assert fopts == "0a03" * 3
    found, _ = device.uplink()
    assert found["fopts"] == "0a03" * 3
    assert found["exchange"].rx1.freq_hz == 867_100_000
    assert found["exchange"].freq_hz > 868_000_000
    assert device.command("0a05184f84")[1] == "0a01"
    assert device.command("0a00000000")[1] == "0a02"


def test_duty_cycle_is_answered():
    assert joined().command("0403")[1] == "04"


def test_commands_for_other_regions_and_classes_are_skipped_without_answer():
    assert joined().command("091f" + "1000" + "06")[1] == "06c805"


def test_an_unknown_command_ends_the_list():
    device = joined()

    assert device.command("06" + "0c33" + "06")[1] == "06c805"
    assert device.command("06" + "80" + "06")[1] == "06c805"
    assert device.command("06" + "0350")[1] == "06c805"  # cut off


def test_commands_on_port_zero_work_as_in_fopts():
    device = joined()
    device.uplink(answer=lambda: device.network.downlink(0, b"\x04\x00\x06"))

    assert device.uplink()[0]["fopts"] == "0406c805"


def test_commands_beside_application_data_are_carried_out_too():
    device = joined()
    _, events = device.uplink(answer=lambda: device.network.downlink(5, b"data", fopts=b"\x08\x02"))

    assert names(events) == ["SettingsChanged", "Downlink"]
    assert device.uplink()[0]["fopts"] == "08"


def test_plain_answers_go_out_once():
    device = joined()
    device.command("06")

    assert device.uplink()[0]["fopts"] == ""


def test_adr_back_off_ladder():
    device = joined()
    device.command("0352060002")  # power 2, channels 1 and 2, NbTrans 2
    seen = {}
    for count in range(1, 64 + 32 * 8 + 1):
        device.now_ms += 600_000
        exchange = device.mac.send(1, b"x", device.now_ms)
        found = device.network.hear(exchange)
        seen[count] = (found["adr_ack_req"], exchange.sf, exchange.power_dbm, device.mac._tries_left)
        device.finish(exchange)
        device.mac.abandon(exchange)

    assert seen[63] == (False, 7, 12, 1)
    assert seen[64] == (True, 7, 12, 1)
    assert seen[95] == (True, 7, 12, 1)
    assert seen[96] == (True, 7, 16, 1)
    assert [seen[64 + 32 * step][1] for step in range(2, 8)] == [8, 9, 10, 11, 12, 12]
    assert seen[64 + 32 * 8][3] == 0
    freqs = {device.uplink(pause_ms=600_000)[0]["exchange"].freq_hz for _ in range(6)}
    assert len(freqs) == 3

    found, _ = device.uplink(answer=lambda: device.network.downlink())
    assert found["adr_ack_req"] is True
    assert device.uplink()[0]["adr_ack_req"] is False
