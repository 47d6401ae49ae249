"""A finding told so that somebody can go after it: the frame's own story, what failed around it, what was logged."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from bench.chaos.judge import Finding, Kind, Verdict
from bench.chaos.run import Run
from gateway import spool_tool

_MOST_TOLD = 8
_AROUND_S = 6.0
_MOST_LINES = 12


def summary(run: Run, verdict: Verdict) -> str:
    """One paragraph of figures."""
    sent = run.record.sent
    acked = sum(1 for one in sent if one.acked_s is not None)
    late = sum(1 for arrival in run.record.arrivals if arrival.clock)
    done = ", ".join(f"{what}: {number}" for what, number in sorted(run.count.items()))
    return (
        f"seed {run.plan.seed}: {len(sent)} frames of {run.plan.scale.devices} devices sent, {acked} acknowledged, "
        f"{verdict.delivered} at the application ({late} late, {verdict.undated} undated), "
        f"{verdict.evicted} given up over quota; {len(run.record.emissions)} transmissions, "
        f"{len(run.record.claims)} reported as sent, {run.load.refused} refused by the queue; "
        f"datagrams lost {run.load.lost}, doubled {run.load.doubled}; {done}"
    )


def story(run: Run, verdict: Verdict, directory: Path) -> str:
    """All that is known of the first findings."""
    lines = [summary(run, verdict), f"{len(verdict.findings)} broken promises; logs lie in {directory}"]
    stored = {(frame["dev_addr"], frame["fcnt16"]): frame for frame in spool_tool.export(directory / "spool.db")}
    kinds: dict[Kind, int] = {}
    for finding in verdict.findings:
        kinds[finding.kind] = kinds.get(finding.kind, 0) + 1
        if kinds[finding.kind] <= _MOST_TOLD:
            lines += _tell(run, finding, directory, stored)
    return "\n".join(lines)


def _tell(
    run: Run, finding: Finding, directory: Path, stored: dict[tuple[str, int], dict[str, object]]
) -> Iterator[str]:
    dev_addr, f_cnt = finding.key
    yield f"\n{finding.kind.value.upper()} {dev_addr:08x} FCnt {f_cnt} at {_clock(finding.at_s)}: {finding.what}"
    for sent in run.record.sent:
        if sent.key == finding.key:
            acked = "never" if sent.acked_s is None else _clock(sent.acked_s)
            published = ", ".join(_clock(at_s) for at_s in run.published.get(sent.key, [])) or "never"
            yield f"  sent {_clock(sent.sent_s)}, acknowledged {acked}, published {published}"
    for arrival in run.record.arrivals:
        if arrival[:2] == finding.key:
            dated = f"dated {_clock(arrival.time_s)} by {arrival.clock or 'the live clock'}"
            yield f"  at the application {_clock(arrival.at_s)}, {dated}"
    row = stored.get((f"{dev_addr:08x}", f_cnt & 0xFFFF))
    yield "  in the spool: " + ("no" if row is None else f"seq {row['seq']}, waiting for {row['waiting']}")
    for at_s, action in run.did:
        if abs(at_s - finding.at_s) < _AROUND_S:
            yield f"  {_clock(at_s)} {action.act.value} {action.value:g}"
    for name in ("gateway.log", "server.log"):
        yield from _logged(directory / name, finding.at_s, f"{dev_addr:08x}")


def _logged(path: Path, at_s: float, address: str) -> Iterator[str]:
    shown = 0
    for line in path.read_text("utf-8", "replace").splitlines():
        near = address in line
        if line.startswith("{"):
            moment = json.loads(line).get("time")
            near = near or (moment is not None and abs(datetime.fromisoformat(moment).timestamp() - at_s) < _AROUND_S)
        if near and shown < _MOST_LINES:
            shown += 1
            yield f"  {path.name}: {line[:240]}"


def _clock(at_s: float) -> str:
    return time.strftime("%H:%M:%S", time.gmtime(at_s)) + f".{int(at_s % 1 * 1000):03d}"
