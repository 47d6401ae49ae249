"""The journal remembers what was done, and survives what is done to it."""

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from provisioning.errors import KeyRefused, StateError
from provisioning.journal import Journal

ROOT = Path(__file__).parents[2]


@pytest.fixture
def file(tmp_path):
    return tmp_path / "journal.db"


@pytest.fixture
def journal(file):
    with Journal(file) as opened:
        yield opened


def test_a_device_is_enrolled_once(journal):
    first = journal.enrol("n1", "virtual", "fill")
    again = journal.enrol("n1", "virtual", "air")

    assert again.id == first.id
    assert again.profile == "air"


def test_a_step_counts_its_attempts_and_keeps_the_last_result(journal):
    device = journal.enrol("n1", "virtual", "fill")
    journal.begin(device, "deploy", "f1")
    journal.finish(device, "deploy", {"files": 3}, fingerprint="f1")
    attempt = journal.begin(device, "deploy", "f2")
    journal.fail(device, "deploy", "board-silent")

    record = journal.step(device, "deploy")
    assert attempt == 2
    assert (record.state, record.attempts, record.error, record.result) == ("failed", 2, "board-silent", {"files": 3})


def test_a_step_is_done_only_for_what_it_was_done_for(journal):
    device = journal.enrol("n1", "virtual", "fill")
    journal.begin(device, "keys", "a")
    journal.finish(device, "keys", {}, fingerprint="b")

    record = journal.step(device, "keys")
    assert record.is_done_for("b")
    assert not record.is_done_for("a")


def test_a_unit_belongs_to_one_device(journal):
    journal.set_unit(journal.enrol("n1", "virtual", "fill"), "240ac4123456")

    with pytest.raises(StateError) as caught:
        journal.set_unit(journal.enrol("n2", "virtual", "fill"), "240ac4123456")

    assert caught.value.fields["owner"] == "n1"


def test_a_dev_eui_is_given_once(journal):
    journal.set_dev_eui(journal.enrol("n1", "virtual", "fill"), "240ac4fffe123456")

    with pytest.raises(KeyRefused):
        journal.set_dev_eui(journal.enrol("n2", "virtual", "fill"), "240ac4fffe123456")


def test_every_begin_and_end_is_a_line_of_the_history(journal):
    device = journal.enrol("n1", "virtual", "fill")
    journal.begin(device, "keys", "")
    journal.finish(device, "keys", {"created": True}, fingerprint="")

    assert [(event.step, event.what) for event in journal.events(device)] == [("keys", "begin"), ("keys", "done")]
    assert journal.events() == journal.events(device)


def test_the_file_belongs_to_one_user(journal, file):
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_a_journal_of_a_later_version_is_not_touched(file):
    with Journal(file) as journal:
        journal._db.execute("PRAGMA user_version = 99")

    with pytest.raises(StateError) as caught:
        Journal(file)

    assert caught.value.code == "journal-version"


def test_a_file_that_is_no_journal_is_refused(file):
    file.write_bytes(b"x" * 5000)

    with pytest.raises(StateError):
        Journal(file)


WRITER = """
import sys
from pathlib import Path
from provisioning.journal import Journal
journal = Journal(Path(sys.argv[1]))
device = journal.enrol("n1", "virtual", "fill")
for number in range(10**6):
    journal.begin(device, "s", str(number))
    journal.finish(device, "s", {"number": number}, fingerprint=str(number))
    print(number, flush=True)
"""


@pytest.mark.parametrize("lines", [1, 7, 23])
def test_what_was_reported_as_done_is_there_after_a_kill(file, lines):
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(file)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    told = [int(writer.stdout.readline()) for _ in range(lines)][-1]
    writer.send_signal(signal.SIGKILL)
    writer.wait()

    with Journal(file) as journal:
        record = journal.step(journal.device("n1"), "s")
        assert record.result["number"] >= told
        assert record.state in ("done", "running")
        assert journal.begin(journal.device("n1"), "s", "") == record.attempts + 1


class JournalHistory(RuleBasedStateMachine):
    """Any order of begins, ends and reopenings: the journal says what a plain dict says."""

    def __init__(self):
        super().__init__()
        from tempfile import TemporaryDirectory

        self.directory = TemporaryDirectory()
        self.file = Path(self.directory.name) / "journal.db"
        self.journal = Journal(self.file)
        self.device = self.journal.enrol("n1", "virtual", "fill")
        self.expected = {}

    @rule(step=st.sampled_from("abc"), fingerprint=st.text(max_size=3))
    def begin(self, step, fingerprint):
        attempts = self.expected.get(step, ("", 0, ""))[1] + 1
        assert self.journal.begin(self.device, step, fingerprint) == attempts
        self.expected[step] = ("running", attempts, fingerprint)

    @rule(step=st.sampled_from("abc"), fingerprint=st.text(max_size=3))
    def finish(self, step, fingerprint):
        if step in self.expected:
            self.journal.finish(self.device, step, {}, fingerprint=fingerprint)
            self.expected[step] = ("done", self.expected[step][1], fingerprint)

    @rule(step=st.sampled_from("abc"))
    def fail(self, step):
        if step in self.expected:
            self.journal.fail(self.device, step, "x")
            self.expected[step] = ("failed", *self.expected[step][1:])

    @rule()
    def reopen(self):
        self.journal.close()
        self.journal = Journal(self.file)

    @invariant()
    def says_the_same(self):
        found = {
            record.name: (record.state, record.attempts, record.fingerprint)
            for record in self.journal.steps(self.device)
        }
        assert found == self.expected

    def teardown(self):
        self.journal.close()
        self.directory.cleanup()


JournalHistory.TestCase.settings = settings(max_examples=15, stateful_step_count=15, deadline=None)
TestJournalHistory = JournalHistory.TestCase


OPEN_AND_CLOSE = """
import sys
from pathlib import Path
from provisioning.journal import Journal

print("ready", flush=True)
sys.stdin.readline()
for _ in range(10):
    with Journal(Path(sys.argv[1])):
        pass
"""


def test_several_that_open_and_close_a_new_journal_at_the_same_moment_do_not_lock_one_another_out(tmp_path):
    neighbours = [
        subprocess.Popen(
            [sys.executable, "-c", OPEN_AND_CLOSE, tmp_path / "journal.db"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for neighbour in neighbours:
        assert neighbour.stdout.readline() == "ready\n"

    ends = [neighbour.communicate("go\n", timeout=60)[1] for neighbour in neighbours]

    assert [neighbour.returncode for neighbour in neighbours] == [0] * 6, ends
