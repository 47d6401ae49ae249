"""Pages of regions are complete and agree with themselves; the MAC works with each. Runs on both interpreters."""

from firmware.lorawan.regions import eu868, in865
from tests.firmware.lorawan.net import Device, names

REGIONS = (eu868, in865)


def test_tables_have_a_row_for_every_data_rate():
    for region in REGIONS:
        rates = len(region.SPREADING_FACTORS)
        assert len(region.BANDWIDTHS) == len(region.MAX_PAYLOAD_BYTES) == rates
        assert len(region.RX1_DR) == rates * region.RX1_OFFSETS
        assert max(region.RX1_DR) < rates
        assert max(region.JOIN_DRS) <= region.DEFAULT_CHANNEL_DRS >> 4 < rates


def test_every_fixed_frequency_lies_in_one_band():
    for region in REGIONS:
        for freq_hz in region.DEFAULT_CHANNELS_HZ + (region.RX2_HZ,):  # noqa: RUF005 (MicroPython)
            assert sum(low <= freq_hz < high for low, high, _ in region.BANDS) == 1


def test_first_window_rates_follow_the_offset_rule():
    for region in REGIONS:
        for rate in range(len(region.SPREADING_FACTORS)):
            row = region.RX1_DR[rate * region.RX1_OFFSETS : (rate + 1) * region.RX1_OFFSETS]
            assert list(row[:6]) == [max(rate - offset, 0) for offset in range(6)]
            if region is in865:
                assert list(row[6:]) == [min(rate + 1, 5), min(rate + 2, 5)]


def test_a_device_joins_and_talks_in_every_region():
    for region in REGIONS:
        device = Device(region=region)
        device.join()
        found, events = device.uplink(answer=lambda device=device: device.network.downlink(9, b"hi"))
        assert names(events) == ["Downlink"]
        assert found["exchange"].freq_hz in region.DEFAULT_CHANNELS_HZ
        assert found["exchange"].rx2.freq_hz == region.RX2_HZ


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
