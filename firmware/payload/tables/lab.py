"""Profile lab: Lab. Made by `spatz payload build` from profiles/lab.toml."""

NAME = "lab"
FPORT = 39
FIELDS = (
    "flags",
    "temperature",
    "humidity",
    "pressure",
    "distance",
    "fill",
    "level",
    "rate",
    "no2",
    "no",
    "o3",
    "pm25",
    "pm10",
    "illuminance",
    "count",
    "count_back",
    "occupancy",
    "state",
    "battery",
    "tilt",
    "age",
    "alarm",
    "number",
    "calibration",
)
BASE = -1
AGE = 20
ABSENT = "absent"
DOWNLINKS = (1, 2, 4, 15, 16, 17, 18, 20, 21, 22)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    0, 1, 0, 0, 65535, 1,  # flags
    0, 1, 0, -5500, 12500, 1,  # temperature
    0, 1, 0, 0, 1000, 1,  # humidity
    0, 1, 0, 3000, 11000, 1,  # pressure
    0, 1, 0, 0, 20000, 1,  # distance
    0, 1, 0, 0, 100, 1,  # fill
    0, 1, 0, -2000, 20000, 1,  # level
    0, 1, 0, -500, 500, 1,  # rate
    0, 1, 0, -5000, 20000, 1,  # no2
    0, 1, 0, -5000, 20000, 1,  # no
    0, 1, 0, -5000, 20000, 1,  # o3
    0, 1, 0, 0, 10000, 1,  # pm25
    0, 1, 0, 0, 10000, 1,  # pm10
    0, 1, 0, 0, 120000, 1,  # illuminance
    0, 1, 0, 0, 65535, 1,  # count
    0, 1, 0, 0, 65535, 1,  # count_back
    0, 1, 0, 0, 100, 1,  # occupancy
    0, 1, 0, 0, 255, 1,  # state
    0, 1, 0, 0, 20000, 1,  # battery
    0, 1, 0, 0, 360, 1,  # tilt
    0, 1, 0, 0, 65535, 1,  # age
    0, 1, 0, 0, 255, 1,  # alarm
    0, 1, 0, 0, 65535, 1,  # number
    0, 1, 0, 0, 65535, 1,  # calibration
)
# fmt: on
