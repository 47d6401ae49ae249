"""Facts of the virtual board.

Its pins follow RAK11200 + RAK13300 where the two meet (docs of both boards), so that what is learnt
on it holds on real parts. It has no existence outside the bench.
"""

NAME = "virtual"
MCU = "esp32"
FLASH_BYTES = 4 * 1024 * 1024
USB_IDS = ()  # a PTY has none
FIRMWARE = {"kind": "esp-image", "chip_id": 0, "offset": 0x1000}
DEEP_SLEEP_KEEPS = ("rtc_memory",)

I2C = {"id": 0, "sda": 4, "scl": 5, "freq_hz": 100_000}
UART = {"id": 1, "tx": 21, "rx": 19}
ONEWIRE_PIN = 14
PIR_PIN = 12
PIR_ACTIVE = 1
BATTERY = {"adc": 36, "r_top_ohm": 1_000_000, "r_bottom_ohm": 1_500_000}
ADC_FULL_SCALE_UV = None  # `ADC.read_uv()` as on the ESP32
SENSOR_POWER = {"pin": 27, "on": 1, "settle_ms": 300}
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
    "rf_power": None,
    "dio2_rf_switch": True,
    "tcxo_mv": 1800,
    "tcxo_start_us": 5000,
    "dcdc": True,
    "max_power_dbm": 22,
    "antenna_gain_dbi_x10": 22,
}
