"""Runs steps in order, and writes down in the journal what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from provisioning.errors import BoardSilent, PortError, SpatzError, StepOrder
from provisioning.steps import NAMES, step
from provisioning.work import Work


@dataclass(frozen=True, slots=True)
class StepReport:
    """What became of one step: `begin`, `progress`, `done`, `skipped` (was done before) or `failed`."""

    node: str
    step: str
    outcome: str
    seconds: float = 0.0
    detail: dict[str, Any] = field(default_factory=dict)


Listener = Callable[[StepReport], None]


def run_all(work: Work, report: Listener, *, again: bool = False, names: Sequence[str] = NAMES) -> None:
    """The whole chain. Steps that are done and still hold are skipped, unless `again`. Raises at the first failure."""
    with _node_runs_afterwards(work):
        for name in names:
            run_step(work, name, report, again=again)


def run_one(work: Work, name: str, report: Listener) -> None:
    """One step by its name, always carried out; StepOrder when one it needs is missing."""
    for needed in step(name).needs:
        if work.done(needed) is None:
            raise StepOrder("step-needs", step=name, needs=needed)
    with _node_runs_afterwards(work):
        run_step(work, name, report, again=True)


@contextmanager
def _node_runs_afterwards(work: Work) -> Iterator[None]:
    """A node that was stopped for work shall not sit at its prompt for ever, whatever became of the work."""
    try:
        yield
    except (BoardSilent, PortError):
        raise  # it does not answer, so it cannot be told to start either
    except BaseException:
        with suppress(SpatzError):  # the error under way says more than a second one
            _start(work)
        raise
    else:
        _start(work)


def _start(work: Work) -> None:
    if work.done("key") is not None:
        work.let_node_run()


def run_step(work: Work, name: str, report: Listener, *, again: bool) -> None:
    """One step with its journal entries."""
    this = step(name)
    node = work.device.name
    started = time.monotonic()
    fingerprint = this.fingerprint(work)
    record = work.journal.step(work.device, name)
    if not again and record is not None and record.is_done_for(fingerprint) and this.still_true(work):
        report(StepReport(node, name, "skipped", detail=record.result))
        return
    interrupted = record is not None and record.state == "running"
    attempt = work.journal.begin(work.device, name, fingerprint)
    report(StepReport(node, name, "begin", detail={"attempt": attempt, "interrupted": interrupted}))
    work.progress = lambda text: report(StepReport(node, name, "progress", detail={"text": text}))
    try:
        result = this.carry_out(work)
    except SpatzError as error:
        work.journal.fail(work.device, name, error.code)
        report(StepReport(node, name, "failed", time.monotonic() - started, {"code": error.code}))
        raise
    except Exception:
        work.journal.fail(work.device, name, "internal")
        raise
    # The fingerprint is taken again: the step itself may have changed what it is made of (a unit now known).
    work.journal.finish(work.device, name, result, fingerprint=this.fingerprint(work))
    report(StepReport(node, name, "done", time.monotonic() - started, result))
