"""NODE.toml: what is taken, what is refused, and how exactly the place is named."""

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.errors import SettingsError
from provisioning.regions import known_regions
from provisioning.settings import join_eui, line_of, load, parse

WHOLE = """\
name = "bin-1"
board = "virtual"
profile = "fill"
report_interval_s = 600

[calibration]
empty_mm = 1500

[identity]
dev_eui = "24:0A:C4:FF:FE:12:34:56"
join_eui = "70B3D57ED0000001"

[firmware]
image = "image.bin"

[network]
application = "Bins"
tags = { street = "Hansaplatz" }
"""
PATH = Path("NODE.toml")


def refused(text: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        parse(text, PATH)
    return caught.value


def test_a_whole_file_is_taken_as_it_is():
    settings = parse(WHOLE, PATH)

    assert (settings.name, settings.report_interval_s) == ("bin-1", 600)
    assert settings.calibration == {"empty_mm": 1500}
    assert join_eui(settings) == "70b3d57ed0000001"


def test_three_lines_are_enough():
    settings = parse('name = "a"\nboard = "virtual"\nprofile = "fill"\n', PATH)

    assert settings.identity.dev_eui == "mac"
    assert settings.report_interval_s == 900


def test_an_unknown_key_is_refused_with_its_line_and_a_guess():
    error = refused(WHOLE.replace("application", "aplication"))

    assert error.code == "settings-unknown-key"
    assert error.fields["line"] == 17
    assert error.fields["key"] == "network.aplication"
    assert error.fields["hint"] == "application"


def test_an_unknown_table_is_refused_with_its_line():
    error = refused(WHOLE + '\n[gateway]\nid = "auto"\n')

    assert (error.fields["line"], error.fields["key"]) == (20, "gateway")


@pytest.mark.parametrize(
    ("old", "new", "line", "key"),
    [
        ("report_interval_s = 600", "report_interval_s = 5", 4, "report_interval_s"),
        ("report_interval_s = 600", 'report_interval_s = "often"', 4, "report_interval_s"),
        ("empty_mm = 1500", "empty_mm = 15.5", 7, "calibration"),
        ('name = "bin-1"', 'name = "bin 1"', 1, "name"),
        ('board = "virtual"', 'board = "../virtual"', 2, "board"),
        ('tags = { street = "Hansaplatz" }', "tags = { street = 5 }", 18, "network.tags"),
    ],
)
def test_a_wrong_value_is_refused_with_line_key_and_reason(old, new, line, key):
    error = refused(WHOLE.replace(old, new))

    assert error.code == "settings-value"
    assert error.fields["line"] == line
    assert str(error.fields["key"]).startswith(key)
    assert error.fields["reason"]


def test_a_missing_key_is_named():
    assert refused('name = "a"\nprofile = "fill"\n').fields["key"] == "board"


def test_a_syntax_error_names_the_line():
    assert "line 2" in str(refused('name = "a"\nboard = \n').fields["reason"])


@pytest.mark.parametrize("eui", ["123", "70b3d57ed000000g", "ff" * 8])
def test_an_eui_that_is_none_is_refused_with_its_line(eui):
    error = refused(WHOLE.replace("70B3D57ED0000001", eui))

    assert ":11 identity.join_eui" in str(error.fields["where"])


def test_a_region_we_cannot_speak_is_refused():
    error = refused('region = "CN470"\n' + WHOLE)
    assert error.fields["line"] == 1
    assert "AS923-2" in error.fields["reason"]


@pytest.mark.parametrize("region", known_regions())
def test_every_region_of_the_node_is_accepted(region):
    assert parse(f'region = "{region}"\n' + WHOLE, Path("NODE.toml")).region == region


def test_a_missing_file_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path / "none.toml")

    assert caught.value.exit_code == 2


@given(st.text(max_size=200))
def test_any_text_is_either_taken_or_refused_as_a_settings_error(text):
    with contextlib.suppress(SettingsError):
        parse(text, PATH)


@given(st.text(max_size=100), st.lists(st.text(max_size=5), max_size=3).map(tuple))
def test_looking_for_a_line_never_fails(text, keys):
    assert 1 <= line_of(text, keys) <= max(1, len(text.splitlines()))


def test_class_and_packages_are_taken():
    settings = parse('class = "C"\npackages = ["clock-sync", "multicast-setup"]\n' + WHOLE, PATH)

    assert (settings.device_class, settings.packages) == ("C", ("clock-sync", "multicast-setup"))
    assert (parse(WHOLE, PATH).device_class, parse(WHOLE, PATH).packages) == ("A", ())


@pytest.mark.parametrize(
    ("line", "key", "reason"),
    [
        ('class = "B"', "class", "Invalid enum value 'B'"),
        ('packages = ["clock"]', "packages", "clock: the packages are certification, clock-sync"),
        ('packages = ["multicast-setup"]', "packages", 'multicast-setup needs class = "C"'),
    ],
)
def test_a_class_or_package_that_cannot_be_is_refused(line, key, reason):
    error = refused(line + "\n" + WHOLE)

    assert error.fields["key"] == key
    assert reason in str(error.fields["reason"])


def test_a_node_that_shall_be_personalised_is_told_that_nodes_join():
    error = refused(WHOLE.replace("[identity]\n", '[identity]\nactivation = "abp"\n'))

    assert (error.fields["key"], error.fields["line"]) == ("identity.activation", 10)
    assert "a node joins" in str(error.fields["reason"])


def test_a_modem_is_class_a_without_packages():
    text = WHOLE.replace("virtual", "esp32_rak3172")

    assert "has a modem" in str(refused('class = "C"\n' + text).fields["reason"])
    assert "has a modem" in str(refused('packages = ["clock-sync"]\n' + text).fields["reason"])
    assert "has a modem" in str(refused("strict_join = true\n" + text).fields["reason"])
