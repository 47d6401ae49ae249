import errno

import pytest

from bench.chips.ports import ForbiddenUse, Line, Nak
from bench.schedule import Schedule
from bench.wires import (
    TICKS_PERIOD,
    HostI2C,
    HostOneWire,
    HostPin,
    HostSPI,
    HostTime,
    HostUART,
    OneWireError,
)


class Register:
    """An I2C part of one register file."""

    def __init__(self, address, content=b"\x12\x34"):
        self.address = address
        self.content = content
        self.written = []

    def write(self, data):
        self.written.append(data)

    def read(self, count):
        return self.content[:count]


class Absent(Register):
    def write(self, data):
        raise Nak

    def read(self, count):
        raise Nak


class Echo:
    """An SPI part that answers with the complement."""

    max_spi_hz = 10_000_000

    def __init__(self):
        self.seen = []

    def select(self):
        self.seen.append("select")

    def transfer(self, data):
        self.seen.append(data)
        return bytes(byte ^ 0xFF for byte in data)

    def deselect(self):
        self.seen.append("deselect")


class Line9600:
    baud = 9600

    def __init__(self):
        self.got = b""

    def connect(self, on_bytes):
        self.send = on_bytes

    def receive(self, data):
        self.got += data


@pytest.fixture
def schedule():
    return Schedule()


class TestTime:
    def test_ticks_wrap_at_2_to_the_30_and_differences_go_on(self, schedule):
        time = HostTime(schedule, start_us=(TICKS_PERIOD - 5) * 1000, tick_call_us=0)
        before = time.ticks_ms()
        time.sleep_ms(10)
        after = time.ticks_ms()
        assert before == TICKS_PERIOD - 5
        assert after == 5
        assert time.ticks_diff(after, before) == 10
        assert time.ticks_add(before, 10) == after

    @pytest.mark.parametrize("delta", [TICKS_PERIOD // 2, -TICKS_PERIOD // 2])
    def test_ticks_add_refuses_half_the_period(self, schedule, delta):
        with pytest.raises(OverflowError, match="ticks interval overflow"):
            HostTime(schedule).ticks_add(0, delta)

    def test_asking_for_the_time_takes_time(self, schedule):
        time = HostTime(schedule)
        assert time.ticks_diff(time.ticks_us(), time.ticks_us()) == -5

    def test_events_happen_while_it_sleeps(self, schedule):
        happened = []
        schedule.after(500, lambda: happened.append(schedule.now_us))
        HostTime(schedule).sleep_ms(1)
        assert happened == [500]

    def test_a_clock_that_is_wrong_sleeps_wrong_and_shows_wrong(self, schedule):
        fast = HostTime(schedule, tick_call_us=0, error_ppm=100)  # counts 100 us too many a second
        fast.sleep_ms(10_000)
        assert schedule.now_us == pytest.approx(10_000_000 - 1_000, abs=2)
        assert fast.ticks_ms() == 10_000


class TestPin:
    def test_value_and_call_drive_and_read(self):
        line = Line()
        pin = HostPin(line, HostPin.OUT, value=1)
        assert (line.level, pin()) == (1, 1)
        pin(0)
        assert pin.value() == 0

    def test_edges_call_the_handler_of_their_kind(self):
        line = Line()
        seen = []
        pin = HostPin(line)
        pin.irq(handler=lambda which: seen.append(which.value()), trigger=HostPin.IRQ_FALLING)
        line.set(1)
        line.set(0)
        pin.irq(handler=None)
        line.set(1)
        line.set(0)
        assert seen == [0]


class TestI2C:
    def test_registers_are_addressed_before_they_are_read(self, schedule):
        part = Register(0x48)
        bus = HostI2C(schedule, [part])
        assert bus.readfrom_mem(0x48, 1, 2) == b"\x12\x34"
        bus.writeto_mem(0x48, 2, b"\xab")
        assert part.written == [b"\x01", b"\x02\xab"]

    def test_nobody_at_an_address_is_enodev(self, schedule):
        bus = HostI2C(schedule, [Absent(0x44)])
        for address in (0x44, 0x45):
            with pytest.raises(OSError, match=str(errno.ENODEV)):
                bus.readfrom(address, 1)

    def test_scan_finds_those_who_acknowledge(self, schedule):
        assert HostI2C(schedule, [Register(0x44), Register(0x48), Absent(0x50)]).scan() == [0x44, 0x48]

    def test_two_parts_on_one_address_pull_the_line_together(self, schedule):
        bus = HostI2C(schedule, [Register(0x44, b"\xf0\x0f"), Register(0x44, b"\x3c\xff")])
        assert bus.readfrom(0x44, 2) == b"\x30\x0f"

    def test_a_transfer_takes_its_bits(self, schedule):
        HostI2C(schedule, [Register(0x44)], freq=100_000).readfrom(0x44, 2)
        assert schedule.now_us == (9 + 1) * 10 + (18 + 1) * 10


class TestSPI:
    def test_chip_select_frames_a_transfer(self, schedule):
        part = Echo()
        spi = HostSPI(schedule, 1_000_000)
        cs = spi.attach(part)
        answer = bytearray(2)
        cs(0)
        spi.write_readinto(b"\x01\x02", answer)
        cs(1)
        assert part.seen == ["select", b"\x01\x02", "deselect"]
        assert answer == b"\xfe\xfd"
        assert schedule.now_us == 16

    def test_nobody_selected_reads_high(self, schedule):
        spi = HostSPI(schedule)
        spi.attach(Echo())
        assert spi.read(2) == b"\xff\xff"

    def test_two_selected_at_once_is_forbidden(self, schedule):
        spi = HostSPI(schedule)
        for part in (Echo(), Echo()):
            spi.attach(part)(0)
        with pytest.raises(ForbiddenUse, match="two chips"):
            spi.write(b"\x00")

    def test_faster_than_the_part_is_forbidden(self, schedule):
        spi = HostSPI(schedule, 20_000_000)
        spi.attach(Echo())(0)
        with pytest.raises(ForbiddenUse, match="10000000"):
            spi.write(b"\x00")


class TestUART:
    def test_a_full_fifo_loses_what_comes(self, schedule):
        part = Line9600()
        uart = HostUART(schedule, part, 9600, rxbuf=4)
        part.send(b"abcdef")
        assert (uart.any(), uart.lost) == (4, 2)
        assert uart.read(2) == b"ab"
        buffer = bytearray(8)
        assert uart.readinto(buffer) == 2
        assert buffer[:2] == b"cd"
        assert uart.read() is None

    def test_a_wrong_rate_reads_garbage(self, schedule):
        part = Line9600()
        uart = HostUART(schedule, part, 115_200)
        part.send(b"abc")
        assert uart.read() != b"abc"

    def test_writing_takes_ten_bits_a_byte(self, schedule):
        part = Line9600()
        HostUART(schedule, part, 9600).write(b"\x55" * 96)
        assert part.got == b"\x55" * 96
        assert schedule.now_us == 100_000


class TestOneWire:
    def test_an_empty_line_has_no_presence(self, schedule):
        line = HostOneWire(schedule, [])
        assert line.reset() is False
        assert line.scan() == []
        with pytest.raises(OneWireError):
            line.reset(True)
