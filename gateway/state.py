"""How a destination is."""

from enum import StrEnum


class State(StrEnum):
    """One word for people, `/health` and metrics."""

    UP = "up"
    SAVING = "saving"
    """By its byte budget only live frames go."""
    SPENT = "spent"
    """Its byte budget is used up: nothing goes before the next day or month."""
    HOLDING = "holding"
    """The broker answers, but nobody listens behind it."""
    DOWN = "down"

    @property
    def flowing(self) -> bool:
        """Whether frames get through."""
        return self in (State.UP, State.SAVING)
