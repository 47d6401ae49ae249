"""The radio model against its data sheet, spoken to byte by byte."""

import pytest

from bench.air.transmission import on_air
from bench.chips.ports import ForbiddenUse, Line
from bench.chips.sx1262 import SX1262
from bench.chips.sx1262.modem import encode_symbol_timeout, frequency_hz, output_dbm, symbol_timeout
from tests.bench.chips.chip_bench import FREQ, ChipBench


class Bench(ChipBench):
    def __init__(self, **settings):
        super().__init__(SX1262, **settings)

    def wait_ready(self):
        for _ in range(20_000):
            if not self.radio.busy.level:
                return
            self.pass_us(1)
        raise AssertionError("BUSY stays high")

    def command(self, hex_bytes):
        self.wait_ready()
        return self.raw(hex_bytes)

    def irq(self):
        return int.from_bytes(self.command("12 00 0000")[2:], "big")

    def errors(self):
        return int.from_bytes(self.command("17 00 0000")[2:], "big")

    def set_up(self, sf=7, size=13, iq_inverted=False, tcxo=False):
        if tcxo:
            self.command("97 02 000140")  # 1.8 V, 5 ms
            self.command("07 0000")
            self.command("89 7f")
        self.command("8a 01")
        self.command("9d 01")
        self.command(f"86 {(FREQ << 25) // 32_000_000:08x}")
        self.command("95 04 07 00 01")
        self.command("8e 0e 04")
        self.command(f"8b {sf:02x} 04 01 {int(sf > 10):02x}")
        self.command(f"8c 0008 00 {size:02x} {int(not iq_inverted):02x} {int(iq_inverted):02x}")
        self.command("0d 0736 09" if iq_inverted else "0d 0736 0d")
        self.command("0d 0740 34 44")
        self.command("8f 00 80")
        self.command("08 03ff 03ff 0000 0000")


@pytest.fixture
def bench():
    return Bench()


class TestStart:
    def test_busy_is_high_until_the_chip_has_started(self, bench):
        assert bench.radio.busy.level == 1
        bench.pass_us(3_499)
        assert bench.radio.busy.level == 1
        bench.pass_us(1)
        assert bench.radio.busy.level == 0
        assert bench.command("c0 00")[1] >> 4 == 2  # STDBY_RC

    def test_a_command_while_busy_is_forbidden(self, bench):
        with pytest.raises(ForbiddenUse, match="BUSY"):
            bench.raw("8a 01")

    def test_reset_needs_100_us_and_forgets_everything(self, bench):
        bench.set_up()
        bench.radio.reset.set(0)
        bench.pass_us(100)
        bench.radio.reset.set(1)
        assert bench.command("11 00 00")[2] == 0
        assert bench.command("1d 0740 00 0000")[4:] == b"\x14\x24"

        bench.radio.reset.set(0)
        bench.pass_us(50)
        with pytest.raises(ForbiddenUse, match="NRESET"):
            bench.radio.reset.set(1)

    def test_spi_above_16_mhz_is_forbidden(self, bench):
        bench.wait_ready()
        bench.spi.init(baudrate=20_000_000)
        with pytest.raises(ForbiddenUse, match="16000000"):
            bench.raw("c0 00")

    def test_without_power_miso_floats_high(self, bench):
        bench.radio.set_power(False)
        assert bench.raw("c0 00") == b"\xff\xff"

    @pytest.mark.parametrize("command", ["8b 07 04 01 00", "8c 0008 00 0d 01 00", "83 000000", "82 000000", "a0 08"])
    def test_packet_type_has_to_be_set_first(self, bench, command):
        with pytest.raises(ForbiddenUse, match="SetPacketType"):
            bench.command(command)

    def test_unknown_command_and_wrong_length_are_forbidden(self, bench):
        with pytest.raises(ForbiddenUse, match="no command"):
            bench.command("55 00")
        with pytest.raises(ForbiddenUse, match="argument bytes"):
            bench.command("86 00")


class TestOscillator:
    def test_a_board_with_tcxo_starts_with_the_error_0x20_and_can_clear_it(self):
        bench = Bench(tcxo_mv=1800)
        assert bench.errors() & 0x20
        bench.command("97 02 000140")
        bench.command("07 0000")
        bench.command("89 7f")
        assert bench.errors() == 0
        bench.command("80 01")
        assert bench.errors() == 0
        assert bench.command("c0 00")[1] >> 4 == 3

    @pytest.mark.parametrize(
        ("tcxo_mv", "configure"),
        [(1800, None), (1800, "97 00 000140"), (1800, "97 02 000010"), (None, "97 02 000140")],
        ids=["not configured", "voltage too low", "start-up time too short", "crystal taken for a TCXO"],
    )
    def test_wrong_tcxo_settings_give_0x20_and_no_transmission(self, tcxo_mv, configure):
        bench = Bench(tcxo_mv=tcxo_mv)
        if configure:
            bench.command(configure)
        bench.command("07 0000")
        bench.set_up()
        bench.command("83 000000")
        bench.pass_us(200_000)

        assert bench.errors() & 0x20
        assert bench.ear.heard == []

    def test_the_tcxo_delay_is_paid_at_every_start_from_stdby_rc(self):
        bench = Bench(tcxo_mv=1800)
        bench.set_up(tcxo=True)
        bench.wait_ready()
        start_us = bench.schedule.now_us
        bench.raw("83 000000")
        bench.wait_ready()
        assert bench.schedule.now_us - start_us == pytest.approx(5_000 + 126 + 200, abs=10)


class TestTransmit:
    def test_a_frame_goes_out_with_its_airtime_and_raises_tx_done(self, bench):
        bench.set_up(size=13)
        bench.command("0e 00" + b"hello, world!".hex())
        bench.wait_ready()
        start_us = bench.schedule.now_us
        bench.raw("83 000000")
        done = []
        bench.radio.dio1.watch(lambda level: done.append((bench.schedule.now_us, level)))
        bench.pass_us(100_000)

        frame = bench.ear.heard[0].frame
        assert frame.payload == b"hello, world!"
        assert frame.freq_hz == pytest.approx(FREQ, abs=1)  # a step is 0.95 Hz
        assert (frame.sf, frame.sync_word, frame.crc_on) == (7, 0x34, True)
        assert frame.end_us - frame.start_us == 46_336  # 46.3 ms in the facts for 13 bytes at SF7
        assert frame.start_us - start_us == pytest.approx(126 + 200, abs=6)
        assert done == [(frame.end_us, 1)]
        assert bench.irq() == 0x0001
        assert bench.command("c0 00")[1] >> 4 == 2
        bench.command("02 0001")
        assert bench.radio.dio1.level == 0

    def test_power_is_that_of_the_table_and_the_antenna(self):
        bench = Bench(antenna_gain_dbi_x10=22)
        bench.set_up()
        bench.command("95 02 02 00 01")
        bench.command("8e 16 04")
        bench.command("83 000000")
        bench.pass_us(100_000)
        assert bench.ear.heard[0].frame.power_dbm == pytest.approx(14 + 2.2)

    @pytest.mark.parametrize("pa_config", ["95 07 07 00 01", "95 04 07 01 01", "95 04 07 00 00", "95 04 03 00 01"])
    def test_pa_settings_outside_the_table_are_forbidden(self, bench, pa_config):
        with pytest.raises(ForbiddenUse):
            bench.command(pa_config)

    def test_a_time_out_shorter_than_the_frame_ends_it(self, bench):
        bench.set_up()
        bench.command("83 000400")  # 16 ms
        bench.pass_us(100_000)
        assert bench.irq() == 0x0200
        assert bench.ear.heard[0].crc_ok is False

    def test_missing_settings_are_named(self, bench):
        bench.command("8a 01")
        with pytest.raises(ForbiddenUse, match="SetRfFrequency"):
            bench.command("83 000000")

    def test_inverted_iq_needs_the_remedy_of_the_errata(self, bench):
        bench.set_up()
        bench.command("8c 0008 00 0d 01 01")
        with pytest.raises(ForbiddenUse, match=r"15\.4"):
            bench.command("83 000000")

    def test_without_its_antenna_switch_it_is_mute(self):
        rf_power = Line(0)
        bench = Bench(rf_power=rf_power)
        bench.set_up()
        bench.command("83 000000")
        bench.pass_us(100_000)
        assert bench.ear.heard == []
        rf_power.set(1)
        bench.command("83 000000")
        bench.pass_us(100_000)
        assert len(bench.ear.heard) == 1

    def test_a_power_cut_in_the_middle_breaks_the_frame_off(self, bench):
        bench.set_up()
        bench.command("83 000000")
        bench.pass_us(20_000)
        bench.radio.set_power(False)
        bench.pass_us(100_000)
        assert bench.ear.heard[0].crc_ok is False
        assert bench.air.records[0].unheard == {"ear": "its sender stopped in the middle of it"}

    def test_settings_cannot_be_changed_while_it_sends(self, bench):
        bench.set_up()
        bench.command("83 000000")
        with pytest.raises(ForbiddenUse, match="in TX"):
            bench.command("86 36419999")

    def test_unrepaired_errata_are_remarked(self, bench):
        bench.set_up()
        bench.command("83 000000")
        assert {remark[:4] for remark in bench.radio.remarks} == {"15.1", "15.2"}
        other = Bench()
        other.set_up()
        other.command("0d 0889 05")
        other.command("0d 08d8 de")
        other.command("83 000000")
        assert other.radio.remarks == set()


@pytest.mark.parametrize(
    ("setting", "power", "dbm"), [("06 00 01 01", 14, 15), ("04 00 01 01", 14, 14), ("01 00 01 01", 13, 10)]
)
def test_an_sx1261_has_three_maxima(setting, power, dbm):
    assert output_dbm(bytes.fromhex(setting), power, low_power=True) == dbm
    assert output_dbm(bytes.fromhex(setting), power - 20, low_power=True) == dbm - 20


@pytest.mark.parametrize(
    ("setting", "power"), [("07 00 01 01", 14), ("04 01 01 01", 14), ("04 00 01 01", 15), ("04 00 01 01", -18)]
)
def test_what_an_sx1261_cannot_do_is_forbidden(setting, power):
    with pytest.raises(ForbiddenUse, match="SX1261"):
        output_dbm(bytes.fromhex(setting), power, low_power=True)


class TestReceive:
    def listen(self, bench, arguments="000000", sf=7):
        bench.set_up(sf=sf, size=255, iq_inverted=True)
        bench.command(f"82 {arguments}")
        bench.wait_ready()

    def test_a_downlink_in_an_open_window_arrives(self, bench):
        self.listen(bench)
        bench.downlink(bench.schedule.now_us + 1_000, b"answer")
        bench.pass_us(100_000)

        assert bench.irq() == 0x0016  # RxDone, PreambleDetected, HeaderValid
        status, size, pointer = bench.command("13 00 0000")[1:]
        assert status >> 4 == 2
        assert (size, pointer) == (6, 0x80)
        assert bench.command("1e 80 00" + "00" * 6)[3:] == b"answer"
        rssi, snr, _ = bench.command("14 00 000000")[2:]
        assert rssi == 2 * 91  # 14 dBm - 105 dB
        assert snr == 13 * 4

    def test_the_timer_counts_steps_of_15_625_us(self, bench):
        self.listen(bench, "000640")  # 1600 steps = 25 ms
        start_us = bench.schedule.now_us
        fell = []
        bench.radio.dio1.watch(lambda level: fell.append(bench.schedule.now_us - start_us))
        bench.pass_us(100_000)
        assert fell == [25_000]
        assert bench.irq() == 0x0200
        assert bench.command("c0 00")[1] >> 4 == 2

    def test_the_timer_stops_at_the_header_unless_told_to_stop_at_the_preamble(self, bench):
        # At SF7 five symbols lock after 5.1 ms, the header ends after 20.7 ms.
        self.listen(bench, "000280")  # 10 ms
        bench.downlink(bench.schedule.now_us)
        bench.pass_us(100_000)
        assert bench.irq() & 0x0202 == 0x0200

        bench.command("9f 01")
        bench.command("02 03ff")
        bench.command("82 000280")
        bench.wait_ready()
        bench.downlink(bench.schedule.now_us)
        bench.pass_us(100_000)
        assert bench.irq() & 0x0202 == 0x0002

    def test_symbol_time_out(self, bench):
        bench.set_up(size=255, iq_inverted=True)
        bench.command("a0 08")
        bench.command("82 000000")
        bench.wait_ready()
        start_us = bench.schedule.now_us
        ended = []
        bench.radio.dio1.watch(lambda level: ended.append(bench.schedule.now_us - start_us))
        bench.pass_us(100_000)
        assert ended == [8 * 1024]

    @pytest.mark.parametrize(("asked", "got"), [(0, 0), (6, 6), (8, 8), (62, 62), (63, 64), (100, 36)])
    def test_symbol_time_outs_above_63_do_not_fit_the_command(self, asked, got):
        assert symbol_timeout(encode_symbol_timeout(asked)) == got

    def test_large_symbol_time_outs_go_through_the_register(self):
        # 100 symbols: mantissa 13, exponent 1 -> 13 * 8 = 104
        assert symbol_timeout(13 << 3 | 1) == 104

    def test_continuous_reception_goes_on_and_fills_the_buffer_behind(self, bench):
        self.listen(bench, "ffffff")
        bench.downlink(bench.schedule.now_us + 1_000, b"one")
        bench.pass_us(100_000)
        assert bench.command("13 00 0000")[2:] == b"\x03\x80"
        bench.downlink(bench.schedule.now_us + 1_000, b"two!")
        bench.pass_us(100_000)
        assert bench.command("13 00 0000")[2:] == b"\x04\x83"
        assert bench.command("c0 00")[1] >> 4 == 5

    def test_the_irq_mask_decides_what_is_seen(self, bench):
        self.listen(bench)
        bench.command("08 0002 0002 0000 0000")
        bench.downlink(bench.schedule.now_us + 1_000)
        bench.pass_us(100_000)
        assert bench.irq() == 0x0002
        assert bench.radio.dio1.level == 1

    def test_a_broken_interrupt_line_stays_low(self, bench):
        bench.radio.fail("lost-dio1")
        self.listen(bench)
        bench.downlink(bench.schedule.now_us + 1_000)
        bench.pass_us(100_000)
        assert bench.radio.dio1.level == 0
        assert bench.irq() & 0x0002

    def test_a_spoilt_header_ends_single_reception_with_its_own_interrupt(self, bench):
        self.listen(bench)
        start_us = bench.schedule.now_us + 1_000
        bench.downlink(start_us)
        bench.air.transmit(on_air(start_us + 10_000, b"rival", "far", FREQ, 7, iq_inverted=True, crc_on=False))
        bench.pass_us(100_000)
        assert bench.irq() == 0x0024  # PreambleDetected, HeaderErr
        assert bench.command("c0 00")[1] >> 4 == 2
        assert bench.command("10 00 000000000000")[6:] == b"\x00\x01"

    def test_random_numbers_come_only_while_receiving(self, bench):
        assert bench.command("1d 0819 00 00000000")[4:] == bytes(4)
        self.listen(bench, "ffffff")
        numbers = {bench.command("1d 0819 00 00000000")[4:] for _ in range(8)}
        assert len(numbers) == 8

    def test_activity_detection_sees_a_frame_in_the_air(self, bench):
        bench.set_up(size=255, iq_inverted=True)
        bench.command("88 01 16 0a 00 000000")
        bench.command("c5")
        bench.pass_us(10_000)
        assert bench.irq() == 0x0080
        bench.command("02 03ff")
        bench.downlink(bench.schedule.now_us)
        bench.command("c5")
        bench.pass_us(10_000)
        assert bench.irq() == 0x0180

    def test_activity_detection_takes_the_symbols_it_was_told_and_half_a_one(self, bench):
        bench.set_up(sf=9)
        for code, symbols in ((0, 1), (2, 4), (4, 16)):
            bench.command(f"88 {code:02x} 17 0a 00 000000")
            bench.command("02 03ff")
            bench.command("c5")
            bench.pass_us((2 * symbols + 1) * 2_048)
            assert bench.irq() == 0
            bench.pass_us(200)
            assert bench.irq() == 0x0080

    def test_activity_detection_without_parameters_is_forbidden(self, bench):
        bench.set_up()
        with pytest.raises(ForbiddenUse, match="SetCadParams"):
            bench.command("c5")

    @pytest.mark.parametrize("parameters", ["05 16 0a 00", "01 0a 16 00", "01 16 00 00", "01 16 0a 10"])
    def test_parameters_that_the_tables_do_not_have_are_forbidden(self, bench, parameters):
        bench.set_up()
        with pytest.raises(ForbiddenUse, match="cad"):
            bench.command(f"88 {parameters} 000000")

    def test_the_level_is_that_of_the_channel_while_receiving_and_nothing_otherwise(self, bench):
        bench.set_up(size=255, iq_inverted=True)
        assert bench.command("15 00 00")[2] == 0xFF
        bench.command("82 ffffff")
        bench.wait_ready()
        assert bench.command("15 00 00")[2] == 2 * 117  # thermal noise in 125 kHz, and 6 dB of the receiver
        bench.downlink(bench.schedule.now_us)
        bench.downlink(bench.schedule.now_us, freq_hz=FREQ + 600_000, power_dbm=30.0)
        bench.pass_us(1_000)
        assert bench.command("15 00 00")[2] == 2 * 91  # 14 dBm - 105 dB; the other channel is not heard
        bench.pass_us(100_000)
        assert bench.command("15 00 00")[2] == 2 * 117


class TestSleep:
    def test_warm_sleep_keeps_settings_and_loses_the_buffer(self, bench):
        bench.set_up()
        bench.command("0e 00 aabb")
        bench.command("84 04")
        assert bench.radio.busy.level == 1
        bench.pass_us(10_000)
        bench.cs(0)
        bench.cs(1)
        bench.wait_ready()
        assert bench.command("11 00 00")[2] == 1
        assert bench.command("1e 00 00 0000")[3:] == bytes(2)

    def test_cold_sleep_forgets_everything(self, bench):
        bench.set_up()
        bench.command("84 00")
        bench.pass_us(10_000)
        bench.raw("c0 00")
        assert bench.command("11 00 00")[2] == 0

    def test_a_command_to_a_sleeping_chip_is_forbidden(self, bench):
        bench.set_up()
        bench.command("84 04")
        bench.pass_us(10_000)
        with pytest.raises(ForbiddenUse, match="in sleep"):
            bench.raw("83 000000")

    def test_waking_too_soon_is_forbidden(self, bench):
        bench.command("84 04")
        with pytest.raises(ForbiddenUse, match="500 us"):
            bench.raw("c0 00")

    def test_sleep_is_reached_from_standby_only(self, bench):
        bench.set_up(iq_inverted=True)
        bench.command("82 ffffff")
        with pytest.raises(ForbiddenUse, match="SetSleep in RX"):
            bench.command("84 04")


class TestFaults:
    def test_stuck_busy_and_dead_spi(self, bench):
        bench.wait_ready()
        bench.radio.fail("stuck-busy")
        bench.raw("8a 01")
        bench.pass_us(1_000_000)
        assert bench.radio.busy.level == 1
        bench.radio.heal()
        bench.radio.fail("bus")
        assert bench.raw("c0 00") == b"\xff\xff"


def test_frequency_register_is_32_mhz_over_2_to_the_25():
    assert frequency_hz(bytes.fromhex("36419999")) == pytest.approx(868_100_000, abs=1)
