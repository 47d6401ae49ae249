"""Facts of the LilyGO T-Beam v1.0 to v1.2 with an SX1276 (868 or 915 MHz).

Radio pins: meshtastic `variants/esp32/tbeam`. Radio and GPS are fed by a power management chip (AXP192, from v1.2
on AXP2101) at 0x34 on the I2C bus, which measures the battery too. The radio has a crystal: with `tcxo_input` it is
deaf and mute (README of nunomcruz/micropython-lorawan). The GPS (pins 12 and 34) stays off.
"""

NAME = "tbeam"
MCU = "esp32"
FLASH_BYTES = 4 * 1024 * 1024
USB_IDS = ((0x10C4, 0xEA60), (0x1A86, 0x55D4))  # CP2104; CH9102 on later ones
FIRMWARE = {"kind": "esp-image", "chip_id": 0, "offset": 0x1000, "board": "ESP32_GENERIC"}
DEEP_SLEEP_KEEPS = ("rtc_memory",)

I2C = {"id": 0, "sda": 21, "scl": 22, "freq_hz": 100_000}
UART = {"id": 1, "tx": 13, "rx": 14}
ONEWIRE_PIN = 25
PIR_PIN = 35  # input only; the AM312 drives it
PIR_ACTIVE = 1
BATTERY = {"pmu": 0x34}
ADC_FULL_SCALE_UV = None  # `ADC.read_uv()` is calibrated in the chip
SENSOR_POWER = None  # 3V3 of the header is always on
WATCHDOG_MAX_MS = 60_000

RADIO = {
    "chip": "sx1276",
    "spi": 1,
    "sck": 5,
    "mosi": 27,
    "miso": 19,
    "cs": 18,
    "reset": 23,
    "busy": None,  # SX127x has none
    "dio0": 26,
    "dio1": 33,  # not needed by the driver
    "rf_power": None,
    "pa_boost": True,
    "tcxo_input": False,
    "dio2_rf_switch": False,  # the chip's own RXTX pin turns the switch
    "tcxo_mv": None,
    "tcxo_start_us": 0,
    "dcdc": False,
    "max_power_dbm": 20,
    "antenna_gain_dbi_x10": 22,
}
