"""Profile answer: Command answer. Made by `spatz payload build` from profiles/answer.toml."""

NAME = "answer"
FPORT = 31
FIELDS = ()
BASE = -1
AGE = -1
ABSENT = "absent"
DOWNLINKS = ()
# kind, step, offset, low, high, items: see encoder.py
# fmt: off
SPEC = ()
# fmt: on
