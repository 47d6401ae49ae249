"""Other programs are run with a deadline, and their words are cleaned."""

import subprocess
import sys
import time
from pathlib import Path

import pytest

from provisioning.errors import BoardError, BoardSilent, PortError, ProgramError, WrongBoard
from provisioning.esptool import _meaning
from provisioning.processes import Finished, run
from provisioning.redaction import Redactor


def python(code):
    return [sys.executable, "-c", code]


def test_status_and_both_streams_are_kept():
    ended = run(python("import sys; print('out'); print('err', file=sys.stderr); sys.exit(7)"), 10, Redactor())

    assert ended.status == 7
    assert sorted(ended.output.split()) == ["err", "out"]


def test_what_looks_like_a_key_is_taken_out():
    ended = run(python("print('key ' + 'a1' * 16)"), 10, Redactor())

    assert "a1a1" not in ended.output


def test_a_program_that_hangs_is_ended_with_its_children():
    code = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    started = time.monotonic()

    with pytest.raises(ProgramError) as caught:
        run(python(code), 0.5, Redactor())

    assert caught.value.code == "program-hangs"
    assert time.monotonic() - started < 20


def test_a_missing_program_is_named():
    with pytest.raises(ProgramError) as caught:
        run(["no-such-program-here"], 1, Redactor())

    assert caught.value.fields["program"] == "no-such-program-here"


@pytest.mark.parametrize(
    ("text", "kind", "code"),
    [
        ("A fatal error occurred: Could not open /dev/x, the port is busy or doesn't exist.", PortError, "port-busy"),
        ("Could not exclusively lock port /dev/x: [Errno 11]", PortError, "port-busy"),
        ("A fatal error occurred: This chip is ESP32-S3, not ESP32. Wrong chip", WrongBoard, "chip-differs"),
        ("Failed to connect to ESP32: No serial data received.", BoardSilent, "boot-rom-silent"),
        ("/usr/bin/python3: No module named esptool", ProgramError, "program-missing"),
        ("A fatal error occurred: MD5 of file does not match data in flash!", BoardError, "esptool-failed"),
    ],
)
def test_what_esptool_says_leads_to_the_right_advice(text, kind, code):
    error = _meaning(Finished(2, text), "/dev/x", "esp32")

    assert type(error) is kind
    assert error.code == code


def test_only_the_last_lines_are_told():
    assert Finished(1, "\n".join(str(number) for number in range(100))).tail().splitlines()[0] == "88"


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="prctl is Linux's")
def test_a_program_that_holds_a_port_ends_even_when_we_are_killed(tmp_path):
    mark = tmp_path / "pid"
    inner = f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    outer = (
        "import sys\nfrom provisioning.processes import run\nfrom provisioning.redaction import Redactor\n"
        f"run([sys.executable, '-c', {inner!r}], 60, Redactor(), dies_with_us=True)"
    )
    root = Path(__file__).parents[2]
    parent = subprocess.Popen(python(outer), cwd=root)
    until = time.monotonic() + 20
    while not (mark.exists() and mark.read_text()) and time.monotonic() < until:
        time.sleep(0.01)
    child = Path("/proc") / mark.read_text()

    parent.kill()
    parent.wait()

    while child.exists() and "Z" not in (child / "stat").read_text().split()[2] and time.monotonic() < until:
        time.sleep(0.01)
    assert not child.exists() or (child / "stat").read_text().split()[2] == "Z"
