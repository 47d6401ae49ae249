"""Numbers that must survive a restart beside the frames: what was used of byte budgets and of the duty cycle.

Written once a minute, only what has changed, and at an orderly stop: a kill forgets a minute of counting at most.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from gateway.budget import Budget
from gateway.duty import DutyBook
from gateway.spool import Spool
from gateway.store import Store

_BUDGET, _DUTY = "budget/", "duty/"


class Notes:
    """The numbers in one spool. Every method may raise SpoolError."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._written: dict[str, int] = {}

    async def budget(self, name: str, per_day: int, per_month: int) -> Budget:
        """The budget of a destination as it was left."""
        kept = await self._spool.call(partial(Store.notes, prefix=f"{_BUDGET}{name}/"))
        return Budget(per_day, per_month, kept)

    async def restore(self, duty: DutyBook, now_us: int) -> None:
        """Airtime of before the restart counts from now on: too long rather than too short."""
        kept = await self._spool.call(partial(Store.notes, prefix=_DUTY))
        self._written.update({_DUTY + key: used_ms for key, used_ms in kept.items()})
        named = [(key.partition("/"), used_ms) for key, used_ms in kept.items() if used_ms > 0]
        duty.restore([(gateway_id, band, used_ms) for (gateway_id, _, band), used_ms in named], now_us)

    async def write(self, budgets: Iterable[tuple[str, Budget]], duty: DutyBook, now_us: int) -> None:
        """Keep everything as it is now."""
        numbers = {key: 0 for key in self._written if key.startswith(_DUTY)}
        for account in duty.accounts(now_us):
            numbers[f"{_DUTY}{account.gateway_id}/{account.band}"] = account.used_ms
        for name, budget in budgets:
            # Without a limit nobody misses the count, and the card is spared.
            if budget.limited:
                numbers.update({f"{_BUDGET}{name}/{key}": number for key, number in budget.notes().items()})
        changed = {key: number for key, number in numbers.items() if self._written.get(key) != number}
        if changed:
            await self._spool.call(partial(Store.note, notes=changed))
            self._written.update(changed)
