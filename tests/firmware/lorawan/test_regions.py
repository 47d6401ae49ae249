"""Pages of regions are complete and agree with themselves; the MAC works with each. Runs on both interpreters."""

from firmware.lorawan.airtime import airtime_us
from firmware.lorawan.regions import as923_1, as923_2, as923_3, as923_4, au915, eu868, in865, kr920, us915
from tests.firmware.lorawan.net import Device, names

DYNAMIC = (eu868, in865, kr920, as923_1, as923_2, as923_3, as923_4)
FIXED = (us915, au915)
REGIONS = DYNAMIC + FIXED
UPLINK_RATES = {"EU868": 7, "IN865": 6, "KR920": 6, "US915": 5, "AU915": 7}
OVERHEAD_BYTES = 13  # MHDR, FHDR, FPort, MIC


def uplink_rates(region):
    return UPLINK_RATES.get(region.NAME, 7)


def row(region, rate):
    return list(region.RX1_DR[rate * region.RX1_OFFSETS : (rate + 1) * region.RX1_OFFSETS])


def test_tables_have_a_row_for_every_data_rate():
    for region in REGIONS:
        rates = len(region.SPREADING_FACTORS)
        assert len(region.BANDWIDTHS) == len(region.MAX_PAYLOAD_BYTES) == rates
        assert len(region.RX1_DR) == uplink_rates(region) * region.RX1_OFFSETS
        for rate in set(region.RX1_DR):
            assert region.FIRST_RX_DR <= rate < rates
            assert region.SPREADING_FACTORS[rate]
        assert region.SPREADING_FACTORS[region.RX2_DR]
        assert max(region.JOIN_DRS) < uplink_rates(region)


def test_every_fixed_frequency_lies_in_one_band():
    for region in REGIONS:
        plan = region.Plan(region)
        channels = range(72) if region in FIXED else range(len(region.DEFAULT_CHANNELS_HZ))
        known = [plan.frequency_hz(channel) for channel in channels] + [
            plan.rx1_hz(channel, True) for channel in channels
        ]
        for freq_hz in known + [region.RX2_HZ]:  # noqa: RUF005 (MicroPython)
            assert sum(low <= freq_hz < high for low, high, _ in region.BANDS) == 1
            assert freq_hz % 100 == 0
        assert plan.allows(region.RX2_HZ)


def test_first_window_rates_of_dynamic_plans_follow_the_offset_rule():
    for region in DYNAMIC:
        top = len(region.SPREADING_FACTORS) - 1
        for rate in range(uplink_rates(region)):
            assert row(region, rate)[:6] == [max(rate - offset, 0) for offset in range(6)]
            if region.RX1_OFFSETS == 8:
                assert row(region, rate)[6:] == [min(rate + 1, top), min(rate + 2, top)]


def test_first_window_rates_of_fixed_plans_follow_the_offset_rule():
    """RP002-1.0.4 tables 22 and 44: DR8 to DR13 down, one lower for each offset, never below DR8."""
    for region, at_zero in ((us915, (10, 11, 12, 13, 13)), (au915, (8, 9, 10, 11, 12, 13, 13))):
        for rate, best in enumerate(at_zero):
            # A wide uplink counts as one rate more than RX1 can have.
            start = 14 if rate == region.WIDE_DR else best
            assert row(region, rate) == [min(13, max(start - offset, 8)) for offset in range(region.RX1_OFFSETS)]


def test_the_as923_groups_differ_by_their_offset_alone():
    for region, offset_hz in ((as923_2, -1_800_000), (as923_3, -6_600_000), (as923_4, -5_900_000)):
        assert as923_1.RX2_HZ + offset_hz == region.RX2_HZ
        assert tuple(freq_hz + offset_hz for freq_hz in as923_1.DEFAULT_CHANNELS_HZ) == region.DEFAULT_CHANNELS_HZ
        assert region.RX1_DR == as923_1.RX1_DR
        assert region.MAX_PAYLOAD_BYTES == as923_1.MAX_PAYLOAD_BYTES


def test_the_largest_payload_of_a_dwell_table_lasts_at_most_400_ms():
    for region in (us915, au915, as923_1):
        limits = region.MAX_PAYLOAD_BYTES if region is us915 else region.DWELL_PAYLOAD_BYTES
        for rate in range(uplink_rates(region)):
            if limits[rate]:
                bw_hz = 125_000 * region.BANDWIDTHS[rate]
                assert airtime_us(OVERHEAD_BYTES - 1 + limits[rate], region.SPREADING_FACTORS[rate], bw_hz) <= 400_000


def test_a_device_joins_and_talks_in_every_region():
    for region in REGIONS:
        device = Device(region=region)
        device.join(dl_settings=region.RX2_DR)
        found, events = device.uplink(answer=lambda device=device: device.network.downlink(9, b"hi"))
        exchange = found["exchange"]
        assert names(events) == ["Downlink"]
        assert device.mac.state(device.now_ms)["region"] == region.NAME
        assert exchange.rx2.freq_hz == region.RX2_HZ
        assert exchange.rx2.sf == region.SPREADING_FACTORS[region.RX2_DR]
        assert exchange.power_dbm == region.MAX_EIRP_DBM
        assert (exchange.sense_first is not None) == (region is kr920)
        if region in DYNAMIC:
            assert exchange.freq_hz in region.DEFAULT_CHANNELS_HZ
            assert exchange.rx1.freq_hz == exchange.freq_hz


def test_a_session_survives_a_reset_in_every_region():
    for region in REGIONS:
        device = Device(region=region)
        device.join(dl_settings=region.RX2_DR)
        device.uplink()
        before = device.mac.state(device.now_ms)

        device.boot()

        after = device.mac.state(device.now_ms)
        for key in ("dev_addr", "data_rate", "eirp_dbm", "nb_trans", "room"):
            assert after[key] == before[key]


def test_a_session_of_another_region_is_not_taken_over():
    device = Device(region=eu868)
    device.join()
    nonce = device.mac.state(device.now_ms)["dev_nonce"]

    device.region = in865
    device.boot()

    assert not device.mac.joined
    assert device.mac.state(device.now_ms)["dev_nonce"] == nonce
    device.join(dl_settings=in865.RX2_DR)
    found, _ = device.uplink()
    assert found["exchange"].freq_hz in in865.DEFAULT_CHANNELS_HZ


def test_in865_has_its_own_power_windows_and_no_duty_cycle():
    device = Device(region=in865)
    device.join(dl_settings=in865.RX2_DR)

    _, fopts = device.command("035a070001")  # DR5, TXPower 10
    found, _ = device.uplink()

    assert fopts == "0307"
    assert found["exchange"].power_dbm == 10
    assert (found["exchange"].rx2.sf, found["exchange"].rx2.bw_hz) == (10, 125_000)
    device.mac.set_adr(False)
    for _ in range(200):
        device.uplink(bytes(242), pause_ms=0)


def test_in865_obeys_the_duty_cycle_of_the_network_all_the_same():
    device = Device(region=in865)
    device.join()
    device.command("0407")

    assert device.mac.state(device.now_ms)["wait_ms"] > 0


def test_a_region_without_dwell_time_ignores_tx_param_setup():
    for region in (eu868, in865, kr920, us915):
        device = Device(region=region)
        device.join(dl_settings=region.RX2_DR)
        before = device.mac.state(device.now_ms)

        events, fopts = device.command("0935")

        assert (events, fopts) == ([], "")
        assert device.mac.room(device.now_ms) == before["room"]
        assert device.mac.state(device.now_ms)["eirp_dbm"] == before["eirp_dbm"]
