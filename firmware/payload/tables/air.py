"""Profile air: Air quality. Made by `spatz payload build` from profiles/air.toml."""

NAME = "air"
FPORT = 21
FIELDS = ("no2", "no", "temperature", "humidity", "battery", "o3", "raw", "calibration", "age", "pm25", "pm10")
BASE = 5
AGE = 8
ABSENT = "absent"
DOWNLINKS = (1, 2, 4, 14, 15, 16, 17, 18, 20, 21, 22, 23)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    0, 1, 0, -5000, 20000, 1,  # no2
    0, 1, 0, -5000, 20000, 1,  # no
    0, 10, 0, -550, 1250, 1,  # temperature
    0, 5, 0, 0, 200, 1,  # humidity
    0, 20, 0, 0, 255, 1,  # battery
    0, 1, 0, -5000, 20000, 1,  # o3
    5, 1, 0, 0, 50000, 6,  # raw
    0, 1, 0, 0, 65535, 1,  # calibration
    8, 1, 0, 0, 65535, 1,  # age
    0, 1, 0, 0, 10000, 1,  # pm25
    0, 1, 0, 0, 10000, 1,  # pm10
)
# fmt: on
