"""Profile count: Count. Made by `spatz payload build` from profiles/count.toml."""

NAME = "count"
FPORT = 23
FIELDS = ("counts", "battery", "age", "occupancy")
BASE = 2
AGE = 2
ABSENT = "absent"
DOWNLINKS = (1, 4, 15, 16, 17, 18, 19, 20, 21, 22, 23)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    11, 1, 0, 0, 65535, 12,  # counts
    0, 20, 0, 0, 255, 1,  # battery
    8, 1, 0, 0, 65535, 1,  # age
    0, 1, 0, 0, 100, 1,  # occupancy
)
# fmt: on
