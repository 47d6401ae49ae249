"""What a program does to pins and buses arrives at the parts on the harness, and their answers come back."""

from __future__ import annotations

from typing import Any

import pytest

from bench.boards import Bench, Harness
from bench.chips.ports import Line
from tests.bench.boards.peers import Echo, Inverter, Registers, RomOnly, printed

ROMS = [bytes.fromhex("28ff641e8216038a"), bytes.fromhex("28ff641e82160311"), bytes.fromhex("1000000000000031")]
SCRATCH_25_0625 = bytes.fromhex("91014b467fff0f1025")  # DS18B20 datasheet: 0x0191 is 25.0625 degrees


def test_i2c_carries_writes_reads_and_refusals(run_program: Any) -> None:
    chip = Registers()
    board = run_program(
        """
        from machine import I2C, Pin
        i2c = I2C(0, scl=Pin(5), sda=Pin(4), freq=100000)
        print(i2c.scan())
        i2c.writeto_mem(0x50, 0x10, b"abc")
        print(i2c.readfrom_mem(0x50, 0x0f, 5))
        i2c.writeto(0x50, b"\\x20", False)
        print(i2c.readfrom(0x50, 2))
        try:
            i2c.readfrom(0x51, 1)
        except OSError as error:
            print(error.errno)
        """,
        Harness(i2c={0: [chip]}),
    )

    assert printed(board) == ["[80]", "b'\\x0fabc\\x13'", "b' !'", "19"]
    assert chip.cells[0x10:0x13] == b"abc"


def test_the_rp2_port_answers_a_missing_chip_with_etimedout(run_program: Any) -> None:
    board = run_program(
        """
        from machine import I2C
        try:
            I2C(1).readfrom(0x51, 1)
        except OSError as error:
            print(error.errno)
        """,
        board="rak11310",
    )

    assert printed(board) == ["110"]


def test_an_i2c_transfer_takes_its_bus_time(run_program: Any) -> None:
    board = run_program(
        """
        from machine import I2C
        import time
        i2c = I2C(0, freq=100000)
        start = time.ticks_us()
        i2c.readfrom(0x50, 100)
        print(9000 < time.ticks_diff(time.ticks_us(), start) < 9500)
        """,
        Harness(i2c={0: [Registers()]}),
    )

    assert printed(board) == ["True"]


def test_spi_reaches_only_the_chip_that_is_selected(run_program: Any) -> None:
    near, far = Inverter(), Inverter()
    board = run_program(
        """
        from machine import SPI, Pin
        spi = SPI(1, 8000000, sck=Pin(33), mosi=Pin(25), miso=Pin(35))
        near, far = Pin(32, Pin.OUT, value=1), Pin(2, Pin.OUT, value=1)
        answer = bytearray(3)
        near(0)
        spi.write(b"\\x01")
        spi.write_readinto(b"\\x02\\x03\\x04", answer)
        near(1)
        far(0)
        print(answer, spi.read(2, 0x0f))
        far(1)
        print(spi.read(1))
        """,
        Harness(spi={(1, 32): near, (1, 2): far}),
    )

    assert printed(board) == ["bytearray(b'\\xfd\\xfc\\xfb') b'\\xf0\\xf0'", "b'\\xff'"]
    assert near.commands == [b"\x01\x02\x03\x04"]
    assert far.commands == [b"\x0f\x0f"]


def test_uart_bytes_take_their_time_and_wake_a_read(bench: Bench, run_program: Any) -> None:
    device = Echo(lambda answer: bench.schedule.after(50_000, answer) and None)
    board = run_program(
        """
        from machine import UART
        import time
        uart = UART(1, 9600, tx=21, rx=19, timeout=200)
        start = time.ticks_ms()
        uart.write(b"hello")
        print(uart.read(5), time.ticks_diff(time.ticks_ms(), start))
        print(uart.read(1), time.ticks_diff(time.ticks_ms(), start))
        """,
        Harness(uart={1: device}),
    )

    assert printed(board) == ["b'hello' 55", "None 255"]


def test_a_wrong_baud_rate_gives_rubbish(bench: Bench, run_program: Any) -> None:
    device = Echo(lambda answer: bench.schedule.after(1000, answer) and None)
    board = run_program(
        """
        from machine import UART
        uart = UART(1, 115200, timeout=200)
        uart.write(b"hello")
        print(uart.read(5) == b"hello")
        """,
        Harness(uart={1: device}),
    )

    assert printed(board) == ["False"]
    assert device.heard != b"hello"


def test_adc_gives_the_voltage_of_the_moment(run_program: Any) -> None:
    board = run_program(
        """
        from machine import ADC
        import time
        adc = ADC(36)
        print(adc.read_uv())
        time.sleep(1)
        print(adc.read_uv(), adc.read_u16(), adc.read())
        """,
        Harness(adc={36: lambda us: 1_650_000 if us > 1_000_000 else 500_000}),
    )

    assert printed(board) == ["500000", "1650000 32759 2047"]


def test_a_1wire_line_is_searched_addressed_and_read(run_program: Any) -> None:
    devices = [RomOnly(rom, SCRATCH_25_0625) for rom in ROMS]
    board = run_program(
        """
        import onewire, ds18x20
        from machine import Pin
        wire = onewire.OneWire(Pin(14))
        bus = ds18x20.DS18X20(wire)
        print([bytes(rom).hex() for rom in bus.scan()])
        bus.convert_temp()
        print(bus.read_temp(bytes.fromhex("28ff641e8216038a")))
        try:
            bus.read_temp(bytes.fromhex("28ff641e82160399"))
        except Exception as error:
            print(error)
        """,
        Harness(onewire={14: devices}),
    )

    found, temperature, failure = printed(board)
    assert sorted(eval(found)) == sorted(rom.hex() for rom in ROMS)
    assert temperature == "25.0625"
    assert failure == "CRC error"


def test_an_empty_1wire_line_is_noticed_as_by_the_stock_module(run_program: Any) -> None:
    board = run_program(
        """
        import onewire, ds18x20
        from machine import Pin
        bus = ds18x20.DS18X20(onewire.OneWire(Pin(14)))
        print(bus.scan())
        try:
            bus.convert_temp()
        except onewire.OneWireError:
            print("nobody")
        """
    )

    assert printed(board) == ["[]", "nobody"]


def test_pins_drive_wires_and_read_them(run_program: Any) -> None:
    lamp, switch = Line(0), Line(1)
    changes: list[int] = []
    lamp.watch(changes.append)
    board = run_program(
        """
        from machine import Pin, Signal
        lamp = Pin(27, Pin.OUT)
        lamp.on(); lamp.off(); lamp.toggle()
        print(lamp(), Pin(12, Pin.IN)(), Pin(15, Pin.IN, Pin.PULL_UP)(), Signal(lamp, invert=True).value())
        print(Pin(27) is lamp, lamp)
        """,
        Harness(outputs={27: lamp}, inputs={12: switch}),
    )

    assert printed(board) == ["1 1 1 0", "True Pin(27)"]
    assert changes == [1, 0, 1]
    board.reset()
    assert changes == [1, 0, 1, 0]


def test_an_edge_interrupts_a_sleep_at_its_moment(bench: Bench, run_program: Any) -> None:
    wire = Line(0)
    bench.schedule.at(5_000_000, lambda: wire.set(1))
    bench.schedule.at(5_000_250, lambda: wire.set(0))
    board = run_program(
        """
        from machine import Pin
        import time
        seen = []
        pin = Pin(12, Pin.IN)
        pin.irq(lambda pin: seen.append(time.ticks_ms()), Pin.IRQ_RISING)
        time.sleep(10)
        print(seen, time.ticks_ms() // 1000)
        """,
        Harness(inputs={12: wire}),
    )

    assert printed(board) == ["[5000] 10"]


def test_an_exception_in_an_interrupt_handler_is_printed_and_the_program_goes_on(
    bench: Bench, run_program: Any
) -> None:
    wire = Line(0)
    bench.schedule.at(5_000_000, lambda: wire.set(1))
    board = run_program(
        """
        from machine import Pin
        import time
        Pin(12, Pin.IN).irq(lambda pin: 1 // 0)
        time.sleep(10)
        """,
        Harness(inputs={12: wire}),
    )

    assert "ZeroDivisionError" in board.console


def test_a_pulse_is_measured_in_bench_time(bench: Bench, run_program: Any) -> None:
    wire = Line(0)
    bench.schedule.at(2_000_000, lambda: wire.set(1))
    bench.schedule.at(2_005_830, lambda: wire.set(0))
    board = run_program(
        """
        from machine import Pin, time_pulse_us
        pin = Pin(12, Pin.IN)
        print(time_pulse_us(pin, 1, 5000000), time_pulse_us(pin, 1, 1000), time_pulse_us(pin, 0, 1000))
        """,
        Harness(inputs={12: wire}),
    )

    assert printed(board) == ["5830 -2 -1"]


def test_timers_fire_once_or_again_and_again(run_program: Any) -> None:
    board = run_program(
        """
        from machine import Timer
        import time
        ticks = []
        again = Timer(0, mode=Timer.PERIODIC, period=100, callback=lambda timer: ticks.append(1))
        Timer(-1, mode=Timer.ONE_SHOT, period=50, callback=lambda timer: ticks.append(0))
        time.sleep_ms(420)
        again.deinit()
        time.sleep_ms(500)
        print(ticks)
        """
    )

    assert printed(board) == ["[0, 1, 1, 1, 1]"]


def test_pwm_tells_its_listener(run_program: Any) -> None:
    heard: list[tuple[int, int]] = []
    run_program(
        """
        from machine import Pin, PWM
        lamp = PWM(Pin(27), freq=1000, duty_u16=32768)
        lamp.duty_u16(0)
        """,
        Harness(pwm={27: lambda hertz, duty: heard.append((hertz, duty))}),
    )

    assert heard == [(1000, 32768), (1000, 0)]


def test_waiting_for_busy_costs_few_messages(bench: Bench, run_program: Any) -> None:
    busy = Line(1)
    bench.schedule.at(3_000_000, lambda: busy.set(0))
    board = run_program(
        """
        from machine import Pin
        import time
        busy = Pin(13, Pin.IN)
        while busy():
            time.sleep_us(10)
        print(time.ticks_us() // 1000)
        """,
        Harness(inputs={13: busy}),
    )

    assert printed(board) == ["3000"]


@pytest.mark.parametrize("board", ["virtual", "rak11200", "rak11310"])
def test_machine_has_the_names_of_its_port(board: str, run_program: Any) -> None:
    expected = {
        "esp32": "ADC I2C PWM Pin RTC SPI SoftI2C SoftSPI Timer TouchPad UART WDT deepsleep lightsleep reset "
        "reset_cause unique_id wake_reason DEEPSLEEP_RESET HARD_RESET PWRON_RESET SOFT_RESET WDT_RESET "
        "EXT0_WAKE TIMER_WAKE time_pulse_us bitstream bootloader disable_irq enable_irq freq idle mem32 Signal",
        "rp2040": "ADC I2C PWM Pin RTC SPI SoftI2C SoftSPI Timer UART WDT deepsleep lightsleep reset reset_cause "
        "unique_id PWRON_RESET WDT_RESET time_pulse_us bitstream bootloader disable_irq enable_irq freq idle "
        "mem32 Signal",
    }
    made = run_program("import machine, sys; print(sys.platform); print(' '.join(dir(machine)))", board=board)

    platform, names = printed(made)
    mcu = "rp2040" if board == "rak11310" else "esp32"
    assert platform == ("rp2" if mcu == "rp2040" else "esp32")
    assert set(expected[mcu].split()) <= set(names.split())
    assert ("DEEPSLEEP_RESET" in names.split()) is (mcu == "esp32")
