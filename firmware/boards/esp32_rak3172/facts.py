"""Facts of an ESP32 development board (ESP32-DevKitC and its like) with a RAK3172 (RUI3 firmware) as AT modem.

There is no such board to buy: the pins are this project's own choice, of those that are free for use on any ESP32-WROOM
module (none of 6 to 11, flash; 0, 2, 12, 15, strapping; 1, 3, console). RAK3172: TX2 (PB3 side of LPUART1, its pin 2)
to `rx`, RX2 (its pin 1) to `tx`, RST (its pin 22) to `reset`; pin numbers from its datasheet (unverified).
"""

NAME = "esp32_rak3172"
MCU = "esp32"
FLASH_BYTES = 4 * 1024 * 1024
USB_IDS = ((0x10C4, 0xEA60), (0x1A86, 0x7523))  # CP2102N on the DevKitC; CH340 on many others
FIRMWARE = {"kind": "esp-image", "chip_id": 0, "offset": 0x1000, "board": "ESP32_GENERIC"}
DEEP_SLEEP_KEEPS = ("rtc_memory",)

I2C = {"id": 0, "sda": 21, "scl": 22, "freq_hz": 100_000}
UART = {"id": 1, "tx": 25, "rx": 26}
ONEWIRE_PIN = 14
PIR_PIN = 13
PIR_ACTIVE = 1
BATTERY = {"adc": 36, "r_top_ohm": 1_000_000, "r_bottom_ohm": 1_500_000}
ADC_FULL_SCALE_UV = None  # `ADC.read_uv()` is calibrated in the chip
SENSOR_POWER = {"pin": 27, "on": 1, "settle_ms": 300}
WATCHDOG_MAX_MS = 60_000

RADIO = {
    "chip": "rui3",
    "uart": 2,
    "tx": 17,
    "rx": 16,
    "reset": 4,
}
