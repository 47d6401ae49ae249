"""Profile climate-batch: Climate series. Made by `spatz payload build` from profiles/climate-batch.toml."""

NAME = "climate-batch"
FPORT = 26
FIELDS = ("step", "temperature", "humidity", "battery", "age")
BASE = 4
AGE = 4
ABSENT = "absent"
DOWNLINKS = (1, 4, 15, 16, 17, 18, 20, 21, 22)
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    0, 1, 0, 1, 1440, 1,  # step
    4, 10, 0, -400, 850, 24,  # temperature
    4, 5, 0, 0, 200, 24,  # humidity
    0, 20, 0, 0, 255, 1,  # battery
    8, 1, 0, 0, 65535, 1,  # age
)
# fmt: on
