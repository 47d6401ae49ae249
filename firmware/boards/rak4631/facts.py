"""Facts of the RAK4631: nRF52840 with an SX1262 inside (module RAK4630), WisBlock core on a RAK19007 base.

There is no MicroPython image for it upstream: build one after the port's PCA10056, with REGOUT0 in UICR at 3.3 V, else
the radio has no supply, and with the NFC pins released, else WB_IO5 and WB_IO6 do nothing. It has no `cryptolib`; the
stack then takes its own AES. Everything here is from pin tables, nothing has run.

Pins are numbers of the chip: P1.10 is 42. Sources: WisBlock variant files, Zephyr `rak4631` device tree, meshtastic
`variants/nrf52840/rak4631`.
"""

NAME = "rak4631"
MCU = "nrf52840"
FLASH_BYTES = 1024 * 1024
USB_IDS = ((0x239A, 0x8029), (0x239A, 0x0029))  # as shipped, and its boot loader (unverified)
FIRMWARE = {"kind": "none"}
DEEP_SLEEP_KEEPS = ()  # a deep sleep ends in a restart

I2C = {"id": 0, "sda": 13, "scl": 14, "freq_hz": 100_000}
UART = {"id": 0, "tx": 16, "rx": 15}
ONEWIRE_PIN = 17  # WB_IO1, brought out by the RAK13002 breakout
PIR_PIN = 10  # WB_IO6: RAK12006 in the IO slot; an NFC pin, see above
PIR_ACTIVE = 0  # the RAK12006 inverts its AM312 (RAK example, Zephyr rakwireless_rak12006)
BATTERY = {"adc": 5, "r_top_ohm": 1_000_000, "r_bottom_ohm": 1_500_000}
ADC_FULL_SCALE_UV = 3_600_000  # internal reference 0.6 V, gain 1/6 (nRF52840 product specification, SAADC)
SENSOR_POWER = {"pin": 34, "on": 1, "settle_ms": 300}  # WB_IO2 switches 3V3_S
WATCHDOG_MAX_MS = 60_000

RADIO = {
    "chip": "sx1262",
    "spi": 1,
    "sck": 43,
    "mosi": 44,
    "miso": 45,
    "cs": 42,
    "reset": 38,
    "busy": 46,
    "dio1": 47,
    "rf_power": 37,  # P1.05 supplies the antenna switch; P1.07 is to be left alone
    "dio2_rf_switch": True,
    "tcxo_mv": 1800,
    "tcxo_start_us": 5000,
    "dcdc": True,
    "max_power_dbm": 22,
    "antenna_gain_dbi_x10": 22,
}
