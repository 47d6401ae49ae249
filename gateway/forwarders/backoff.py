"""Pauses between attempts to reach a far end."""

from __future__ import annotations

import random

_FIRST_S = 0.25
# A city's gateways lose their broker at the same moment; they shall not come back at the same moment.
_SPREAD = 0.3


class Backoff:
    """Doubling pauses up to a longest one, spread at random."""

    def __init__(self, longest_s: float, chance: random.Random | None = None) -> None:
        self._longest_s = longest_s
        self._next_s = _FIRST_S
        self._chance = chance or random.Random()  # noqa: S311

    def reset(self) -> None:
        """It worked: begin with the shortest pause again."""
        self._next_s = _FIRST_S

    def pause_s(self) -> float:
        """The next pause in seconds."""
        pause_s, self._next_s = self._next_s, min(2 * self._next_s, self._longest_s)
        return min(pause_s, self._longest_s) * self._chance.uniform(1 - _SPREAD, 1)
