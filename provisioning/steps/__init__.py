"""The steps from a bare board to a node seen by the network server, one file each, and their order.

A step
- says by its `fingerprint` what its result depends on: done with the same fingerprint means nothing to do;
- is idempotent: carried out again after a kill at any point, it finds what it had reached and completes it;
- returns what the journal shall remember, in plain values, never a secret.

To add one: a file with a class like the others, and its place in `CHAIN`.
"""

from __future__ import annotations

from typing import Any, Protocol

from provisioning.work import Work


class Step(Protocol):
    """One step of the chain."""

    name: str
    needs: tuple[str, ...]

    def fingerprint(self, work: Work) -> str:
        """What the result depends on, as a short text."""
        ...

    def still_true(self, work: Work) -> bool:
        """Whether a result in the journal still holds in the world (asked only when the fingerprint is the same)."""
        ...

    def carry_out(self, work: Work) -> dict[str, Any]:
        """Do it. Raises SpatzError."""
        ...


NAMES = ("identify", "keys", "flash", "deploy", "key", "register", "join")


def step(name: str) -> Step:
    """The step of this name. Its file is read only now, so that a command pays only for what it uses."""
    from importlib import import_module

    module = import_module(f"provisioning.steps.{name}")
    made: Step = module.STEP
    return made
