"""What is special about ports/rp2: facts only. A board loads the page of its own microcontroller, `bench_port_<mcu>`.

Sources: MicroPython 1.29 ports/esp32 and ports/rp2 (machine_pin.c, modmachine.c, machine_rtc.c,
machine_wdt.c, mpconfigport.h), their quick references, and measurements where a fact sheet says so.
"""


class Port:
    """ports/rp2 on an RP2040."""

    PLATFORM = "rp2"
    MCU_NAME = "RP2040"
    EPOCH_2000 = False
    PIN = {
        "IN": 0,
        "OUT": 1,
        "OPEN_DRAIN": 2,
        "ALT": 3,
        "ANALOG": 4,
        "PULL_UP": 1,
        "PULL_DOWN": 2,
        "IRQ_RISING": 8,
        "IRQ_FALLING": 4,
    }
    PINS = frozenset(range(30))
    INPUT_ONLY = frozenset()
    WAKE_LEVELS = 0
    PIN_NAME = "Pin(GPIO%d)"
    LOW_HIGH = True
    I2C_IDS = (0, 1)
    I2C_DEFAULT = 0
    I2C_NAK = 110  # ETIMEDOUT on the hardware bus, measured
    SPI_IDS = (0, 1)
    SPI = {}
    UART_IDS = (0, 1)
    UART = {"INV_TX": 1, "INV_RX": 2, "RTS": 2, "CTS": 1, "IRQ_RXIDLE": 0x40, "IRQ_TXIDLE": 0x20, "IRQ_BREAK": 0x200}
    ADC_RANGES_UV = (3_300_000,)
    ADC = {}  # one range, no attenuators
    ADC_ATTEN = False
    RTC_MEMORY = False
    RTC_MICROSECONDS = False
    WDT_MAX_MS = 8388  # 0x7FFFFF us
    CAUSES = {"PWRON_RESET": 1, "WDT_RESET": 3}
    # machine.reset() and the end of deep sleep go through the watchdog; a soft reset changes nothing.
    CAUSE_OF = {"PWRON": 1, "HARD": 3, "WDT": 3, "DEEPSLEEP": 3}
    FREQ_HZ = 125_000_000
    MACHINE = (
        "ADC I2C I2S PWM Pin RTC SPI Signal SoftI2C SoftSPI Timer UART USBDevice WDT bitstream "
        "bootloader deepsleep dht_readinto disable_irq enable_irq freq idle lightsleep mem16 mem32 mem8 reset "
        "reset_cause soft_reset time_pulse_us unique_id"
    )

    @staticmethod
    def adc_pin(number):
        """Converter input to GPIO: ADC(0) is GPIO 26."""
        if number < 4:
            number += 26
        if not 26 <= number <= 29:
            raise ValueError("Pin doesn't have ADC capabilities")
        return number
