"""AS923 and AU915: TxParamSetupReq, dwell time and power. Runs on both interpreters."""

from firmware.lorawan.errors import PayloadTooLong
from firmware.lorawan.regions import as923_1, as923_2, au915
from tests.firmware.lorawan.net import Device, names, raises

EIRP_DBM = (8, 10, 12, 13, 14, 16, 18, 20, 21, 24, 26, 27, 29, 30, 33, 36)  # TS001-1.0.4 table 43


def joined(region=as923_2):
    device = Device(region=region)
    device.join(dl_settings=region.RX2_DR)
    return device


def tx_params(params):
    return f"09{params:02x}"


def test_a_device_begins_with_uplink_dwell_time_on():
    for region in (as923_1, au915):
        device = joined(region)
        device.mac.set_adr(False)
        device.mac.set_data_rate(2)
        assert device.mac.room(device.now_ms) == 11
        for rate in (0, 1):
            raises(ValueError, device.mac.set_data_rate, rate)


def test_joins_use_no_rate_that_the_dwell_time_forbids():
    for region in (as923_1, au915):
        assert min(region.JOIN_DRS) >= region.DWELL_LOWEST_DR


def test_tx_param_setup_is_answered_until_a_downlink_comes():
    device = joined()

    events, fopts = device.command(tx_params(0x05))
    again, _ = device.uplink(answer=lambda: device.network.downlink())
    silent, _ = device.uplink()

    assert names(events) == ["SettingsChanged"]
    assert (fopts, again["fopts"], silent["fopts"]) == ("09", "09", "")


def test_without_dwell_time_all_rates_are_open_and_carry_more():
    for region, room in ((as923_1, (51, 51, 115, 115, 242, 242)), (au915, (51, 51, 51, 115, 242, 242, 242))):
        device = joined(region)
        device.command(tx_params(0x05))
        device.mac.set_adr(False)
        device.uplink(answer=lambda device=device: device.network.downlink())
        for rate, size in enumerate(room):
            device.mac.set_data_rate(rate)
            assert device.mac.room(device.now_ms) == size


def test_with_dwell_time_on_the_rate_rises_and_the_refusal_explains_itself():
    device = joined()
    device.command(tx_params(0x05) + "0300030001")  # no dwell time, then DR0
    assert device.mac.state(device.now_ms)["data_rate"] == 0
    device.uplink(bytes(20))

    device.command(tx_params(0x15))
    device.uplink(answer=lambda: device.network.downlink())

    assert device.mac.state(device.now_ms)["data_rate"] == 2
    assert device.uplink(bytes(20))[0]["exchange"].sf == 9
    device.mac.set_adr(False)
    error = raises(PayloadTooLong, device.mac.send, 1, bytes(20), device.now_ms + 60_000)
    assert error.max == 11
    assert "400 ms" in str(error)


def test_a_data_rate_below_the_dwell_limit_is_refused():
    for region, mask in ((as923_2, "0300"), (au915, "ff00")):
        device = joined(region)
        # DR1, power 1; answer: power and mask would do, the data rate would not
        assert device.command("0311" + mask + "01")[1] == "0305"
        assert device.command("0321" + mask + "01")[1] == "0307"


def test_the_power_follows_the_code_of_the_network():
    device = joined()
    for code, dbm in enumerate(EIRP_DBM):
        device.command(tx_params(code))
        assert device.uplink()[0]["exchange"].power_dbm == dbm
    device.command(tx_params(0) + "0357030001")  # DR5, TXPower 7
    assert device.uplink()[0]["exchange"].power_dbm == 8 - 14


def test_downlink_dwell_time_lifts_the_first_window_to_dr2():
    device = joined(as923_1)
    device.command(tx_params(0x05) + "0300030001" + "0502" + "a0e18c")  # DR0; RX1DROffset 0, RX2 DR2 at 923.2 MHz
    assert device.uplink()[0]["exchange"].rx1.sf == 12

    device.command(tx_params(0x25))

    assert device.uplink()[0]["exchange"].rx1.sf == 10
    device = joined(au915)
    device.command(tx_params(0x2D) + "0300ff0001")
    assert device.uplink()[0]["exchange"].rx1.sf == 12  # wide downlinks are quick enough


def test_a_longer_downlink_than_dwell_time_allows_is_taken_all_the_same():
    device = joined(as923_1)

    _, events = device.uplink(answer=lambda: device.network.downlink(9, bytes(115)))

    assert names(events) == ["Downlink"]


def test_settings_survive_a_reset_and_end_with_the_session():
    device = joined()
    device.command(tx_params(0x08) + "0300030001")

    device.boot()
    exchange = device.uplink()[0]["exchange"]
    assert (exchange.power_dbm, exchange.sf) == (21, 12)

    device.now_ms += 4_000_000
    device.join(dl_settings=2)
    exchange = device.uplink()[0]["exchange"]
    assert exchange.power_dbm == 16
    assert exchange.sf <= 10
    device.boot()
    assert device.mac.state(device.now_ms)["eirp_dbm"] == 16


def test_the_adr_ladder_ends_at_the_rate_that_dwell_time_allows():
    device = joined()
    device.mac.set_data_rate(5)
    lowest = 5
    for _ in range(64 + 32 * 8):
        device.uplink()
        lowest = min(lowest, device.mac.state(device.now_ms)["data_rate"])
    assert lowest == 2


def test_a_power_cut_between_the_records_leaves_no_forbidden_rate():
    device = joined()
    device.command(tx_params(0x05) + "0300030001")
    hot = device.store.records["hot"]
    device.command(tx_params(0x15))

    device.store.records["hot"] = hot  # `cold` knows of the dwell time, `hot` still of DR0
    device.boot()

    assert device.mac.state(device.now_ms)["data_rate"] == 2
    device.network.fcnts.clear()
    device.uplink()
