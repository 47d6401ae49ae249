"""The register model of the SX1276 against its data sheet, spoken to byte by byte."""

import pytest

from bench.air.transmission import on_air
from bench.chips.ports import ForbiddenUse
from bench.chips.sx1276 import SX1276
from tests.bench.chips.chip_bench import FREQ, ChipBench

SLEEP, STDBY, TX, RX_CONTINUOUS, RX_SINGLE, CAD = 0x80, 0x81, 0x83, 0x85, 0x86, 0x87


class Bench(ChipBench):
    def __init__(self, **settings):
        super().__init__(SX1276, **settings)

    def write(self, address, *values):
        self.raw(bytes((0x80 | address, *values)).hex())

    def read(self, address, count=1):
        data = self.raw(bytes((address, *bytes(count))).hex())[1:]
        return data[0] if count == 1 else data

    def mode(self, mode):
        self.write(0x01, mode)
        self.pass_us(300)

    def set_up(self, sf=7, inverted=False):
        """Calibrated, in standby of the LoRa modem, at 868.1 MHz with all remedies of errata."""
        self.pass_us(10_000)
        frf = (FREQ << 19) // 32_000_000
        self.mode(0x01)
        self.write(0x06, frf >> 16, frf >> 8 & 0xFF, frf & 0xFF)
        self.write(0x3B, 0x42)
        self.pass_us(10_000)
        assert self.read(0x3B) & 0x20 == 0
        self.mode(0x00)
        self.mode(SLEEP)
        self.write(0x39, 0x34)
        self.write(0x1D, 0x72, sf << 4 | 4)
        self.write(0x26, 0x04 | (0x08 if sf > 10 else 0))
        self.write(0x2F, 0x40, 0x00, 0x43)
        self.write(0x33, 0x67 if inverted else 0x27)
        self.write(0x3B, 0x19 if inverted else 0x1D)
        self.write(0x09, 0x8C)  # PA_BOOST, 14 dBm
        self.mode(STDBY)

    def fill(self, payload):
        self.write(0x0E, 0x00)
        self.write(0x0D, 0x00)
        self.write(0x00, *payload)
        self.write(0x22, len(payload))


@pytest.fixture
def bench():
    return Bench()


class TestStart:
    def test_it_starts_in_standby_of_the_fsk_modem_with_its_version(self, bench):
        bench.pass_us(10_000)

        assert (bench.read(0x42), bench.read(0x01)) == (0x12, 0x09)

    @pytest.mark.parametrize("after_us", [0, 9_000])
    def test_spi_before_10_ms_after_power_on_is_forbidden(self, bench, after_us):
        bench.pass_us(after_us)
        with pytest.raises(ForbiddenUse, match=r"7\.2"):
            bench.read(0x42)

    def test_reset_needs_100_us_and_5_ms_and_forgets_everything(self, bench):
        bench.set_up()
        bench.radio.reset.set(0)
        bench.pass_us(100)
        bench.radio.reset.set(1)
        with pytest.raises(ForbiddenUse, match="NRESET"):
            bench.read(0x42)
        bench.pass_us(5_000)
        assert (bench.read(0x01), bench.read(0x09)) == (0x09, 0x4F)

        bench.radio.reset.set(0)
        bench.pass_us(50)
        with pytest.raises(ForbiddenUse, match="NRESET"):
            bench.radio.reset.set(1)

    def test_spi_above_10_mhz_is_forbidden(self, bench):
        bench.pass_us(10_000)
        bench.spi.init(baudrate=10_500_000)
        with pytest.raises(ForbiddenUse, match="10000000"):
            bench.read(0x42)

    def test_without_power_miso_floats_high(self, bench):
        bench.radio.set_power(False)
        assert bench.raw("4200") == b"\xff\xff"


class TestRegisters:
    def test_addresses_count_up_in_a_burst(self, bench):
        bench.pass_us(10_000)
        bench.write(0x06, 1, 2, 3)
        assert bench.read(0x06, 3) == b"\x01\x02\x03"

    def test_the_two_modems_have_their_own_registers_from_0d_to_3f(self, bench):
        bench.set_up()
        assert bench.read(0x3B) == 0x1D
        bench.mode(SLEEP)
        bench.mode(0x00)
        assert bench.read(0x3B) == 0x02
        bench.mode(SLEEP)
        assert (bench.read(0x3B), bench.read(0x39)) == (0x1D, 0x34)

    @pytest.mark.parametrize("register", [0x10, 0x13, 0x19, 0x1A, 0x42])
    def test_what_is_read_only_cannot_be_written(self, bench, register):
        bench.set_up()
        with pytest.raises(ForbiddenUse, match="read only"):
            bench.write(register, 0)

    @pytest.mark.parametrize("mode", [TX, RX_SINGLE, RX_CONTINUOUS])
    def test_settings_change_in_sleep_and_standby_only(self, bench, mode):
        bench.set_up()
        bench.fill(b"x")
        bench.mode(mode)
        with pytest.raises(ForbiddenUse, match=r"4\.1\.5"):
            bench.write(0x1D, 0x82)
        bench.write(0x12, 0xFF)


class TestModes:
    @pytest.mark.parametrize(("first", "then"), [(0x01, STDBY), (STDBY, 0x01)])
    def test_the_modem_is_chosen_in_sleep_only(self, bench, first, then):
        bench.set_up()
        bench.mode(SLEEP)
        bench.mode(SLEEP & first)
        bench.mode(first)
        with pytest.raises(ForbiddenUse, match="LongRangeMode"):
            bench.mode(then)

    @pytest.mark.parametrize("mode", [TX, RX_SINGLE, RX_CONTINUOUS, CAD])
    def test_nothing_begins_from_sleep(self, bench, mode):
        bench.set_up()
        bench.mode(SLEEP)
        with pytest.raises(ForbiddenUse, match="from sleep"):
            bench.mode(mode)

    def test_receiving_does_not_turn_into_sending_without_standby(self, bench):
        bench.set_up()
        bench.mode(RX_CONTINUOUS)
        with pytest.raises(ForbiddenUse, match="from RX_CONTINUOUS"):
            bench.mode(TX)

    def test_the_fifo_cannot_be_reached_in_sleep_or_before_the_oscillator_runs(self, bench):
        bench.set_up()
        bench.mode(SLEEP)
        with pytest.raises(ForbiddenUse, match="FIFO"):
            bench.write(0x00, 1)
        bench.write(0x01, STDBY)
        with pytest.raises(ForbiddenUse, match="FIFO"):
            bench.write(0x00, 1)
        bench.pass_us(250)
        bench.write(0x00, 1)

    def test_sleep_empties_the_fifo_and_keeps_the_registers(self, bench):
        bench.set_up()
        bench.fill(b"kept?")
        bench.mode(SLEEP)
        bench.mode(STDBY)
        bench.write(0x0D, 0)
        assert bench.read(0x00, 5) == bytes(5)
        assert (bench.read(0x39), bench.read(0x22)) == (0x34, 5)

    def test_calibration_runs_9_ms_in_standby_and_must_not_be_left(self, bench):
        bench.pass_us(10_000)
        bench.write(0x3B, 0x42)
        assert bench.read(0x3B) == 0x22
        with pytest.raises(ForbiddenUse, match="calibration"):
            bench.mode(0x00)
        bench.pass_us(9_000)
        assert bench.read(0x3B) == 0x02
        bench.mode(0x00)
        with pytest.raises(ForbiddenUse, match="calibration"):
            bench.write(0x3B, 0x42)

    def test_nothing_happens_without_a_clock(self):
        bench = Bench(tcxo=True)
        bench.pass_us(10_000)
        bench.write(0x3B, 0x42)
        bench.pass_us(1_000_000)
        assert bench.read(0x3B) & 0x20

        bench.radio.reset.set(0)
        bench.pass_us(100)
        bench.radio.reset.set(1)
        bench.pass_us(5_000)
        bench.write(0x4B, 0x19)
        bench.set_up()
        bench.fill(b"x")
        bench.mode(TX)
        bench.pass_us(100_000)
        assert len(bench.ear.heard) == 1


class TestTransmit:
    def test_a_frame_goes_out_with_its_airtime_and_raises_tx_done(self, bench):
        bench.set_up()
        bench.fill(b"hello, world!")
        bench.write(0x40, 0x40)
        start_us = bench.schedule.now_us
        done = []
        bench.radio.dio0.watch(lambda level: done.append((bench.schedule.now_us, level)))
        bench.mode(TX)
        assert bench.read(0x01) == TX
        bench.pass_us(100_000)

        frame = bench.ear.heard[0].frame
        assert frame.payload == b"hello, world!"
        assert frame.freq_hz == pytest.approx(FREQ, abs=61)
        assert (frame.sf, frame.sync_word, frame.crc_on, frame.iq_inverted) == (7, 0x34, True, False)
        assert frame.power_dbm == 14
        assert frame.end_us - frame.start_us == 46_336
        assert frame.start_us - start_us == pytest.approx(60 + 120 + 40, abs=6)
        assert done == [(frame.end_us, 1)]
        assert (bench.read(0x12), bench.read(0x01)) == (0x08, STDBY)
        bench.write(0x12, 0x08)
        assert (bench.read(0x12), bench.radio.dio0.level) == (0, 0)
        assert bench.radio.remarks == set()

    @pytest.mark.parametrize(
        ("config", "dac", "ocp", "dbm"),
        [(0x8F, 0x84, 0x2B, 17), (0x80, 0x84, 0x2B, 2), (0x8F, 0x87, 0x31, 20), (0x8D, 0x87, 0x2F, 18)],
    )
    def test_power_is_that_of_the_formula_and_the_antenna(self, config, dac, ocp, dbm):
        bench = Bench(antenna_gain_dbi_x10=22)
        bench.set_up()
        bench.fill(b"x")
        bench.write(0x09, config)
        bench.write(0x4D, dac)
        bench.write(0x0B, ocp)
        bench.mode(TX)
        bench.pass_us(100_000)
        assert bench.ear.heard[0].frame.power_dbm == pytest.approx(dbm + 2.2)

    @pytest.mark.parametrize(("config", "dbm"), [(0x7F, 15), (0x7E, 14), (0x70, 0), (0x0F, 10.8), (0x4F, 13.2)])
    def test_rfo_counts_down_from_what_max_power_says(self, config, dbm):
        bench = Bench(pa_boost=False)
        bench.set_up()
        bench.fill(b"x")
        bench.write(0x09, config)
        bench.mode(TX)
        bench.pass_us(100_000)
        assert bench.ear.heard[0].frame.power_dbm == pytest.approx(dbm)

    @pytest.mark.parametrize(
        ("registers", "place"),
        [
            ({0x4D: 0x87}, r"3\.4\.4"),
            ({0x4D: 0x87, 0x0B: 0x2E}, r"3\.4\.4"),
            ({0x4D: 0x87, 0x0B: 0x31, 0x09: 0x7E}, r"3\.4\.3"),
            ({0x4D: 0x85}, "RegPaDac"),
            ({0x22: 0}, "RegPayloadLength"),
            ({0x1E: 0x64}, "SF6"),
            ({0x26: 0x0C}, "LowDataRateOptimize"),
            ({0x33: 0x26}, "RegInvertIQ2"),
            ({0x31: 0x45}, "SF6"),
            ({0x06: 0x9C}, "table 32"),
        ],
    )
    def test_what_the_data_sheet_excludes_is_refused(self, bench, registers, place):
        bench.set_up()
        bench.fill(b"x")
        for register, value in registers.items():
            bench.write(register, value)
        with pytest.raises(ForbiddenUse, match=place):
            bench.mode(TX)

    def test_the_registers_of_the_other_port_are_refused(self, bench):
        bench.set_up()
        with pytest.raises(ForbiddenUse, match="other port"):
            bench.mode(0x8B | RX_CONTINUOUS)

    def test_the_amplifier_without_an_antenna_is_heard_by_nobody(self, bench):
        bench.set_up()
        bench.fill(b"x")
        bench.write(0x09, 0x7E)
        bench.mode(TX)
        bench.pass_us(100_000)
        assert bench.read(0x12) == 0x08
        assert bench.ear.heard == []

    @pytest.mark.parametrize("how", ["power", "standby"])
    def test_a_frame_breaks_off_when_the_transmitter_stops(self, bench, how):
        bench.set_up()
        bench.fill(bytes(20))
        bench.mode(TX)
        bench.pass_us(20_000)
        if how == "power":
            bench.radio.set_power(False)
        else:
            bench.mode(STDBY)
        bench.pass_us(100_000)
        assert bench.ear.heard[0].crc_ok is False

    def test_unrepaired_errata_and_a_missing_calibration_are_remarked(self):
        bench = Bench()
        bench.pass_us(10_000)
        bench.mode(0x00)
        bench.mode(SLEEP)
        bench.write(0x06, 0xD9, 0x06, 0x66)
        bench.write(0x1D, 0x92)
        bench.mode(STDBY)
        bench.write(0x1F, 100)
        bench.mode(RX_SINGLE)
        assert {remark.split(":")[0] for remark in bench.radio.remarks} == {"2.1", "2.1.3.8"}
        bench.mode(STDBY)
        bench.write(0x1D, 0x72)
        bench.mode(RX_SINGLE)
        assert {remark.split(":")[0] for remark in bench.radio.remarks} == {"2.1", "2.1.3.8", "2.3"}


class TestReceive:
    def listen(self, bench, mode=RX_SINGLE, symbols=100, sf=7):
        bench.set_up(sf=sf, inverted=True)
        bench.write(0x1E, sf << 4 | symbols >> 8)
        bench.write(0x1F, symbols & 0xFF)
        bench.mode(mode)

    def test_a_downlink_in_an_open_window_arrives(self, bench):
        self.listen(bench)
        bench.downlink(bench.schedule.now_us + 1_000, b"answer")
        bench.pass_us(15_000)
        assert bench.read(0x18) == 0x07  # signal detected, synchronised, reception under way
        bench.pass_us(100_000)

        assert (bench.read(0x12), bench.radio.dio0.level, bench.read(0x01)) == (0x50, 1, STDBY)
        assert (bench.read(0x13), bench.read(0x10)) == (6, 0)
        bench.write(0x0D, bench.read(0x10))
        assert bench.read(0x00, 6) == b"answer"
        assert -157 + 16 * bench.read(0x1A) / 15 == pytest.approx(14 - 105, abs=1)
        assert bench.read(0x19) == 13 * 4

    def test_below_the_noise_the_level_is_that_of_noise_and_signal(self, bench):
        self.listen(bench)
        bench.air.set_loss("ear", "node", 136)
        bench.downlink(bench.schedule.now_us + 1_000)
        bench.pass_us(100_000)

        snr_db = (bench.read(0x19) - 256) / 4
        assert snr_db == pytest.approx(-5, abs=0.2)
        assert -157 + bench.read(0x1A) + snr_db == pytest.approx(14 - 136, abs=1)

    @pytest.mark.parametrize("symbols", [4, 5, 100, 256, 1023])
    def test_the_time_out_counts_symbols(self, bench, symbols):
        self.listen(bench, symbols=symbols)
        start_us = bench.schedule.now_us - 300
        ended = []
        bench.radio.dio1.watch(lambda level: ended.append(bench.schedule.now_us - start_us))
        bench.pass_us(2_000_000)

        assert ended == [pytest.approx(symbols * 1024 + 131, abs=3)]
        assert (bench.read(0x12), bench.read(0x01)) == (0x80, STDBY)

    @pytest.mark.parametrize("symbols", [0, 3])
    def test_a_time_out_below_4_symbols_is_refused(self, bench, symbols):
        with pytest.raises(ForbiddenUse, match="4 to 1023"):
            self.listen(bench, symbols=symbols)

    def test_a_preamble_stops_the_time_out(self, bench):
        self.listen(bench, symbols=6)
        bench.downlink(bench.schedule.now_us, bytes(40))
        bench.pass_us(200_000)
        assert bench.read(0x12) == 0x50

    @pytest.mark.parametrize("crc_on", [True, False])
    def test_a_spoilt_payload_is_told_only_where_there_is_a_check_sum(self, bench, crc_on):
        self.listen(bench)
        frame = bench.downlink(bench.schedule.now_us + 1_000, bytes(40), crc_on=crc_on).frame
        bench.air.transmit(on_air(frame.header_end_us + 500, b"rival", "far", FREQ, 7, iq_inverted=True, crc_on=False))
        bench.pass_us(200_000)
        assert bench.read(0x12) == (0x70 if crc_on else 0x50)
        assert bench.read(0x1C) & 0x40 == (0x40 if crc_on else 0)

    def test_after_a_spoilt_header_it_searches_on_until_its_time_out(self, bench):
        self.listen(bench, symbols=20)
        start_us = bench.schedule.now_us + 1_000
        bench.downlink(start_us)
        bench.air.transmit(on_air(start_us + 10_000, b"rival", "far", FREQ, 7, iq_inverted=True, crc_on=False))
        bench.pass_us(30_000)
        assert (bench.read(0x12), bench.read(0x01)) == (0, RX_SINGLE)
        bench.pass_us(100_000)
        assert bench.read(0x12) == 0x80

    def test_continuous_reception_goes_on_and_fills_the_fifo_behind(self, bench):
        self.listen(bench, RX_CONTINUOUS)
        for payload, at in ((b"one", 0), (b"two!", 3)):
            bench.downlink(bench.schedule.now_us + 1_000, payload)
            bench.pass_us(100_000)
            assert (bench.read(0x12), bench.read(0x10), bench.read(0x13)) == (0x50, at, len(payload))
            bench.write(0x12, 0xFF)
        assert bench.read(0x01) == RX_CONTINUOUS

    def test_masked_interrupts_are_not_seen(self, bench):
        bench.set_up(inverted=True)
        bench.write(0x11, 0xBF)
        bench.mode(RX_SINGLE)
        bench.downlink(bench.schedule.now_us + 1_000)
        bench.pass_us(100_000)
        assert bench.read(0x12) == 0x40

    def test_a_broken_interrupt_line_stays_low(self, bench):
        bench.radio.fail("lost-dio0")
        self.listen(bench)
        bench.downlink(bench.schedule.now_us + 1_000)
        bench.pass_us(100_000)
        assert (bench.read(0x12), bench.radio.dio0.level) == (0x50, 0)

    def test_activity_detection_sees_a_frame_in_the_air(self, bench):
        bench.set_up(inverted=True)
        bench.mode(CAD)
        bench.pass_us(10_000)
        assert (bench.read(0x12), bench.read(0x01)) == (0x04, STDBY)
        bench.write(0x12, 0xFF)
        bench.downlink(bench.schedule.now_us)
        bench.mode(CAD)
        bench.pass_us(10_000)
        assert bench.read(0x12) == 0x05

    def test_the_level_is_that_of_the_channel_while_receiving_and_nothing_otherwise(self, bench):
        self.listen(bench, RX_CONTINUOUS)
        bench.pass_us(1_000)
        assert bench.read(0x1B) - 157 == -117
        bench.downlink(bench.schedule.now_us, sf=9)
        bench.pass_us(1_000)
        assert bench.read(0x1B) - 157 == -91
        bench.mode(STDBY)
        assert bench.read(0x1B) == 0

    def test_noise_is_random_only_while_receiving(self, bench):
        self.listen(bench, RX_CONTINUOUS)
        assert len({bench.read(0x2C) for _ in range(32)}) > 16
        bench.mode(STDBY)
        assert bench.read(0x2C) == 0

    def test_a_fault_it_does_not_have_is_refused(self, bench):
        with pytest.raises(ValueError, match="stuck-busy"):
            bench.radio.fail("stuck-busy")
