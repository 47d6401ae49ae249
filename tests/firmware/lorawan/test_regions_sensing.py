"""KR920: a device senses before it speaks, on its raster, and is quieter below 922.1 MHz. Runs on both interpreters."""

from firmware.lorawan.errors import ChannelBusyWait
from firmware.lorawan.regions import eu868, kr920
from firmware.lorawan.sensing_plan import BUSY_TRIES
from tests.firmware.lorawan.net import Device, names, raises


def joined():
    device = Device(region=kr920)
    device.join()
    return device


def hundreds(freq_hz):
    return "".join(f"{byte:02x}" for byte in (freq_hz // 100).to_bytes(3, "little"))


def test_every_transmission_senses_first_here_and_nowhere_else():
    device = Device(region=kr920)
    assert device.mac.join(device.now_ms).sense_first == (-65, 6)
    assert joined().uplink()[0]["exchange"].sense_first == (-65, 6)
    assert Device(region=eu868).mac.join(1000).sense_first is None


def test_below_922_1_mhz_ten_dbm_are_the_most():
    device = joined()
    device.command("0703" + hundreds(921_900_000) + "50" + "0350080001")  # channel 3, then it alone, DR5

    exchange = device.uplink()[0]["exchange"]
    assert (exchange.freq_hz, exchange.power_dbm) == (921_900_000, 10)

    device.command("0353080001")  # TXPower 3: 14 - 6 dBm
    assert device.uplink()[0]["exchange"].power_dbm == 8


def test_new_channels_lie_on_the_raster():
    assert joined().command("0703" + hundreds(922_700_000) + "50")[1] == "0703"
    assert joined().command("0703" + hundreds(922_750_000) + "50")[1] == "0702"
    assert joined().command("0703" + hundreds(923_500_000) + "50")[1] == "0702"


def test_a_busy_channel_costs_neither_the_frame_nor_its_counter():
    device = joined()
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"later", device.now_ms)
    frame, first_hz = bytes(exchange.frame), exchange.freq_hz

    (again,) = device.mac.not_sent(exchange, device.now_ms)

    assert names([again]) == ["Repeat"]
    assert device.now_ms + 500 <= again.not_before_ms < device.now_ms + 1_000
    assert bytes(again.exchange.frame) == frame
    assert again.exchange.freq_hz != first_hz
    assert again.exchange.rx1.freq_hz == again.exchange.freq_hz
    device.now_ms = again.not_before_ms
    device.network.hear(again.exchange)
    device.finish(again.exchange)
    fcnt = device.network.fcnts[-1][1]
    device.uplink()
    assert device.network.fcnts[-1][1] == fcnt + 1


def test_a_busy_channel_does_not_waste_repetitions():
    device = joined()
    device.command("0350070003")  # NbTrans 3
    device.uplink(answer=lambda: device.network.downlink())
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"x", device.now_ms)
    device.mac.not_sent(exchange, device.now_ms)

    sent = 1
    while names(device.finish(exchange)) == ["Repeat"]:
        sent += 1

    assert sent == 3


def test_a_busy_join_tries_the_same_request_elsewhere():
    device = Device(region=kr920)
    exchange = device.mac.join(device.now_ms)
    frame, nonce = bytes(exchange.frame), device.mac.state(device.now_ms)["dev_nonce"]

    (again,) = device.mac.not_sent(exchange, device.now_ms)

    assert bytes(again.exchange.frame) == frame
    assert device.mac.state(device.now_ms)["dev_nonce"] == nonce
    assert again.exchange.rx1.delay_ms == 5_000
    device.network.hear(again.exchange)
    assert names(device.finish(again.exchange, device.network.accept(frame))) == ["Joined"]


def test_a_channel_that_stays_busy_ends_the_frame_with_a_reason_and_never_the_counter_twice():
    device = joined()
    device.now_ms += 60_000
    exchange = device.mac.send(1, b"x", device.now_ms, True)
    for _ in range(BUSY_TRIES - 1):
        device.mac.not_sent(exchange, device.now_ms)

    wait = raises(ChannelBusyWait, device.mac.not_sent, exchange, device.now_ms)

    assert 8_000 <= wait.ms < 16_000
    raises(ValueError, device.mac.not_sent, exchange, device.now_ms)
    before = device.mac.state(device.now_ms)["fcnt_up"]
    device.uplink()
    assert device.network.fcnts[-1][1] == before


def test_the_limit_of_the_network_counts_only_what_was_sent():
    device = joined()
    device.command("0407")
    device.uplink(answer=lambda: device.network.downlink())
    device.now_ms += device.mac.state(device.now_ms)["wait_ms"]
    exchange = device.mac.send(1, b"x", device.now_ms)

    (again,) = device.mac.not_sent(exchange, device.now_ms)

    assert again.not_before_ms < device.now_ms + 1_000
