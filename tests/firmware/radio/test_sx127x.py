"""The SX127x driver on the register model, which refuses what the data sheet forbids."""

import random

import pytest

from bench.air.transmission import on_air
from bench.chips.ports import ForbiddenUse
from bench.wires import HostTime
from firmware.boards.lilygo_t3 import facts
from firmware.lorawan.airtime import airtime_us
from firmware.lorawan.exchange import Window
from firmware.radio.errors import OscillatorFailed, RadioSilent, TransmitFailed
from tests.firmware.radio.rig import JitteryTime, Rig127x, exchange

RX2_HZ = 869_525_000


@pytest.fixture
def rig():
    rig = Rig127x()
    rig.radio.start()
    return rig


def listening(rig, sf, *, freq_hz=868_100_000, bw_hz=125_000):
    """A window, ready for `Transceiver._window`; and the instant from which it counts."""
    window = Window()
    window.delay_ms, window.freq_hz, window.sf, window.bw_hz = 1_000, freq_hz, sf, bw_hz
    rig.radio._wake()
    return window, rig.clock.ticks_us()


class TestTransmit:
    def test_uplink_goes_out_as_lorawan_wants_it(self, rig):
        rig.radio.carry_out(exchange())

        (sent,) = rig.station.heard
        assert sent.payload == b"\x40 a frame"
        assert (sent.sf, sent.bw_hz, sent.coding_rate) == (7, 125_000, 1)
        assert sent.freq_hz == pytest.approx(868_100_000, abs=31)  # a step is 61 Hz
        assert (sent.sync_word, sent.iq_inverted, sent.crc_on, sent.preamble) == (0x34, False, True, 8)
        assert not sent.implicit_header
        assert rig.model.remarks == set()

    @pytest.mark.parametrize("sf", range(7, 13))
    def test_time_on_air_that_the_mac_books_is_what_the_chip_takes(self, rig, sf):
        for length in (13, 14, 23, 64, 242):
            rig.radio.transmit(exchange(sf, bytes(length)))
            sent = rig.station.heard[-1]
            assert (len(sent.payload), sent.end_us - sent.start_us) == (length, airtime_us(length, sf, 125_000))
            assert sent.low_data_rate is (sf > 10)
            rig.radio.sleep()

    @pytest.mark.parametrize("fault", [None, "lost-dio0"])
    def test_end_of_the_transmission_is_known_to_a_fraction_of_a_millisecond(self, rig, fault):
        if fault:
            rig.model.fail(fault)

        end_us = rig.radio.transmit(exchange(9))

        assert 0 <= rig.clock.ticks_diff(end_us, rig.station.heard[0].end_us) < 200

    @pytest.mark.parametrize(("fault", "off_us"), [(None, 0), ("lost-dio0", 1_233)])
    def test_the_interrupt_of_tx_done_corrects_a_clock_that_runs_fast(self, fault, off_us):
        rig = Rig127x(time=lambda schedule: HostTime(schedule, error_ppm=500))
        rig.radio.start()
        if fault:
            rig.model.fail(fault)

        end_us = rig.radio.transmit(exchange(12, bytes(51)))

        in_ticks_us = rig.station.heard[0].end_us * 10_005 // 10_000
        assert in_ticks_us - end_us == pytest.approx(off_us, abs=100)

    @pytest.mark.parametrize(
        ("eirp_dbm", "radiated_dbm"), [(16, 15.2), (2, 4.2), (19, 18.2), (20, 19.2), (21, 20.2), (22, 21.2), (30, 22.2)]
    )
    def test_power_of_pa_boost_is_2_to_20_dbm_less_the_gain_of_the_antenna(self, rig, eirp_dbm, radiated_dbm):
        made = exchange()
        made.power_dbm = eirp_dbm

        rig.radio.carry_out(made)

        assert rig.station.heard[0].power_dbm == pytest.approx(radiated_dbm)

    @pytest.mark.parametrize(("eirp_dbm", "at_pin_dbm"), [(16, 13), (12, 9), (2, -1.2), (-9, -4.2), (30, 14)])
    def test_a_board_without_pa_boost_uses_the_other_amplifier(self, eirp_dbm, at_pin_dbm):
        rig = Rig127x(radio_facts={**facts.RADIO, "pa_boost": False}, pa_boost=False)
        rig.radio.start()
        made = exchange()
        made.power_dbm = eirp_dbm

        rig.radio.carry_out(made)

        assert rig.station.heard[0].power_dbm - 2.2 == pytest.approx(at_pin_dbm)

    def test_high_power_is_off_again_for_the_next_frame(self, rig):
        for eirp_dbm, radiated_dbm in ((22, 21.2), (10, 9.2)):
            made = exchange()
            made.power_dbm = eirp_dbm
            rig.radio.carry_out(made)
            assert rig.station.heard[-1].power_dbm == pytest.approx(radiated_dbm)

    def test_a_dead_amplifier_is_reported_in_time(self, rig):
        rig.model.fail("dead-pa")
        begin_us = rig.schedule.now_us

        with pytest.raises(TransmitFailed):
            rig.radio.carry_out(exchange())

        assert rig.schedule.now_us - begin_us < 600_000
        assert rig.model.mode.name == "SLEEP"


class TestWindows:
    @pytest.mark.parametrize("sf", range(7, 13))
    @pytest.mark.parametrize("delay_us", [1_000_000, 1_000_000 - 15_000, 1_000_000 + 15_000])
    def test_downlink_in_rx1_is_heard_at_every_spreading_factor_within_the_error_budget(self, rig, sf, delay_us):
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer", delay_us=delay_us)]

        heard = rig.radio.carry_out(exchange(sf))

        assert heard is not None, rig.air.records[-1].unheard
        assert (bytes(heard.frame), heard.window) == (b"\x60 an answer", 1)
        assert rig.model.remarks == set()

    @pytest.mark.parametrize("sf", range(7, 13))
    def test_downlink_in_rx2_is_heard_at_every_spreading_factor(self, rig, sf):
        rig.station.reply = lambda uplink: [
            rig.downlink(uplink, b"\x60 an answer", delay_us=2_000_000, freq_hz=RX2_HZ, sf=sf)
        ]

        heard = rig.radio.carry_out(exchange(9, rx2_sf=sf))

        assert (bytes(heard.frame), heard.window) == (b"\x60 an answer", 2)

    @pytest.mark.parametrize("error_ppm", [-100, 100])
    @pytest.mark.parametrize("window", [1, 2])
    def test_no_downlink_is_missed_with_100_ppm_and_wake_ups_10_ms_late(self, error_ppm, window):
        class Time(JitteryTime):
            def __init__(self, schedule):
                super().__init__(schedule, random.Random(error_ppm + window), 10_000)
                self._error_ppm = error_ppm

        rig = Rig127x(time=Time)
        rig.radio.start()
        delay_us, freq_hz = (5_000_000, None) if window == 1 else (6_000_000, RX2_HZ)
        for turn in range(60):
            sf = 7 + turn % 6
            made = exchange(sf, rx2_sf=sf)
            made.rx1.delay_ms, made.rx2.delay_ms = 5_000, 6_000
            rig.station.reply = lambda uplink: [
                rig.downlink(uplink, b"\x60 an answer", delay_us=delay_us, freq_hz=freq_hz)
            ]

            heard = rig.radio.carry_out(made)

            assert heard is not None, (turn, sf, rig.air.records[-1].unheard)
            assert heard.window == window

    @pytest.mark.parametrize("sf", range(7, 13))
    @pytest.mark.parametrize("beside_us", [-400_000, 400_000])
    def test_a_downlink_outside_the_windows_is_missed(self, rig, sf, beside_us):
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 no", delay_us=1_000_000 + beside_us)]

        assert rig.radio.carry_out(exchange(sf)) is None

    def test_receiver_is_open_no_later_than_the_nominal_instant_and_closes_by_itself(self, rig):
        opened, closed = [], []
        open_window, close_window = rig.air.open_window, rig.air.close_window

        def note_open(radio, tuning):
            opened.append((rig.schedule.now_us, tuning))
            open_window(radio, tuning)

        def note_close(radio):
            if radio.name in rig.air._windows:
                closed.append(rig.schedule.now_us)
            close_window(radio)

        rig.air.open_window, rig.air.close_window = note_open, note_close
        for sf in range(7, 13):
            opened.clear()
            closed.clear()
            rig.radio.carry_out(exchange(sf, rx2_sf=sf))
            end_us = rig.station.heard[-1].end_us
            symbol_us = (1 << sf) * 8
            longest_us = max(60_000, 10 * symbol_us)
            for (at_us, tuning), until_us, delay_us in zip(opened, closed, (1_000_000, 2_000_000), strict=True):
                assert -30_000 <= at_us - end_us - delay_us <= 0
                assert (until_us - at_us) % symbol_us == 0  # the chip's own time-out counts symbols
                assert until_us - at_us <= longest_us
                assert (tuning.iq_inverted, tuning.sync_word) == (True, 0x34)

    def test_a_generous_error_budget_is_kept_up_to_the_longest_symbol_time_out_and_beyond(self, rig):
        rig.radio.rx_error_us = 300_000
        for bw_hz, region_hz in ((125_000, 868_100_000), (500_000, 923_300_000)):
            for late_us in (-290_000, 0, 290_000):
                window, end_us = listening(rig, 7, freq_hz=region_hz, bw_hz=bw_hz)
                start_us = rig.schedule.now_us + 1_000_000 + late_us
                rig.air.transmit(
                    on_air(start_us, b"\x60 yes", "station", region_hz, 7, bw_hz, iq_inverted=True, crc_on=False)
                )

                heard = rig.radio._wait_through(rig.radio._window(window, end_us, 1))

                assert heard is not None, (bw_hz, late_us, rig.air.records[-1].unheard)
                assert rig.model.remarks == set()
                rig.clock.sleep_ms(700)

    def test_an_empty_window_beyond_the_symbol_time_out_ends_too(self, rig):
        rig.radio.rx_error_us = 300_000
        window, end_us = listening(rig, 7, freq_hz=923_300_000, bw_hz=500_000)

        assert rig.radio._wait_through(rig.radio._window(window, end_us, 1)) is None

        assert rig.clock.ticks_diff(rig.clock.ticks_us(), end_us) < 1_000_000 + 320_000

    def test_a_wanted_frame_in_rx1_closes_rx2_and_a_foreign_one_does_not(self, rig):
        def both(uplink):
            first = rig.downlink(uplink, b"\x60 first")
            return [first, rig.downlink(uplink, b"\x60 second", delay_us=2_000_000, freq_hz=RX2_HZ, sf=12)]

        rig.station.reply = both
        second = exchange(wants=lambda frame: b"second" in bytes(frame))

        assert bytes(rig.radio.carry_out(exchange()).frame) == b"\x60 first"
        assert bytes(rig.radio.carry_out(second).frame) == b"\x60 second"

    def test_a_long_frame_that_begins_in_rx1_is_received_to_its_end(self, rig):
        rig.station.reply = lambda uplink: [rig.downlink(uplink, bytes(range(51)))]

        heard = rig.radio.carry_out(exchange(12))

        assert bytes(heard.frame) == bytes(range(51))

    @pytest.mark.parametrize(
        "wrong",
        [{"iq_inverted": False}, {"sync_word": 0x12}, {"sf": 9}, {"freq_hz": 868_300_000}],
        ids=lambda wrong: next(iter(wrong)),
    )
    def test_what_is_not_for_this_window_is_not_heard(self, rig, wrong):
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 no", **wrong)]

        assert rig.radio.carry_out(exchange()) is None

    def test_a_frame_with_a_wrong_check_sum_is_not_handed_up(self, rig):
        def spoilt(uplink):
            answer = rig.downlink(uplink, bytes(40), crc_on=True)
            rival = on_air(
                answer.header_end_us + 1_000, b"rival", "far", answer.freq_hz, 7, iq_inverted=True, crc_on=False
            )
            return [answer, rival]

        rig.station.reply = spoilt
        assert rig.radio.carry_out(exchange()) is None

        rig.station.reply = lambda uplink: [rig.downlink(uplink, bytes(40), crc_on=True)]
        assert len(rig.radio.carry_out(exchange()).frame) == 40

    def test_a_preamble_without_a_header_does_not_hold_the_window_open(self, rig):
        def broken(uplink):
            answer = rig.downlink(uplink, bytes(40))
            rival = on_air(answer.start_us + 9_000, b"rival", "far", answer.freq_hz, 7, iq_inverted=True, crc_on=False)
            second = rig.downlink(uplink, b"\x60 second", delay_us=2_000_000, freq_hz=RX2_HZ, sf=12)
            return [answer, rival, second]

        rig.station.reply = broken

        assert bytes(rig.radio.carry_out(exchange()).frame) == b"\x60 second"


class TestLevels:
    @pytest.mark.parametrize("loss_db", [60, 80, 105, 120, 125, 128, 131, 133])
    def test_signal_strength_and_snr_are_those_of_the_air(self, rig, loss_db):
        rig.air.set_loss("station", "node", loss_db)
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 level")]

        heard = rig.radio.carry_out(exchange(12))

        received = rig.air.records[-1].heard["node"]
        assert heard.rssi_dbm == pytest.approx(received.rssi_dbm, abs=1)
        assert heard.snr_db_x4 == round(4 * received.snr_db)
        assert (heard.snr_db_x4 < 0) is (loss_db > 131)

    @pytest.mark.parametrize("loss_db", [105, 128, 134])
    def test_the_port_for_low_frequencies_has_its_own_offset(self, loss_db):
        rig = Rig127x(radio_facts={**facts.RADIO, "chip": "sx1278"})
        rig.radio.start()
        rig.air.set_loss("station", "node", loss_db)
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 level")]

        heard = rig.radio.carry_out(exchange(12, freq_hz=433_175_000))

        received = rig.air.records[-1].heard["node"]
        assert heard.rssi_dbm == pytest.approx(received.rssi_dbm, abs=1)
        assert rig.model.remarks == set()


class TestLife:
    def test_windows_hold_with_a_broken_interrupt_line(self, rig):
        rig.model.fail("lost-dio0")
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer")]
        for sf in range(7, 13):
            assert rig.radio.carry_out(exchange(sf)) is not None

    def test_radio_sleeps_between_exchanges(self, rig):
        assert rig.model.mode.name == "SLEEP"
        rig.radio.carry_out(exchange())

        assert rig.model.mode.name == "SLEEP"

    def test_random_numbers_differ(self, rig):
        assert len({rig.radio.random_u32() for _ in range(8)}) == 8
        assert rig.model.mode.name == "SLEEP"

    def test_each_port_is_calibrated_before_it_is_used(self, rig):
        for freq_hz in (868_100_000, 433_175_000, 868_300_000):
            rig.radio.carry_out(exchange(freq_hz=freq_hz))

        assert [round(frame.freq_hz / 1e6, 1) for frame in rig.station.heard] == [868.1, 433.2, 868.3]
        assert rig.model.remarks == set()

    @pytest.mark.parametrize(("board", "model"), [(True, False), (False, True)])
    def test_wrong_tcxo_setting_is_named(self, board, model):
        rig = Rig127x(radio_facts={**facts.RADIO, "tcxo_input": board}, tcxo=model)

        with pytest.raises(OscillatorFailed, match="TCXO"):
            rig.radio.start()

    def test_a_board_with_a_tcxo_starts(self):
        rig = Rig127x(radio_facts={**facts.RADIO, "tcxo_input": True}, tcxo=True)

        rig.radio.start()
        rig.radio.carry_out(exchange())

        assert len(rig.station.heard) == 1

    def test_a_dead_radio_is_reported_and_recovers_with_start(self, rig):
        rig.model.fail("bus")
        with pytest.raises(RadioSilent):
            rig.radio.start()

        rig.model.heal()
        rig.radio.start()
        rig.radio.carry_out(exchange())

        assert len(rig.station.heard) == 1

    def test_a_bus_faster_than_10_mhz_is_refused_by_the_model(self, rig):
        rig.spi.init(baudrate=12_000_000)

        with pytest.raises(ForbiddenUse, match="10000000"):
            rig.radio.start()

    def test_ticks_may_overflow_inside_an_exchange(self):
        rig = Rig127x(time=lambda schedule: HostTime(schedule, start_us=(1 << 30) - 900_000))
        rig.radio.start()
        rig.station.reply = lambda uplink: [rig.downlink(uplink, b"\x60 an answer")]

        assert rig.radio.carry_out(exchange()) is not None
