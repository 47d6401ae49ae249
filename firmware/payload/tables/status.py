"""Profile status: Status. Made by `spatz payload build` from profiles/status.toml."""

NAME = "status"
FPORT = 30
FIELDS = ("firmware", "hardware", "reset", "config", "boots", "battery", "rssi", "snr", "free", "temperature", "age")
BASE = 6
AGE = 10
ABSENT = "absent"
DOWNLINKS = ()
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    0, 1, 0, 0, 999999, 1,  # firmware
    0, 1, 0, 0, 255, 1,  # hardware
    0, 1, 0, 0, 255, 1,  # reset
    2, 1, 0, 0, 0, 4,  # config
    8, 1, 0, 0, 65535, 1,  # boots
    0, 20, 0, 0, 255, 1,  # battery
    0, 1, 0, -200, 50, 1,  # rssi
    0, 1, 0, -128, 127, 1,  # snr
    8, 1, 0, 0, 65535, 1,  # free
    0, 10, 0, -550, 1250, 1,  # temperature
    8, 1, 0, 0, 65535, 1,  # age
)
# fmt: on
