"""Facts of the RAK11200 (ESP32) with a RAK13300 (SX1262) in the IO slot.

Pins: WisBlock variant files and Zephyr WisBlock device trees. The RAK13300 occupies IO3 to IO6, so 1-Wire and
the PIR share IO1; no profile has both. Both need a base with a second IO slot (RAK19001) or a soldered wire.
"""

NAME = "rak11200"
MCU = "esp32"
FLASH_BYTES = 4 * 1024 * 1024
USB_IDS = ((0x1A86, 0x7523),)  # the CH340 on the core module (unverified)
FIRMWARE = {"kind": "esp-image", "chip_id": 0, "offset": 0x1000, "board": "ESP32_GENERIC"}
DEEP_SLEEP_KEEPS = ("rtc_memory",)

I2C = {"id": 0, "sda": 4, "scl": 5, "freq_hz": 100_000}
UART = {"id": 1, "tx": 21, "rx": 19}
ONEWIRE_PIN = 14  # WB_IO1
PIR_PIN = 14  # WB_IO1, a plain AM312: IO6 of the RAK12006 is the radio's DIO1 here
PIR_ACTIVE = 1
BATTERY = {"adc": 36, "r_top_ohm": 1_000_000, "r_bottom_ohm": 1_500_000}
ADC_FULL_SCALE_UV = None  # `ADC.read_uv()` is calibrated in the chip
SENSOR_POWER = None  # WB_IO2 (GPIO 27) supplies the RAK13300 too: it stays on, see RADIO
WATCHDOG_MAX_MS = 60_000

RADIO = {
    "chip": "sx1262",
    "spi": 1,
    "sck": 33,
    "mosi": 25,
    "miso": 35,
    "cs": 32,
    "reset": 23,
    "busy": 13,
    "dio1": 22,
    "rf_power": 26,  # WB_IO3: antenna switch of the RAK13300
    "module_power": 27,  # WB_IO2: 3V3_S; high from start-up on
    "dio2_rf_switch": True,
    "tcxo_mv": 1800,
    "tcxo_start_us": 5000,
    "dcdc": True,
    "max_power_dbm": 22,
    "antenna_gain_dbi_x10": 22,
}
