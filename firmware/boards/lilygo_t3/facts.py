"""Facts of the LilyGO T3 v1.6.1 (LoRa32 "TTGO"): ESP32 with an SX1276 (868 or 915 MHz) and an OLED.

Radio pins: meshtastic `variants/tlora_v2_1_16`, MicroPython's board LILYGO_TTGO_LORA32. The rest of the pins is brought
out at the headers; 2, 13, 14, 15 belong to the card slot and serve the sensors when it is empty (unverified).

The variant with a TCXO powers it by GPIO 33, which then is no DIO1: it needs `tcxo_power` 33 and `tcxo_input` True.
"""

NAME = "lilygo_t3"
MCU = "esp32"
FLASH_BYTES = 4 * 1024 * 1024
USB_IDS = ((0x1A86, 0x55D4),)  # CH9102 on the board (unverified; older ones have a CP2102, 10C4:EA60)
FIRMWARE = {"kind": "esp-image", "chip_id": 0, "offset": 0x1000, "board": "LILYGO_TTGO_LORA32"}
DEEP_SLEEP_KEEPS = ("rtc_memory",)

I2C = {"id": 0, "sda": 21, "scl": 22, "freq_hz": 100_000}  # shared with the OLED, which has address 0x3C
UART = {"id": 1, "tx": 13, "rx": 14}
ONEWIRE_PIN = 4
PIR_PIN = 34  # input only; the AM312 drives it
PIR_ACTIVE = 1
BATTERY = {"adc": 35, "r_top_ohm": 100_000, "r_bottom_ohm": 100_000}
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
