"""A profile that cannot work is refused with file, field and reason; nothing is guessed."""

import shutil

import pytest

from provisioning.codec.errors import ProfileError
from provisioning.codec.loader import load, payload_dir
from provisioning.codec.schema import Kind

GOOD = """
name = "pond"
fport = 50
title = { de = "Teich", en = "Pond" }
about = { de = "Teich", en = "Pond" }
privacy_class = 0
model = "WeatherObserved"
downlinks = ["interval"]
interval_s = { default = 900, range = [60, 86400] }

[[field]]
name = "water"
quantity = "distance"

[[field]]
name = "warmth"
quantity = "temperature"
step = 0.1
range = [-40, 85]

[[extension]]
name = "age"
quantity = "age"

[[alarm]]
name = "low"
field = "water"
above = 900

[[example]]
title = "typical"
report = { water = 812, warmth = 14.4 }
hex = "8219032c1890"
"""


@pytest.fixture
def folder(tmp_path):
    """A copy of the payload package's data, to be damaged."""
    copy = tmp_path / "payload"
    copy.mkdir()
    for name in ("quantities.toml", "commands.toml"):
        shutil.copy(payload_dir() / name, copy)
    shutil.copytree(payload_dir() / "profiles", copy / "profiles")
    return copy


def refused(folder, text, name="pond"):
    (folder / "profiles" / f"{name}.toml").write_text(text, "utf-8")
    with pytest.raises(ProfileError) as error:
        load(folder)
    assert error.value.file == folder / "profiles" / f"{name}.toml"
    return error.value.field, error.value.reason


def test_a_good_profile_loads_with_its_numbers_in_wire_units(folder):
    (folder / "profiles" / "pond.toml").write_text(GOOD, "utf-8")

    profile = load(folder).profile("pond")

    assert (profile.fport, profile.base, profile.age, profile.largest) == (50, 2, 2, 9)
    warmth = profile.fields[1]
    assert (warmth.kind, warmth.step, warmth.low, warmth.high, warmth.scale) == (Kind.NUMBER, 10, -400, 850, (1, 0, 10))


def test_the_profiles_of_spatz_are_the_eleven_of_the_plan():
    ports = {profile.name: profile.fport for profile in load().profiles}

    assert ports == {
        "fill": 20, "air": 21, "light": 22, "count": 23, "level": 24, "parking": 25, "climate-batch": 26,
        "status": 30, "answer": 31, "event": 32, "lab": 39,
    }  # fmt: skip


def test_air_carries_what_the_design_says_in_its_order():
    air = load().profile("air")

    names = [field.name for field in air.fields]
    assert names[: air.base] == ["no2", "no", "temperature", "humidity", "battery"]
    assert names[air.base : air.base + 3] == ["o3", "raw", "calibration"]


@pytest.mark.parametrize(
    ("old", "new", "field", "reason"),
    [
        ("fport = 50", "fport = 20", "fport", "20 is taken by profile fill"),
        ("fport = 50", "fport = 0", "fport", "0 is not from 1 to 223"),
        ("fport = 50", "fport = 224", "fport", "224 is not from 1 to 223"),
        ("fport = 50", "fport = 40", "fport", "40 is reserved for commands or a package of the LoRa Alliance"),
        ("fport = 50", "fport = 202", "fport", "202 is reserved for commands or a package of the LoRa Alliance"),
        ("fport = 50", 'fport = "50"', "fport", "must be int, not '50'"),
        ("fport = 50", "fport = true", "fport", "must be int, not True"),
        ("fport = 50\n", "", "fport", "is missing"),
        ("fport = 50", "fport = 50\ncolour = 3", "colour", "is not known here"),
        ('name = "pond"', 'name = "lake"', "name", "'lake' differs from the file's name"),
        ('name = "pond"', 'name = "Pond"', "name", "'Pond' is not lower-case letters, digits, - and _"),
        ('en = "Pond" }\nabout', 'fr = "Étang" }\nabout', "title", "needs a text in de and en"),
        ("privacy_class = 0", "privacy_class = 3", "privacy_class", "is 0 (no personal relation), 1 or 2"),
        ('["interval"]', '["interval", "lmap"]', "downlinks", "'lmap' is not in commands.toml"),
        ("default = 900", "default = 9", "interval_s.default", "9 is not in 60..86400"),
        ('quantity = "distance"', 'quantity = "depth"', "field water.quantity", "'depth' is not in quantities.toml"),
        ('name = "warmth"', 'name = "water"', "field water", "is there twice"),
        ('name = "warmth"', 'name = "time"', "field time.name", "this name has a meaning of its own in decoded data"),
        ('name = "warmth"', 'name = "age"', "field age", "age is an extension: fresh reports do not carry it"),
        ("step = 0.1", "step = 0.003", "field warmth.step", "finer than 1/100 °C"),
        ("step = 0.1", "step = 0", "field warmth.step", "must be above 0"),
        ("[-40, 85]", "[-40, 85.05]", "field warmth.range", "no whole number of steps of 1/10 from 0"),
        ("[-40, 85]", "[85, -40]", "field warmth.range", "low 85 is above high -40"),
        ("[-40, 85]", "[-40, 850]", "field warmth.range", "-40..850 leaves the range of temperature, -55..125"),
        ("[-40, 85]", "[-40]", "field warmth.range", "must be two numbers, [low, high]"),
        ("step = 0.1", "step = 0.1\noffset = 0.005", "field warmth.offset", "finer than 1/100 °C"),
        ("step = 0.1", 'kind = "float"', "field warmth.kind", "is none of number, bool, bytes"),
        ("step = 0.1", "items = 4", "field warmth.items", "columns and bytes need at least 2, other kinds have none"),
        ("step = 0.1", 'kind = "series"', "field warmth.items", "columns and bytes need at least 2"),
        ("step = 0.1", 'kind = "choice"', "field warmth.words", "a choice needs its words, other kinds have none"),
        ("step = 0.1", 'attribute = { per = 100 }', "field warmth.attribute", "needs a name"),
        ("step = 0.1", 'source = "bme280.temperature"', "field warmth.source", "'bme280.temperature' is none of"),
        ("step = 0.1", 'source = "pir.count"', "field warmth.source", "pir.count gives single numbers of count"),
        ("step = 0.1", 'source = "sht4x.temperature"', "field water", "has no source, but other fields have"),
        ('field = "water"', 'field = "wader"', "alarm low.field", "'wader' is not a field of this profile"),
        ("above = 900", "", "alarm low", "says nothing"),
        ("above = 900", "abvoe = 900", "alarm low.abvoe", "is not known here"),
        ('hex = "8219032c1890"', 'hex = "xyz"', "example[0].hex", "is not hexadecimal"),
        ("privacy_class = 0", 'privacy_class = 0\nlayout = "list"', "layout", "'list' is not array, map or answer"),
        ("privacy_class = 0", "privacy_class = 0\nsplit = { step_min = 5 }", "split", "there is no column to split"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused_with_field_and_reason(folder, old, new, field, reason):
    assert GOOD.count(old) >= 1

    found_field, found_reason = refused(folder, GOOD.replace(old, new, 1))

    assert found_field == field
    assert found_reason.startswith(reason)


def test_more_bytes_than_the_slowest_data_rate_carries_need_a_split_rule(folder):
    column = '[[field]]\nname = "many"\nquantity = "count"\nkind = "counts"\nitems = 20\n'
    text = GOOD.replace("[[extension]]", column + "\n[[extension]]", 1)

    field, reason = refused(folder, text)
    assert (field, reason) == ("field", "may take 70 bytes, 51 are possible; shorten it or add a split rule")

    with_rule = text.replace("privacy_class = 0", "privacy_class = 0\nsplit = { step_min = 5 }", 1)
    (folder / "profiles" / "pond.toml").write_text(with_rule, "utf-8")
    assert load(folder).profile("pond").split == {"step_min": 5}


def test_a_split_rule_does_not_help_when_one_reading_is_too_long_already(folder):
    fields = "".join(f'[[field]]\nname = "n{i}"\nquantity = "value"\n' for i in range(9))
    column = '[[field]]\nname = "many"\nquantity = "count"\nkind = "counts"\nitems = 20\n'
    text = GOOD.replace("privacy_class = 0", "privacy_class = 0\nsplit = { step_min = 5 }", 1)

    field, reason = refused(folder, text.replace("[[extension]]", fields + column + "\n[[extension]]", 1))

    assert field == "field"
    assert reason.endswith("bytes, 51 are possible; shorten it")


def test_more_than_30_bits_are_refused_because_nodes_would_need_the_heap(folder):
    quantities = folder / "quantities.toml"
    wide = '\n[litres]\nunit = "l"\nper_unit = 1\nrange = [0, 1073741824]\ntitle = { de = "Liter", en = "Litres" }\n'
    quantities.write_text(quantities.read_text("utf-8") + wide, "utf-8")

    assert refused(folder, GOOD.replace('quantity = "distance"', 'quantity = "litres"')) == (
        "field water.range",
        "more than 30 bit on the wire",
    )


def test_a_file_that_is_no_toml_is_refused_with_the_line(folder):
    field, reason = refused(folder, GOOD + "\n[[field]\n")

    assert field == "file"
    assert reason.startswith("is not TOML: ")
    assert "line " in reason


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("quantities.toml", "key = 2\n", "key = 1\n", "quantities.toml: humidity.key: 1 is taken by temperature"),
        ("quantities.toml", "key = 2\n", "key = 24\n", "quantities.toml: humidity.key: 24 is not one byte on the air"),
        ("commands.toml", "key = 2\n", "key = 1\n", "commands.toml: command thresholds.key: 1 is taken by interval"),
        ("commands.toml", "fport = 40", "fport = 45", "commands.toml: fport: commands go to 40, groups to 41"),
        ("commands.toml", "[command.lamp]", "[command.seq]", "commands.toml: command seq: this name has a meaning"),
    ],
)
def test_registries_are_held_to_their_rules_too(folder, file, old, new, message):
    path = folder / file
    path.write_text(path.read_text("utf-8").replace(old, new, 1), "utf-8")

    with pytest.raises(ProfileError) as error:
        load(folder)

    assert str(error.value).startswith(message)
