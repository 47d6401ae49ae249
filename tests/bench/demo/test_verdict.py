"""The demo's verdict: each promise can be broken, and then the summary says so and the demo fails."""

import io
import json

import pytest

from bench.demo.ledger import Ledger, UplinkId
from bench.demo.screen import JsonScreen, PlainScreen, reading
from bench.demo.script import Demo, Summary

UPLINK = UplinkId("bin-1", "01020304", 0)


class Town:
    """What the verdict reads of a city; nothing runs."""

    def __init__(self):
        self.ledger = Ledger()
        record = self.ledger.node("bin-1", "fill")
        record.joined = True
        self.unheard = []
        self.micropython = "1.29.0"
        self.ledger.sent(UPLINK, 20, 1000, heard=True)
        self.ledger.arrived(UPLINK, {"fill": 47}, 2000)
        self.ledger.compare(UPLINK, {"fill": {47}})


def judge(town, *, commands=1, applied=1):
    out = io.StringIO()
    demo = Demo(town, JsonScreen(out), minutes=1)
    demo._commands, demo._commands_applied = commands, applied
    kept = demo._judge()
    return kept, [json.loads(line) for line in out.getvalue().splitlines()]


def test_a_run_without_fault_is_kept_and_its_last_line_is_the_summary():
    kept, lines = judge(Town())

    assert kept
    assert lines[-1] == {
        "event": "summary",
        "nodes": 1,
        "joined": 1,
        "uplinks_sent": 1,
        "uplinks_decoded": 1,
        "lost": 0,
        "mismatched": 0,
        "commands_applied": 1,
        "outage_s": 0.0,
        "buffered_max": 0,
        "micropython": "1.29.0",
    }
    assert set(lines[-1]) == {"event", *Summary.__slots__}


def not_joined(town):
    town.ledger.nodes["bin-1"].joined = False


def lost(town):
    town.ledger.sent(UplinkId("bin-1", "01020304", 1), 20, 9000, heard=True)


def mismatched(town):
    town.ledger.compare(UPLINK, {"fill": {48}})


def never_compared(town):
    town.ledger.compared = 0


def from_nowhere(town):
    town.ledger.arrived(UplinkId("bin-1", "01020304", 99), {}, 9000)


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        (not_joined, "joined"),
        (lost, "complete"),
        (mismatched, "equal"),
        (never_compared, "equal"),
        (from_nowhere, "complete"),
    ],
)
def test_each_fault_breaks_its_promise_and_no_other(fault, promise):
    town = Town()
    fault(town)

    kept, lines = judge(town)

    assert not kept
    assert [line["name"] for line in lines if line["event"] == "promise" and not line["kept"]] == [promise]


@pytest.mark.parametrize(("commands", "applied"), [(1, 0), (0, 0)])
def test_a_command_that_was_not_applied_or_not_even_sent_breaks_the_promise(commands, applied):
    kept, lines = judge(Town(), commands=commands, applied=applied)

    assert not kept
    assert [line["name"] for line in lines if line["event"] == "promise" and not line["kept"]] == ["obeyed"]


def test_plain_lines_say_what_is_simulated():
    out = io.StringIO()

    with PlainScreen(out) as screen:
        screen.tell("joined", "bin-1 joined.")

    assert "simulated" in out.getvalue().splitlines()[0]
    assert out.getvalue().splitlines()[1] == "bin-1 joined."


def test_a_reading_is_told_with_units_and_without_what_is_missing():
    told = reading({"fill": 47, "temperature": 21.5, "motion": None, "flags": []}, {"fill": "%", "temperature": "°C"})

    assert told == "fill 47 %, temperature 21.5 °C"
