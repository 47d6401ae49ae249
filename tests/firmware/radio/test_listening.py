"""The class C drivers: they listen whenever nothing else is to be done."""

import pytest

from bench.air.transmission import on_air
from firmware.lorawan.exchange import Window
from firmware.radio.sx126x_class_c import SX1262ClassC
from firmware.radio.sx127x_class_c import SX1276ClassC
from tests.firmware.radio.rig import Rig, Rig127x, exchange

RXC_HZ = 869_525_000


def rxc(sf=9, freq_hz=RXC_HZ):
    window = Window()
    window.freq_hz, window.sf, window.bw_hz = freq_hz, sf, 125_000
    return window


@pytest.fixture(params=[(Rig, SX1262ClassC), (Rig127x, SX1276ClassC)], ids=["sx1262", "sx1276"])
def rig(request):
    bench, driver = request.param
    rig = bench(driver=driver)
    rig.radio.start()
    return rig


def broadcast(rig, payload, after_us=100_000, sf=9):
    frame = on_air(rig.schedule.now_us + after_us, payload, "station", RXC_HZ, sf, iq_inverted=True, crc_on=False)
    rig.air.transmit(frame)
    return frame


def test_frames_are_heard_one_after_the_other_while_listening(rig):
    rig.radio.listen(rxc())
    assert rig.radio.poll() is None
    for payload in (b"\x60 one", b"\x60 two, longer", b"\x60 3"):
        broadcast(rig, payload)
        rig.clock.sleep_ms(600)

        heard = rig.radio.poll()

        assert (bytes(heard.frame), heard.window) == (payload, 0)
        assert rig.radio.poll() is None


def test_listening_goes_on_after_an_exchange_and_ends_with_sleep(rig):
    made = exchange()
    made.rxc = rxc()
    assert rig.radio.carry_out(made) is None
    broadcast(rig, b"\x60 late")
    rig.clock.sleep_ms(600)
    assert bytes(rig.radio.poll().frame) == b"\x60 late"

    rig.radio.sleep()

    assert rig.model.mode.name == "SLEEP"


def test_a_frame_between_the_windows_is_kept_for_poll(rig):
    made = exchange()
    made.rxc = rxc()
    rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 between", delay_us=1_300_000, freq_hz=RXC_HZ, sf=9)]

    assert rig.radio.carry_out(made) is None

    assert bytes(rig.radio.poll().frame) == b"\x60 between"


@pytest.mark.parametrize("sf", range(7, 13))
def test_both_windows_still_work_beside_listening(rig, sf):
    for delay_us, freq_hz, wanted_sf, window in ((1_000_000, None, None, 1), (2_000_000, RXC_HZ, 12, 2)):
        rig.station.reply = lambda uplink, d=delay_us, f=freq_hz, s=wanted_sf: [
            rig.downlink(uplink, b"\x60 answer", delay_us=d, freq_hz=f, sf=s)
        ]
        made = exchange(sf)
        made.rxc = rxc(12)

        heard = rig.radio.carry_out(made)

        assert heard is not None, rig.air.records[-1].unheard
        assert (bytes(heard.frame), heard.window) == (b"\x60 answer", window)


def test_a_frame_that_ends_between_a_look_and_its_consequences_is_not_lost(rig):
    look = rig.radio._irq

    def slowly():
        irq = look()
        rig.clock.sleep_us(700)
        return irq

    rig.radio._irq = slowly
    rig.radio.listen(rxc())
    for shift_us in range(0, 1_700, 170):
        frame = broadcast(rig, bytes(40), 100_000 + shift_us)
        heard = None
        while heard is None and rig.schedule.now_us < frame.end_us + 20_000:
            rig.clock.sleep_ms(1)
            heard = rig.radio.poll()

        assert heard is not None, shift_us
        assert bytes(heard.frame) == bytes(40)


def test_an_exchange_without_rxc_is_one_of_class_a(rig):
    rig.radio.carry_out(exchange())

    assert rig.model.mode.name == "SLEEP"
