"""What happens in the demo, in order, and the verdict at the end. Talks to a `City`; knows no sockets."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

from bench.demo.city import City
from bench.demo.ledger import ANSWER_PORT
from bench.demo.screen import Screen

POLL_S = 0.1
JOIN_PATIENCE_S = 90.0
ANSWER_PATIENCE_S = 60.0
DRAIN_PATIENCE_S = 60.0
OUTAGE_S = 20.0
COMMAND_AT = 0.15  # share of the running time
OUTAGE_AT = 0.4
NEW_INTERVAL_S = 15
INTERVAL_TOLERANCE_S = 5.0  # a report waits for its measurement and, rarely, for the duty cycle
COMMAND_SEQ = 17


@dataclass(slots=True)
class Summary:
    """The last event of the demo; the names are a promise to programs that read it."""

    nodes: int
    joined: int
    uplinks_sent: int
    uplinks_decoded: int
    lost: int
    mismatched: int
    commands_applied: int
    outage_s: float
    buffered_max: int
    micropython: str


@dataclass(frozen=True, slots=True)
class Promise:
    """One thing the demo promises, and whether it was kept."""

    name: str
    kept: bool
    sentence: str


class Demo:
    """One run over a city that is set up."""

    def __init__(self, city: City, screen: Screen, minutes: float) -> None:
        self._city = city
        self._screen = screen
        self._seconds = minutes * 60
        self._buffered_max = 0
        self._outage_s = 0.0
        self._commands = 0
        self._commands_applied = 0

    def run(self) -> bool:
        """Carry it out; True when every promise was kept."""
        self._provision()
        started = time.monotonic()
        self._wait(self._all_joined, JOIN_PATIENCE_S)
        self._wait(lambda: time.monotonic() - started >= COMMAND_AT * self._seconds, self._seconds)
        self._change_interval()
        self._wait(lambda: time.monotonic() - started >= OUTAGE_AT * self._seconds, self._seconds)
        self._outage()
        self._wait(lambda: time.monotonic() - started >= self._seconds, self._seconds)
        self._drain()
        return self._judge()

    # ------------------------------------------------------------------------------------------------- acts

    def _provision(self) -> None:
        self._screen.tell(
            "provisioning",
            f"Flashing, filling and registering {len(self._city.nodes)} blank boards with the real tools.",
        )
        self._city.provision_all(self._tell_step)
        self._wait(lambda: not self._city.provisioning, 0.0)
        for name, error in self._city.provisioning_failures.items():
            self._screen.tell("failure", f"{name} could not be provisioned: {error}", node=name, error=error)

    def _tell_step(self, name: str, step: str) -> None:
        record = self._city.ledger.nodes[name]
        if not record.joined:
            record.state = step
        self._screen.tell("step", f"{name}: {step}", node=name, step=step)

    def _all_joined(self) -> bool:
        return all(record.joined for record in self._city.ledger.nodes.values())

    def _change_interval(self) -> None:
        name = next((name for name, record in self._city.ledger.nodes.items() if record.joined), None)
        if name is None:
            return
        self._commands += 1
        self._city.command_interval(name, COMMAND_SEQ, NEW_INTERVAL_S)
        self._screen.tell(
            "command",
            f"A downlink asks {name} to report every {NEW_INTERVAL_S} s.",
            node=name,
            seq=COMMAND_SEQ,
            interval_s=NEW_INTERVAL_S,
        )
        answered = self._wait(lambda: self._city.answers.get((name, COMMAND_SEQ)) is not None, ANSWER_PATIENCE_S)
        if answered:
            result = self._city.answers[name, COMMAND_SEQ]
            self._screen.tell("answer", f"{name} answered on FPort {ANSWER_PORT}: {result}.", node=name, result=result)
            if result == "ok":
                self._wait(lambda: self._interval_seen(name), 3.0 * NEW_INTERVAL_S)
                self._commands_applied += self._interval_seen(name)

    def _interval_seen(self, name: str) -> bool:
        """Whether the node now reports at the new pace: an answer alone proves little."""
        since_us = self._city.answered_at_us.get((name, COMMAND_SEQ))
        if since_us is None:
            return False
        times = [at for at in self._city.ledger.report_times_us(name) if at >= since_us]
        gaps = [(later - earlier) / 1e6 for earlier, later in pairwise(times)]
        return any(abs(gap - NEW_INTERVAL_S) <= INTERVAL_TOLERANCE_S for gap in gaps)

    def _outage(self) -> None:
        self._screen.tell("outage", f"The broker is taken away for {OUTAGE_S:.0f} s.", outage_s=OUTAGE_S)
        began = time.monotonic()
        self._city.broker.stop()
        self._wait(lambda: time.monotonic() - began >= OUTAGE_S, OUTAGE_S + 1)
        self._city.broker.start()
        self._outage_s = round(time.monotonic() - began, 1)
        self._screen.tell("outage_over", "The broker is back.", outage_s=self._outage_s, buffered=self._buffered_max)

    def _drain(self) -> None:
        self._screen.tell("draining", "The nodes are switched off; what is under way may arrive.")
        self._city.switch_nodes_off()
        self._wait(lambda: self._city.buffered() == 0 and not self._city.ledger.lost(), DRAIN_PATIENCE_S)

    def _wait(self, done: Callable[[], bool], patience_s: float) -> bool:
        """Keep the books until `done`; False when the patience ran out. Patience 0 waits as long as it takes."""
        deadline = time.monotonic() + patience_s
        while True:
            self._city.keep_books(self._screen)
            held = self._city.buffered()
            self._buffered_max = max(self._buffered_max, held or 0)
            self._screen.refresh(self._city.ledger, held)
            if done():
                return True
            if patience_s and time.monotonic() >= deadline:
                return False
            time.sleep(POLL_S)

    # ---------------------------------------------------------------------------------------------- verdict

    def _judge(self) -> bool:
        ledger = self._city.ledger
        summary = Summary(
            nodes=len(ledger.nodes),
            joined=sum(record.joined for record in ledger.nodes.values()),
            uplinks_sent=ledger.heard_count(),
            uplinks_decoded=ledger.decoded_count(),
            lost=len(ledger.lost()),
            mismatched=len(ledger.mismatches),
            commands_applied=self._commands_applied,
            outage_s=self._outage_s,
            buffered_max=self._buffered_max,
            micropython=self._city.micropython,
        )
        collided = ledger.lost_on_air()
        if collided:
            self._screen.tell(
                "air_loss",
                f"{len(collided)} uplinks reached no antenna; that is the street, not the gateway: "
                + "; ".join(self._city.unheard),
                uplinks=len(collided),
                reasons=self._city.unheard,
            )
        promises = self._promises(summary)
        for promise in promises:
            word = "kept" if promise.kept else "BROKEN"
            self._screen.tell("promise", f"[{word}] {promise.sentence}", name=promise.name, kept=promise.kept)
        for line in [str(mismatch) for mismatch in ledger.mismatches[:10]]:
            self._screen.tell("failure", line, reason=line)
        kept = all(promise.kept for promise in promises)
        verdict = "Every promise was kept." if kept else "Not every promise was kept."
        self._screen.tell(
            "summary",
            f"{verdict} ({summary.uplinks_decoded} readings and answers through the whole chain, simulated hardware)",
            **{name: getattr(summary, name) for name in Summary.__slots__},
        )
        return kept

    def _promises(self, summary: Summary) -> list[Promise]:
        ledger = self._city.ledger
        return [
            Promise("joined", summary.joined == summary.nodes, f"{summary.joined} of {summary.nodes} nodes joined."),
            Promise(
                "equal",
                summary.mismatched == 0 and ledger.compared > 0,
                f"{ledger.compared} decoded readings were held against the sensor models; {summary.mismatched} differ.",
            ),
            Promise(
                "complete",
                summary.lost == 0 and summary.uplinks_sent > 0 and not ledger.unannounced,
                f"{summary.uplinks_sent} uplinks were received by the concentrator, {summary.uplinks_decoded} arrived "
                f"decoded, {summary.lost} were lost over {summary.outage_s:g} s without broker "
                f"(the gateway held up to {summary.buffered_max}).",
            ),
            Promise(
                "obeyed",
                self._commands > 0 and self._commands_applied == self._commands,
                f"{self._commands_applied} of {self._commands} interval commands were answered and applied.",
            ),
        ]
