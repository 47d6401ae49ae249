"""Profile level: Water level and weather. Made by `spatz payload build` from profiles/level.toml."""

NAME = "level"
FPORT = 24
FIELDS = ("level", "rain_tips", "temperature", "humidity", "pressure", "battery", "age", "stage", "rate", "distance")
BASE = 6
AGE = 6
ABSENT = "absent"
DOWNLINKS = (1, 2, 4, 5, 6, 7, 10, 15, 16, 17, 18, 19, 20, 21, 22)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    0, 1, 0, -2000, 20000, 1,  # level
    8, 1, 0, 0, 65535, 1,  # rain_tips
    0, 10, 0, -550, 1250, 1,  # temperature
    0, 5, 0, 0, 200, 1,  # humidity
    0, 1, 10000, -7000, 1000, 1,  # pressure
    0, 20, 0, 0, 255, 1,  # battery
    8, 1, 0, 0, 65535, 1,  # age
    0, 1, 0, 0, 3, 1,  # stage
    0, 1, 0, -500, 500, 1,  # rate
    0, 1, 0, 0, 20000, 1,  # distance
)
# fmt: on
