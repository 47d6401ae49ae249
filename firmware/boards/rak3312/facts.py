"""Facts of the RAK3312: ESP32-S3 with an SX1262 inside (module RAK3112), WisBlock core on a RAK19007 base.

Pins: WisBlock variant files and Zephyr WisBlock device trees; radio: meshtastic `variants/esp32s3/rak3312`. The battery
divider is that of the base. WB_IO6 is no RTC pin: a RAK12006 cannot wake the board from deep sleep.
"""

NAME = "rak3312"
MCU = "esp32s3"
FLASH_BYTES = 16 * 1024 * 1024
USB_IDS = ((0x303A, 0x4001), (0x303A, 0x1001))  # MicroPython's own USB serial port; the chip's JTAG and serial unit
FIRMWARE = {"kind": "esp-image", "chip_id": 9, "offset": 0x0, "board": "ESP32_GENERIC_S3"}
DEEP_SLEEP_KEEPS = ("rtc_memory",)

I2C = {"id": 0, "sda": 9, "scl": 40, "freq_hz": 100_000}
UART = {"id": 1, "tx": 43, "rx": 44}
ONEWIRE_PIN = 21  # WB_IO1, brought out by the RAK13002 breakout
PIR_PIN = 39  # WB_IO6: RAK12006 in the IO slot
PIR_ACTIVE = 0  # the RAK12006 inverts its AM312 (RAK example, Zephyr rakwireless_rak12006)
BATTERY = {"adc": 1, "r_top_ohm": 1_000_000, "r_bottom_ohm": 1_500_000}
ADC_FULL_SCALE_UV = None  # `ADC.read_uv()` is calibrated in the chip
SENSOR_POWER = {"pin": 14, "on": 1, "settle_ms": 300}  # WB_IO2 switches 3V3_S
WATCHDOG_MAX_MS = 60_000

RADIO = {
    "chip": "sx1262",
    "spi": 1,
    "sck": 5,
    "mosi": 6,
    "miso": 3,
    "cs": 7,
    "reset": 8,
    "busy": 48,
    "dio1": 47,
    "rf_power": 4,  # supplies the antenna switch
    "dio2_rf_switch": True,
    "tcxo_mv": 1800,
    "tcxo_start_us": 5000,
    "dcdc": True,
    "max_power_dbm": 22,
    "antenna_gain_dbi_x10": 22,
}
