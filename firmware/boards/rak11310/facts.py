"""Facts of the RAK11310: RP2040 with an SX1262 inside, WisBlock core on a RAK19007 base.

Pins: WisBlock variant files and Zephyr `rak11310` device tree. Radio: meshtastic `variants/rak11310`, RadioLib
issue 864. Marked (unverified) where only one source or none was read.
"""

NAME = "rak11310"
MCU = "rp2040"
FLASH_BYTES = 2 * 1024 * 1024  # what the RPI_PICO image lays out; the part itself is larger (unverified)
USB_IDS = ((0x2E8A, 0x0005),)  # MicroPython's own USB serial port; the ROM loader is 2E8A:0003
FIRMWARE = {"kind": "uf2", "family_id": 0xE48BFF56, "board": "RPI_PICO"}
DEEP_SLEEP_KEEPS = ()  # a deep sleep ends in a restart; there is no RTC memory

I2C = {"id": 1, "sda": 2, "scl": 3, "freq_hz": 100_000}
UART = {"id": 0, "tx": 0, "rx": 1}
ONEWIRE_PIN = 6  # WB_IO1, brought out by the RAK13002 breakout
PIR_PIN = 8  # WB_IO6: RAK12006 in the IO slot
PIR_ACTIVE = 0  # the RAK12006 inverts its AM312 (RAK example, Zephyr rakwireless_rak12006)
BATTERY = {"adc": 26, "r_top_ohm": 1_000_000, "r_bottom_ohm": 1_500_000}
ADC_FULL_SCALE_UV = 3_300_000  # ADC_AVDD of the module; its error is in the node's calibration factor
SENSOR_POWER = {"pin": 22, "on": 1, "settle_ms": 300}  # WB_IO2 switches 3V3_S
WATCHDOG_MAX_MS = 8_388  # RP2040 datasheet section 4.7 and errata E1: the counter runs twice a microsecond

RADIO = {
    "chip": "sx1262",
    "spi": 1,
    "sck": 10,
    "mosi": 11,
    "miso": 12,
    "cs": 13,
    "reset": 14,
    "busy": 15,
    "dio1": 29,
    "rf_power": 25,  # supplies the antenna switch: high, or the node is deaf and mute
    "dio2_rf_switch": True,
    "tcxo_mv": 1800,
    "tcxo_start_us": 5000,
    "dcdc": True,
    "max_power_dbm": 22,
    "antenna_gain_dbi_x10": 22,
}
