"""Runs steps in order, and writes down in the journal what became of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioning.errors import SpatzError, StepOrder
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
    try:
        for name in names:
            run_step(work, name, report, again=again)
    finally:
        # A node that was stopped for work and not started by `join` shall not sit at its prompt for ever. When
        # even that fails there is an error under way already that says more.
        if work.node_stopped and work.done("key"):
            _start_quietly(work)


def run_one(work: Work, name: str, report: Listener) -> None:
    """One step by its name, always carried out; StepOrder when one it needs is missing."""
    for needed in step(name).needs:
        if work.done(needed) is None:
            raise StepOrder("step-needs", step=name, needs=needed)
    try:
        run_step(work, name, report, again=True)
    finally:
        if work.node_stopped and work.done("key"):
            _start_quietly(work)


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


def _start_quietly(work: Work) -> None:
    try:
        work.let_node_run()
    except SpatzError:
        work.node_stopped = False
