"""Profile event: Event. Made by `spatz payload build` from profiles/event.toml."""

NAME = "event"
FPORT = 32
FIELDS = ("event", "stage", "value", "number", "age")
BASE = 4
AGE = 4
ABSENT = "absent"
DOWNLINKS = ()
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = (
    0, 1, 0, 0, 255, 1,  # event
    0, 1, 0, 0, 3, 1,  # stage
    0, 1, 0, -1000000, 1000000, 1,  # value
    0, 1, 0, 0, 65535, 1,  # number
    8, 1, 0, 0, 65535, 1,  # age
)
# fmt: on
