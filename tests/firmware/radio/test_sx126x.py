"""The SX126x driver on the chip model, which refuses what the data sheet forbids."""

import random

import pytest

from bench.chips.ports import ForbiddenUse
from firmware.boards.virtual import facts
from firmware.lorawan.airtime import airtime_us
from firmware.radio.errors import OscillatorFailed, RadioBusy, RadioSilent
from firmware.radio.sx126x import SX1262
from firmware.radio.sx1261 import SX1261
from tests.firmware.radio.rig import JitteryTime, Rig, exchange


@pytest.fixture
def rig():
    rig = Rig()
    rig.radio.start()
    return rig


def test_uplink_goes_out_as_lorawan_wants_it(rig):
    rig.radio.carry_out(exchange())

    (sent,) = rig.station.heard
    assert sent.payload == b"\x40 a frame"
    assert (sent.freq_hz, sent.sf, sent.bw_hz, sent.coding_rate) == (868_100_000, 7, 125_000, 1)
    assert (sent.sync_word, sent.iq_inverted, sent.crc_on, sent.preamble) == (0x34, False, True, 8)
    assert not sent.implicit_header
    assert sent.low_data_rate is False
    assert rig.model.remarks == set()


@pytest.mark.parametrize("sf", range(7, 13))
def test_time_on_air_that_the_mac_books_is_what_the_chip_takes(rig, sf):
    for length in (13, 14, 23, 64, 242):
        rig.radio.transmit(exchange(sf, bytes(length)))
        sent = rig.station.heard[-1]
        assert sent.end_us - sent.start_us == airtime_us(length, sf, 125_000)
        rig.radio.sleep()


@pytest.mark.parametrize(("eirp_dbm", "radiated_dbm"), [(16, 15.2), (14, 13.2), (2, 1.2), (30, 24.2), (20, 19.2)])
def test_antenna_gain_is_taken_off_and_the_board_sets_the_limit(rig, eirp_dbm, radiated_dbm):
    made = exchange()
    made.power_dbm = eirp_dbm

    rig.radio.carry_out(made)

    assert rig.station.heard[0].power_dbm == pytest.approx(radiated_dbm)


@pytest.mark.parametrize(("eirp_dbm", "radiated_dbm"), [(16, 15.2), (12, 11.2), (18, 17.2), (30, 17.2), (-20, -14.8)])
def test_an_sx1261_uses_its_own_amplifier(eirp_dbm, radiated_dbm):
    rig = Rig(driver=SX1261, low_power=True)
    rig.radio.start()
    rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer")]
    made = exchange()
    made.power_dbm = eirp_dbm

    heard = rig.radio.carry_out(made)

    assert rig.station.heard[0].power_dbm == pytest.approx(radiated_dbm)
    assert bytes(heard.frame) == b"\x60 an answer"
    assert rig.model.remarks == set()


@pytest.mark.parametrize(("driver", "low_power"), [(SX1262, True), (SX1261, False)])
def test_the_setting_of_one_amplifier_endangers_the_other(driver, low_power):
    rig = Rig(driver=driver, low_power=low_power)
    rig.radio.start()

    with pytest.raises(ForbiddenUse, match="endangers the PA"):
        rig.radio.carry_out(exchange())


@pytest.mark.parametrize("sf", range(7, 13))
@pytest.mark.parametrize("delay_us", [1_000_000, 1_000_000 - 15_000, 1_000_000 + 15_000])
def test_downlink_in_rx1_is_heard_at_every_spreading_factor_within_the_error_budget(rig, sf, delay_us):
    rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer", delay_us=delay_us)]

    heard = rig.radio.carry_out(exchange(sf))

    assert heard is not None, rig.air.records[-1].unheard
    assert (bytes(heard.frame), heard.window) == (b"\x60 an answer", 1)
    assert -100 < heard.rssi_dbm < -60
    assert 8 <= heard.snr_db_x4 <= 60


@pytest.mark.parametrize("sf", range(7, 13))
def test_downlink_in_rx2_is_heard_at_every_spreading_factor(rig, sf):
    rig.station.reply = lambda uplink: [
        rig.downlink(uplink, b"\x60 an answer", delay_us=2_000_000, freq_hz=869_525_000, sf=sf)
    ]

    heard = rig.radio.carry_out(exchange(9, rx2_sf=sf))

    assert (bytes(heard.frame), heard.window) == (b"\x60 an answer", 2)


def test_receiver_is_open_no_later_than_the_nominal_instant(rig):
    opened = []
    original = rig.air.open_window

    def note(radio, tuning):
        opened.append((rig.schedule.now_us, tuning))
        original(radio, tuning)

    rig.air.open_window = note
    for sf in range(7, 13):
        opened.clear()
        rig.radio.carry_out(exchange(sf))
        end_us = rig.station.heard[-1].end_us
        for (at_us, tuning), delay_us in zip(opened, (1_000_000, 2_000_000), strict=True):
            assert -30_000 <= at_us - end_us - delay_us <= 0
            assert tuning.iq_inverted
            assert tuning.sync_word == 0x34


def test_a_wanted_frame_in_rx1_closes_rx2_and_a_foreign_one_does_not(rig):
    def both(uplink):
        first = rig.downlink(uplink, b"\x60 first")
        return [first, rig.downlink(uplink, b"\x60 second", delay_us=2_000_000, freq_hz=869_525_000, sf=12)]

    rig.station.reply = both

    assert bytes(rig.radio.carry_out(exchange()).frame) == b"\x60 first"
    assert bytes(rig.radio.carry_out(exchange(wants=lambda frame: b"second" in bytes(frame))).frame) == b"\x60 second"


def test_a_long_frame_that_begins_in_rx1_is_received_to_its_end(rig):
    rig.station.reply = lambda uplink: [rig.downlink(uplink, bytes(51))]

    heard = rig.radio.carry_out(exchange(12))

    assert len(heard.frame) == 51


@pytest.mark.parametrize(
    "wrong",
    [{"iq_inverted": False}, {"sync_word": 0x12}, {"sf": 9}, {"freq_hz": 868_300_000}, {"delay_us": 1_400_000}],
    ids=lambda wrong: next(iter(wrong)),
)
def test_what_is_not_for_this_window_is_not_heard(rig, wrong):
    rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 no", **wrong)]

    assert rig.radio.carry_out(exchange()) is None


def test_windows_hold_with_late_wake_ups_and_a_broken_interrupt_line():
    chance = random.Random(4)
    rig = Rig(time=lambda schedule: JitteryTime(schedule, chance, 4_000))
    rig.radio.start()
    rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer")]
    for turn in range(60):
        if turn == 30:
            rig.model.faults.add("lost-dio1")
        heard = rig.radio.carry_out(exchange(7 + turn % 6))
        assert heard is not None, rig.air.records[-1].unheard


def test_radio_sleeps_between_exchanges(rig):
    rig.radio.carry_out(exchange())

    assert rig.model.mode.name == "SLEEP"


def test_random_numbers_differ(rig):
    assert len({rig.radio.random_u32() for _ in range(8)}) == 8


def test_wrong_tcxo_setting_is_named():
    rig = Rig(radio_facts={**facts.RADIO, "tcxo_mv": None})

    with pytest.raises(OscillatorFailed, match="TCXO"):
        rig.radio.start()


def test_a_crystal_board_starts_without_tcxo():
    rig = Rig(radio_facts={**facts.RADIO, "tcxo_mv": None}, tcxo_mv=None)

    rig.radio.start()
    rig.radio.carry_out(exchange())

    assert len(rig.station.heard) == 1


@pytest.mark.parametrize(("fault", "error"), [("bus", RadioSilent), ("stuck-busy", RadioBusy)])
def test_a_dead_radio_is_reported_and_recovers_with_start(rig, fault, error):
    rig.model.faults.add(fault)
    with pytest.raises(error):
        rig.radio.start()

    rig.model.faults.discard(fault)
    rig.radio.start()
    rig.radio.carry_out(exchange())

    assert len(rig.station.heard) == 1
