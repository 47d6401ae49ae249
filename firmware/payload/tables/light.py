"""Profile light: Street light. Made by `spatz payload build` from profiles/light.toml."""

NAME = "light"
FPORT = 22
FIELDS = ("illuminance", "motion", "dim", "age", "battery", "state", "power")
BASE = 3
AGE = 3
ABSENT = "absent"
DOWNLINKS = (1, 2, 4, 12, 13, 14, 15, 16, 17, 18, 20, 21, 22)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    8, 1, 0, 0, 65535, 1,  # illuminance
    8, 1, 0, 0, 65535, 1,  # motion
    0, 1, 0, 0, 100, 1,  # dim
    8, 1, 0, 0, 65535, 1,  # age
    0, 20, 0, 0, 255, 1,  # battery
    0, 1, 0, 0, 255, 1,  # state
    0, 1, 0, 0, 65000, 1,  # power
)
# fmt: on
