"""Profile fill: Fill level. Made by `spatz payload build` from profiles/fill.toml."""

NAME = "fill"
FPORT = 20
FIELDS = ("distance", "fill", "temperature", "battery", "age", "state", "tilt")
BASE = 4
AGE = 4
ABSENT = "absent"
DOWNLINKS = (1, 2, 3, 4, 5, 8, 9, 11, 15, 16, 17, 18, 20, 21, 22)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    0, 1, 0, 0, 10000, 1,  # distance
    0, 1, 0, 0, 100, 1,  # fill
    0, 10, 0, -550, 1250, 1,  # temperature
    0, 20, 0, 0, 255, 1,  # battery
    8, 1, 0, 0, 65535, 1,  # age
    0, 1, 0, 0, 255, 1,  # state
    0, 1, 0, 0, 360, 1,  # tilt
)
# fmt: on
