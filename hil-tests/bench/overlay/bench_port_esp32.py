"""What is special about ports/esp32: facts only. A board loads the page of its own microcontroller, `bench_port_<mcu>`.

Sources: MicroPython 1.29 ports/esp32 and ports/rp2 (machine_pin.c, modmachine.c, machine_rtc.c,
machine_wdt.c, mpconfigport.h), their quick references, and measurements where a fact sheet says so.
"""


class Port:
    """ports/esp32 on an ESP32."""

    PLATFORM = "esp32"
    MCU_NAME = "ESP32"
    EPOCH_2000 = True
    PIN = {
        "IN": 1,
        "OUT": 3,
        "OPEN_DRAIN": 7,
        "PULL_DOWN": 1,
        "PULL_UP": 2,
        "IRQ_RISING": 1,
        "IRQ_FALLING": 2,
        "WAKE_LOW": 4,
        "WAKE_HIGH": 5,
        "DRIVE_0": 0,
        "DRIVE_1": 1,
        "DRIVE_2": 2,
        "DRIVE_3": 3,
    }
    PINS = frozenset(list(range(24)) + [25, 26, 27] + list(range(32, 40)))
    INPUT_ONLY = frozenset(range(34, 40))  # ESP32 datasheet, table 1-1
    WAKE_LEVELS = 4
    PIN_NAME = "Pin(%d)"
    LOW_HIGH = False
    I2C_IDS = (0, 1)
    I2C_DEFAULT = 0
    I2C_NAK = 19  # ENODEV
    SPI_IDS = (1, 2)
    SPI = {"CONTROLLER": 0}
    UART_IDS = (0, 1, 2)
    UART = {"INV_TX": 1, "INV_RX": 2, "RTS": 1, "CTS": 2, "IRQ_RX": 1, "IRQ_RXIDLE": 0x1000, "IRQ_BREAK": 2}
    ADC_RANGES_UV = (1_100_000, 1_500_000, 2_200_000, 3_300_000)
    ADC = {"ATTN_0DB": 0, "ATTN_2_5DB": 1, "ATTN_6DB": 2, "ATTN_11DB": 3}
    ADC_ATTEN = True
    RTC_MEMORY = True
    RTC_MICROSECONDS = True
    WDT_MAX_MS = 0x7FFFFFFF
    CAUSES = {"PWRON_RESET": 1, "HARD_RESET": 2, "WDT_RESET": 3, "DEEPSLEEP_RESET": 4, "SOFT_RESET": 5}
    CAUSE_OF = {"PWRON": 1, "HARD": 2, "WDT": 3, "DEEPSLEEP": 4, "SOFT": 5}
    FREQ_HZ = 160_000_000
    MACHINE = (
        "ADC ADCBlock DAC EXT0_WAKE EXT1_WAKE I2C I2S PIN_WAKE PWM Pin RTC SDCard SPI Signal "
        "SoftI2C SoftSPI TIMER_WAKE TOUCHPAD_WAKE Timer TouchPad UART ULP_WAKE WDT bitstream bootloader deepsleep "
        "dht_readinto disable_irq enable_irq freq idle lightsleep mem16 mem32 mem8 reset reset_cause sleep "
        "soft_reset time_pulse_us unique_id wake_reason DEEPSLEEP SLEEP"
    )

    @staticmethod
    def adc_pin(number):
        """Converter input to GPIO."""
        if not 32 <= number <= 39 and number not in (0, 2, 4, 12, 13, 14, 15, 25, 26, 27):
            raise ValueError("invalid pin")
        return number
