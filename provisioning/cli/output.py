"""How results reach the user: lines for machines (`--json`), plain lines, or lines with colour on a terminal.

All text passes the redactor on its way out. Results go to the standard output, errors in words and logs to the
standard error; with `--json` errors are objects on the standard output as well.
"""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Any

from provisioning.errors import SpatzError
from provisioning.messages import explain, phrase
from provisioning.redaction import RedactingFormatter, Redactor

if TYPE_CHECKING:
    from provisioning.chain import StepReport

PASSING_WIDTH = 79  # so that an old terminal does not break the line that is overwritten
_WORDS = {"done": "OK", "skipped": "SKIP", "failed": "FAIL"}
_COLOURS = {"done": "32", "skipped": "36", "failed": "31"}


@dataclass(slots=True)
class Output:
    """One per run of the command."""

    redactor: Redactor
    language: str = "en"
    as_json: bool = False
    plain: bool = False
    stdout: IO[str] | None = None
    stderr: IO[str] | None = None

    def _out(self) -> IO[str]:
        return self.stdout or sys.stdout

    def _err(self) -> IO[str]:
        return self.stderr or sys.stderr

    def say(self, code: str, **fields: object) -> str:
        """A short phrase in the user's language."""
        return phrase(code, self.language, **fields)

    def event(self, event: Mapping[str, Any]) -> None:
        """One JSON object, one line. Only with `--json`."""
        if self.as_json:
            self._write(self._out(), json.dumps(event, ensure_ascii=False))

    def line(self, text: str) -> None:
        """One line for people. Not with `--json`."""
        if not self.as_json:
            self._write(self._out(), text)

    def note(self, text: str) -> None:
        """A remark for people, beside the results."""
        if not self.as_json:
            self._write(self._err(), text)

    def table(self, rows: Sequence[Sequence[str]]) -> None:
        """Columns for people; the first row holds the heads."""
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        for row in rows:
            self.line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

    def report(self, report: StepReport) -> None:
        """What became of a step."""
        event: dict[str, Any] = {
            "event": "step",
            "node": report.node,
            "step": report.step,
            "outcome": report.outcome,
        }
        if report.outcome in ("done", "failed"):
            event["seconds"] = round(report.seconds, 3)
        self.event({**event, **report.detail})
        if report.outcome in ("begin", "progress"):
            self._passing(report)
        else:
            self._clear_passing()
            self.line(self._step_line(report))

    def _passing(self, report: StepReport) -> None:
        """What goes on at the moment: on a terminal one line that the next one overwrites, else only what matters."""
        name = self.say(f"step-{report.step}")
        if report.outcome == "progress":
            remark = report.detail["text"]
        elif report.detail["interrupted"]:
            remark = self.say("say-interrupted")
        elif report.detail["attempt"] > 1:
            remark = self.say("say-begin", attempt=report.detail["attempt"])
        else:
            remark = ""
        if self._coloured():
            self._out().write(f"\r\x1b[K...   {name}  {self.redactor.clean(remark)}"[:PASSING_WIDTH])
            self._out().flush()
        elif remark and report.outcome == "begin":
            self.line(f"...   {name}  {remark}")

    def _clear_passing(self) -> None:
        if self._coloured():
            self._out().write("\r\x1b[K")

    def _step_line(self, report: StepReport) -> str:
        word, name = _WORDS[report.outcome].ljust(4), self.say(f"step-{report.step}")
        if self._coloured():
            word = f"\x1b[{_COLOURS[report.outcome]}m{word}\x1b[0m"
        if report.outcome == "skipped":
            return f"{word}  {name}  {self.say('say-skipped')}"
        if report.outcome == "done":
            return f"{word}  {name}  {report.seconds:.1f} s  {_told(report.detail)}".rstrip()
        return f"{word}  {name}"

    def error(self, error: SpatzError, *, node: str | None = None) -> None:
        """What happened, why, and what to do next."""
        told = explain(error.code, error.fields, self.language)
        self.event(
            {
                "event": "error",
                "node": node,
                "code": error.code,
                "what": told.what,
                "why": told.why,
                "next": told.next,
                "exit": error.exit_code,
            }
        )
        if not self.as_json:
            err = self._err()
            self._write(err, f"{told.what}")
            self._write(err, f"  {self.say('say-why')} {_indented(told.why)}")
            self._write(err, f"  {self.say('say-next')} {_indented(told.next)}")

    def _coloured(self) -> bool:
        import os

        return not (self.plain or self.as_json or "NO_COLOR" in os.environ) and self._out().isatty()

    def _write(self, stream: IO[str], text: str) -> None:
        stream.write(self.redactor.clean(text) + "\n")
        stream.flush()


def _told(detail: Mapping[str, Any]) -> str:
    """The plain values of a result, in the order the step gave them."""
    return "  ".join(f"{key}={value}" for key, value in detail.items() if value is not None and value != "")


def _indented(text: str) -> str:
    return text.replace("\n", "\n         ")


def set_up_logging(redactor: Redactor, *, verbose: bool) -> None:
    """One handler on the root logger, to the standard error, cleaning whatever any library logs."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter(redactor))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.INFO if verbose else logging.WARNING)
