"""`spatz payload` by hand: what it prints, in both forms, and how it fails."""

import json

import pytest

from provisioning.cli.main import run

FILL = "841904d2182f18d718b5"


def spatz(capsys, *arguments):
    """(exit status, standard output, standard error)"""
    status = run(["payload", *arguments])
    told = capsys.readouterr()
    return status, told.out, told.err


def test_decode_prints_values_with_units(capsys):
    status, out, _ = spatz(capsys, "decode", "20", FILL)

    assert status == 0
    assert "distance     1234 mm" in out
    assert "temperature  21.5 °C" in out


def test_decode_json_is_the_object_of_the_codec(capsys):
    _, out, _ = spatz(capsys, "decode", "20", FILL, "--json", "--received", "2026-11-22T04:00:00+01:00")

    assert json.loads(out) == {
        "profile": "fill", "flags": [], "warnings": [], "distance": 1234, "fill": 47, "temperature": 21.5,
        "battery": 3.62, "time": "2026-11-22T03:00:00.000Z",
    }  # fmt: skip


def test_decode_model_has_the_names_of_the_smart_data_models(capsys):
    _, out, _ = spatz(capsys, "decode", "20", FILL, "--json", "--model")

    assert json.loads(out)["fillingLevel"] == {"value": 0.47}


def test_decode_bytes_says_what_stands_where(capsys):
    _, out, _ = spatz(capsys, "decode", "31", "821281820203", "--bytes", "--json")

    assert [piece["hex"] for piece in json.loads(out)["pieces"]] == ["82", "12", "81820203"]


def test_encode_is_the_way_back(capsys):
    _, decoded, _ = spatz(capsys, "decode", "20", FILL, "--json")

    status, out, _ = spatz(capsys, "encode", "fill", decoded, "--json")

    assert (status, json.loads(out)) == (0, {"fport": 20, "hex": FILL, "bytes": 10})


def test_encode_splits_a_batch_that_is_too_long(capsys):
    report = {"step": 10, "temperature": [20.5] * 24, "humidity": [50.5] * 24, "battery": 3.6}

    _, out, _ = spatz(capsys, "encode", "climate-batch", json.dumps(report), "--limit", "36")

    assert [line.split()[0] for line in out.splitlines()] == ["26", "26"]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("decode", "20", "84190"), "not hexadecimal"),
        (("decode", "20", "841904"), "byte 0: 4 members, but 2 bytes left"),
        (("decode", "99", "80"), "FPort 99 is no profile"),
        (("decode", "20", FILL, "--received", "yesterday"), "yesterday is no ISO 8601 time"),
        (("decode", "20", FILL, "--received", "2026-11-22T04:00:00"), "has no time zone"),
        (("encode", "fill", "{"), "the report is no JSON"),
        (("encode", "fill", "[]"), "must be a JSON object"),
        (("encode", "fill", '{"distance": 99999}'), "distance: 99999 is outside 0 to 10000 mm"),
        (("encode", "full", "{}"), "no profile 'full'"),
    ],
)
def test_a_refusal_says_what_is_wrong_and_exits_with_2(capsys, arguments, reason):
    status, _, err = spatz(capsys, *arguments)

    assert status == 2
    assert reason in err


def test_check_passes_on_what_is_committed(capsys):
    assert spatz(capsys, "check")[0] == 0


def test_check_fails_when_a_file_differs(capsys, tmp_path):
    spatz(capsys, "build", "--root", str(tmp_path))
    (tmp_path / "docs/profiles/fill.md").write_text("", "utf-8")

    status, _, err = spatz(capsys, "check", "--root", str(tmp_path))

    assert status == 1
    assert "docs/profiles/fill.md" in err


def test_sizes_are_told_as_one_object_a_format(capsys):
    _, out, _ = spatz(capsys, "sizes", "--json")

    rows = {row["format"]: row for row in map(json.loads, out.splitlines())}
    assert rows["Spatz"]["sum"] == 97
    assert set(rows) == {"Spatz", "JSON", "SenML-CBOR", "LPP typed", "LPP tight", "protobuf", "packed bits"}


def test_new_makes_a_profile_that_builds_decodes_and_has_a_passing_test(capsys, tmp_path):
    profiles = tmp_path / "profiles"
    fields = ("--field", "pigeons:count:pir.count", "--field", "warmth:temperature:ds18b20.temperature")
    titles = ("--title-en", "Pigeons", "--title-de", "Tauben")

    status, out, _ = spatz(capsys, "new", "pigeon", *fields, *titles, "--folder", str(profiles), "--json")

    assert status == 0
    file, test = (tmp_path.joinpath(name) for name in json.loads(out)["files"])
    assert spatz(capsys, "build", "--profiles", str(profiles), "--root", str(tmp_path / "made"))[0] == 0
    assert 'SOURCES = ("pir.count"' in (tmp_path / "made/firmware/payload/tables/pigeon.py").read_text("utf-8")
    frame = file.read_text("utf-8").rpartition('hex = "')[2].rstrip('"\n')
    _, decoded, _ = spatz(capsys, "decode", "50", frame, "--profiles", str(profiles), "--json")
    assert json.loads(decoded)["profile"] == "pigeon"
    names = {"__file__": str(test)}
    exec(compile(test.read_text("utf-8"), test, "exec"), names)
    names["test_the_example_of_pigeon_survives_the_air"]()


def test_new_overwrites_nothing_and_takes_no_fport_twice(capsys, tmp_path):
    titles = ("--title-en", "P", "--title-de", "P", "--folder", str(tmp_path))
    assert spatz(capsys, "new", "pigeon", "--field", "count", *titles)[0] == 0

    again = spatz(capsys, "new", "pigeon", "--field", "count", *titles)
    taken = spatz(capsys, "new", "dove", "--field", "count", "--fport", "20", *titles)
    unknown = spatz(capsys, "new", "dove", "--field", "coo", *titles)

    assert (again[0], taken[0], unknown[0]) == (2, 2, 2)
    assert "there is a profile pigeon already" in again[2]
    assert "FPort 20 is taken by profile fill; 51 is free" in taken[2]
    assert "there is no quantity 'coo'" in unknown[2]
    assert not (tmp_path / "dove.toml").exists()


def test_new_leaves_nothing_behind_when_the_profile_cannot_work(capsys, tmp_path):
    arguments = ("new", "dove", "--field", "coo:temperature:pir.count", "--title-en", "D", "--title-de", "D")

    status, _, err = spatz(capsys, *arguments, "--folder", str(tmp_path / "p"))

    assert status == 2
    assert "pir.count gives single numbers of count" in err
    assert list((tmp_path / "p").iterdir()) == []


def test_a_refusal_is_told_in_german(capsys):
    _, _, err = spatz(capsys, "decode", "99", "80", "--lang", "de")

    assert err.startswith("Diese Nutzlast wird abgelehnt: FPort 99")
