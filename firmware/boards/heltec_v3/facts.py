"""Facts of the Heltec WiFi LoRa 32 V3: ESP32-S3 with an SX1262 and an OLED.

Pins: meshtastic `variants/esp32s3/heltec_v3` and the vendor's `pins_arduino.h`. Sensors hang on Ve, switched by GPIO 36
(active low) together with the OLED. On V3.2 the polarity of the battery divider's switch is the other way round
(unverified).
"""

NAME = "heltec_v3"
MCU = "esp32s3"
FLASH_BYTES = 8 * 1024 * 1024
USB_IDS = ((0x10C4, 0xEA60),)  # the CP2102 on the board
FIRMWARE = {"kind": "esp-image", "chip_id": 9, "offset": 0x0, "board": "ESP32_GENERIC_S3"}
DEEP_SLEEP_KEEPS = ("rtc_memory",)

I2C = {"id": 0, "sda": 41, "scl": 42, "freq_hz": 100_000}  # not the OLED's bus, which has 17 and 18
UART = {"id": 1, "tx": 47, "rx": 48}
ONEWIRE_PIN = 4
PIR_PIN = 5
PIR_ACTIVE = 1
BATTERY = {"adc": 1, "r_top_ohm": 390_000, "r_bottom_ohm": 100_000, "enable_pin": 37, "enable": 0}
ADC_FULL_SCALE_UV = None  # `ADC.read_uv()` is calibrated in the chip
SENSOR_POWER = {"pin": 36, "on": 0, "settle_ms": 300}
WATCHDOG_MAX_MS = 60_000

RADIO = {
    "chip": "sx1262",
    "spi": 1,
    "sck": 9,
    "mosi": 10,
    "miso": 11,
    "cs": 8,
    "reset": 12,
    "busy": 13,
    "dio1": 14,
    "rf_power": None,
    "dio2_rf_switch": True,
    "tcxo_mv": 1800,
    "tcxo_start_us": 5000,
    "dcdc": True,
    "max_power_dbm": 22,
    "antenna_gain_dbi_x10": 22,
}
