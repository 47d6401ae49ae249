"""Profile parking: Parking space. Made by `spatz payload build` from profiles/parking.toml."""

NAME = "parking"
FPORT = 25
FIELDS = ("occupied", "since", "battery", "age", "temperature")
BASE = 3
AGE = 3
ABSENT = "absent"
DOWNLINKS = (1, 2, 4, 16, 17, 18, 20, 21, 22, 23)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    1, 1, 0, 0, 1, 1,  # occupied
    8, 1, 0, 0, 65535, 1,  # since
    0, 20, 0, 0, 255, 1,  # battery
    8, 1, 0, 0, 65535, 1,  # age
    0, 10, 0, -550, 1250, 1,  # temperature
)
# fmt: on
