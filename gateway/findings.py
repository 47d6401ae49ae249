"""What a doctor says: how bad it is, of what it speaks, what it saw, and the next step."""

from __future__ import annotations

from enum import Enum
from typing import NamedTuple


class Level(Enum):
    """How bad a finding is."""

    GOOD = "good"
    WARNING = "warning"
    BAD = "bad"


class Finding(NamedTuple):
    """One thing looked at. `advice` is the next step, empty if all is well."""

    level: Level
    subject: str
    what: str
    advice: str = ""
