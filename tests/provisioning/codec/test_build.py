"""What is committed is what the profiles say; a difference, a missing file and a left-over are all noticed."""

import subprocess
import sys
from pathlib import Path

import pytest

from provisioning.codec.build import build, check, generate
from provisioning.codec.errors import OutOfDate
from provisioning.codec.loader import load
from provisioning.codec.sizes import OURS, compare
from tests.on_micropython import ROOT

SCHEMA = load()


def test_what_is_committed_is_what_the_profiles_say():
    check(SCHEMA, ROOT)


def test_building_twice_changes_nothing(tmp_path):
    assert set(build(SCHEMA, tmp_path)) == set(generate(SCHEMA))

    assert build(SCHEMA, tmp_path) == []
    check(SCHEMA, tmp_path)


@pytest.mark.parametrize("path", ["firmware/payload/tables/fill.py", "docs/profiles/air.de.md"])
def test_an_edited_a_missing_and_a_left_over_file_are_each_named(tmp_path, path):
    build(SCHEMA, tmp_path)
    (tmp_path / path).write_text("edited by hand\n", "utf-8")
    (tmp_path / "firmware/payload/generated/spatz.js").unlink()
    (tmp_path / "firmware/payload/tables/gone.py").write_text("", "utf-8")

    with pytest.raises(OutOfDate) as error:
        check(SCHEMA, tmp_path)

    assert error.value.files == sorted([path, "firmware/payload/generated/spatz.js", "firmware/payload/tables/gone.py"])


def test_building_removes_what_is_left_over_and_spares_compiled_files(tmp_path):
    build(SCHEMA, tmp_path)
    left_over = tmp_path / "firmware/payload/tables/gone.py"
    left_over.write_text("", "utf-8")
    compiled = tmp_path / "firmware/payload/tables/__pycache__/fill.cpython-311.pyc"
    compiled.parent.mkdir()
    compiled.write_bytes(b"")

    assert build(SCHEMA, tmp_path) == ["firmware/payload/tables/gone.py"]

    assert not left_over.exists()
    assert compiled.exists()


def test_generated_python_is_as_the_formatter_would_have_it(tmp_path):
    build(SCHEMA, tmp_path)

    command = [sys.executable, "-m", "ruff", "format", "--check", "--config", str(ROOT / "pyproject.toml"), "."]
    done = subprocess.run(command, cwd=tmp_path / "firmware", capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout


def test_german_and_english_pages_say_the_same_numbers(tmp_path):
    build(SCHEMA, tmp_path)
    for english in (tmp_path / "docs/profiles").glob("*[!e].md"):
        if english.name.endswith(".de.md"):
            continue
        german = english.with_name(f"{english.stem}.de.md")
        digits = [[c for c in file.read_text("utf-8") if c.isdigit()] for file in (english, german)]
        assert digits[0] == digits[1], english.name


def test_the_comparison_is_that_of_the_study_where_formats_leave_no_choice():
    rows = {row.name: row for row in compare(SCHEMA)}

    # payload.md section 1.1
    assert rows[OURS].sizes == (10, 11, 7, 16, 13, 6, 20, 14)
    assert rows["LPP typed"].sizes == (17, 23, 13, 76, 27, 13, 46, 28)
    assert rows["LPP tight"].sizes == (15, 19, 10, 40, 22, 10, 46, 25)
    assert all(rows[OURS].total < row.total for name, row in rows.items() if name not in (OURS, "packed bits"))
    assert rows["packed bits"].total < rows[OURS].total


def test_time_on_the_air_is_that_of_the_study():
    rows = {row.name: row for row in compare(SCHEMA)}

    # payload.md section 1.3
    assert rows[OURS].airtimes_ms(7) == (62, 62, 57, 67, 62, 51, 72, 67)
    assert rows[OURS].airtimes_ms(12) == (1483, 1483, 1319, 1647, 1647, 1319, 1810, 1647)
    assert rows["LPP typed"].airtimes_ms(12)[3] is None


def test_the_sources_of_the_javascript_are_part_of_the_package():
    folder = Path(build.__code__.co_filename).parent

    assert (folder / "codec.js").is_file()
    assert (folder / "codec-downlink.js").is_file()
