"""The JavaScript codec as servers run it: small, strict, ES5.1, the same in time zones, saying warnings in data."""

import ast
import json
import re
import shutil
import subprocess
from datetime import UTC, datetime

import pytest
import quickjs
import yaml

import firmware.payload
from provisioning.codec.javascript import MAX_CODEC_BYTES
from tests.firmware.payload.reports import CATALOG
from tests.firmware.payload.runs import GENERATED, Codec

TEXT = (GENERATED / "spatz.js").read_text("utf-8")
CHIRPSTACK = GENERATED / "repositories" / "chirpstack" / "codecs"
THINGS_STACK = GENERATED / "repositories" / "the-things-stack"
PROGRAM = re.sub(r'"[^"]*"', '""', TEXT.partition("\n")[2])  # without what stands in strings
FILL = list(bytes.fromhex("841904d2182f18d718b5"))


def test_the_codec_for_all_profiles_with_downlinks_is_at_most_five_kilobytes():
    assert len(TEXT.encode()) <= MAX_CODEC_BYTES == 5000


def test_the_codec_has_no_word_that_es5_does_not_know():
    assert not re.search(r"=>|`|\b(let|const|class|async|await|yield|import|export)\b|\.\.\.", PROGRAM)


def test_the_codec_asks_nothing_of_its_host_but_what_es5_has():
    calls = set(re.findall(r"\b([A-Z][a-zA-Z]{2,})\b(?=[.(])", PROGRAM))

    assert calls <= {"Error", "Object", "Date"}


def test_the_codec_declares_every_variable_so_it_runs_as_a_strict_module():
    context = quickjs.Context()
    context.eval(f"globalThis.input = {json.dumps({'fPort': 20, 'bytes': FILL})};")

    context.module(TEXT + ";globalThis.output = JSON.stringify(decodeUplink(input));")

    assert json.loads(context.eval("output"))["data"]["distance"] == 1234


def test_a_date_as_chirpstack_hands_it_over_gives_the_time_in_utc():
    context = quickjs.Context()
    context.eval(TEXT)
    call = f"decodeUplink({{fPort: 20, bytes: {FILL}, recvTime: new Date(1795314600000), variables: {{}}}})"

    data = json.loads(context.eval(f"JSON.stringify({call})"))["data"]

    report = firmware.payload.decode(20, bytes(FILL), datetime.fromtimestamp(1795314600, UTC))
    assert data == report.data()
    assert data["time"] == "2026-11-22T02:30:00.000Z"


@pytest.mark.parametrize("text", ["860a8218d7208218700118b51014", "84f68218d7208218700118b5"])
def test_a_batch_gets_the_same_times_from_python_and_javascript(text):
    data = bytes.fromhex(text)

    found = Codec().decode(26, data, recvTime="2026-11-22T03:00:00Z")["data"]

    assert found == firmware.payload.decode(26, data, datetime(2026, 11, 22, 3, 0, tzinfo=UTC)).data()


def test_warnings_and_flags_are_also_in_the_data_because_chirpstack_drops_warnings():
    result = Codec().decode(22, bytes.fromhex("89188f1825183c0500f6f6f61863"))

    assert result["warnings"] == result["data"]["warnings"] == ["unknown value 8"]
    assert result["data"]["flags"] == ["low_battery", "tamper"]


@pytest.mark.parametrize(
    ("fport", "text", "error"),
    [
        (20, "841904d2182f18", "byte 6: cut off"),
        (20, "831904d2182f18d7", "fill: not 4..999 items"),
        (20, "841904d2186518d718b5", "fill: 101 not in 0..100"),
        (99, "80", "FPort 99 unknown"),
        (20, "849a00ffffff00", "byte 1: length 16777215"),
    ],
)
def test_an_error_names_the_place(fport, text, error):
    assert Codec().decode(fport, bytes.fromhex(text)) == {"errors": [error]}


def test_the_examples_for_chirpstack_pass_as_its_repository_compares_them():
    codec = Codec(CHIRPSTACK / "spatz.js")
    for kind, function in (("decode", "decodeUplink"), ("encode", "encodeDownlink")):
        tests = json.loads((CHIRPSTACK / f"test_{kind}_spatz.json").read_text("utf-8"))
        assert len(tests) >= 7
        for test in tests:
            # The order of keys matters there: both sides go through JSON.stringify.
            assert json.dumps(codec.call(function, test["input"])) == json.dumps(test["expected"]), test["name"]


def test_the_examples_for_the_things_stack_pass_in_all_three_functions():
    codec = Codec(THINGS_STACK / "spatz.js")
    document = yaml.safe_load((THINGS_STACK / "spatz-codec.yaml").read_text("utf-8"))
    for part, function in (
        ("uplinkDecoder", "decodeUplink"),
        ("downlinkEncoder", "encodeDownlink"),
        ("downlinkDecoder", "decodeDownlink"),
    ):
        assert document[part]["fileName"] == "spatz.js"
        assert len(document[part]["examples"]) >= 7
        for one in document[part]["examples"]:
            result = codec.call(function, one["input"])
            assert {key: value for key, value in result.items() if value} == one["output"], one["description"]


def test_every_profile_and_every_command_is_among_the_examples():
    decode = json.loads((CHIRPSTACK / "test_decode_spatz.json").read_text("utf-8"))

    assert {test["input"]["fPort"] for test in decode} == {about["fport"] for about in CATALOG.profiles}


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node.js on this machine; QuickJS has judged the codec")
def test_node_js_reads_the_same_in_another_time_zone():
    program = (
        '"use strict";'
        + TEXT
        + f";console.log(JSON.stringify(decodeUplink({{fPort:20,bytes:{FILL},recvTime:new Date(0)}})))"
    )

    done = subprocess.run(
        ["node", "-e", program],
        env={"TZ": "Asia/Kolkata", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(done.stdout)["data"]["time"] == "1970-01-01T00:00:00.000Z"


def test_reasons_and_flags_have_the_same_words_everywhere():
    from firmware.payload import commands, encoder, report
    from provisioning.codec import javascript, loader

    assert tuple(report.REASONS) == javascript.REASONS
    codes = [getattr(commands, word.upper()) for word in javascript.REASONS]
    assert codes == list(range(1, len(codes) + 1))
    source = ast.parse((GENERATED.parent / "encoder.py").read_text("utf-8"))
    flags = {
        node.targets[0].id.lower(): node.value.value
        for node in source.body
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, int)
    }
    assert {word: 1 << bit for bit, word in enumerate(loader.FLAG_WORDS)} == flags
    assert encoder.DROPPED == 128
