"""One report, five readers: node on MicroPython, Python, JavaScript in QuickJS, cbor2 and a CDDL validator agree."""

import json
import random

import cbor2
import pytest

from firmware.payload.encoder import ABSENT, encode_into
from firmware.payload.errors import PayloadError
from firmware.payload.fields import Table
from tests.firmware.payload.cbor_here import MALFORMED
from tests.firmware.payload.reports import CATALOG, POSITIONAL, WITH_VALUES, expected_data, module_of, random_report
from tests.firmware.payload.runs import Cddl, Codec, encode_on_node

REPORTS = 4_000
FUZZED = 6_000
LIMIT = 242  # nothing is left out: what does not fit into a frame is another test


def random_reports(seed, count):
    rng = random.Random(seed)
    for i in range(count):
        about = WITH_VALUES[i % len(WITH_VALUES)]
        yield about, *random_report(rng, about)


def agree(reports, tmp_path):
    """Check that all five make the same of every report; returns how many there were."""
    reports = list(reports)
    frames = encode_on_node([(module_of(a), values, flags, LIMIT) for a, values, flags in reports], tmp_path)
    assert len(frames) == len(reports)
    javascript = Codec().decode_all(
        [(about["fport"], data) for (about, _, _), data in zip(reports, frames, strict=True)]
    )
    schemas = {about["name"]: Cddl(about["name"]) for about in WITH_VALUES}
    tables = {about["name"]: Table(about) for about in WITH_VALUES}
    buf = bytearray(LIMIT)
    for (about, values, flags), data, js in zip(reports, frames, javascript, strict=True):
        told = (about["name"], values, flags, data.hex())
        expected = expected_data(about, values, flags)
        report = CATALOG.decode(about["fport"], data)
        assert report.data() == expected, told
        assert report.flags == flags, told
        assert js == {"data": expected, "warnings": []}, told
        assert bytes(buf[: encode_into(tables[about["name"]], values, flags, buf, LIMIT)]) == data, told
        assert cbor2.dumps(cbor2.loads(data), canonical=True) == data, told
        assert schemas[about["name"]].accepts(data), told
    return len(reports)


def test_node_python_javascript_cbor2_and_cddl_agree_on_random_reports(tmp_path):
    assert agree(random_reports(1, REPORTS), tmp_path) == REPORTS


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_all_agree_on_a_hundred_thousand_reports(tmp_path):
    for seed in range(10):
        assert agree(random_reports(100 + seed, 10_000), tmp_path) == 10_000


def longer_arrays(seed, count):
    """Frames of newer profiles: all our places filled, then values nobody knows."""
    rng = random.Random(seed)
    for i in range(count):
        about = POSITIONAL[i % len(POSITIONAL)]
        values, flags = random_report(rng, about)
        table = Table(about)
        buf = bytearray(LIMIT)
        items = cbor2.loads(bytes(buf[: encode_into(table, values, flags, buf, LIMIT)]))
        items += [flags] * (len(items) == about["base"])
        items += [None] * (len(about["fields"]) + 1 - len(items))
        unknown = [rng.choice([0, -70000, None, True, b"new", [1, [2]], {1: 2}]) for _ in range(rng.randint(1, 2))]
        data = expected_data(about, [None if v == ABSENT else v for v in values], flags)
        data["warnings"] = [f"unknown value {len(items) + n}" for n in range(len(unknown))]
        yield about, cbor2.dumps(items + unknown, canonical=True), data


def test_arrays_of_newer_profiles_are_read_as_far_as_they_are_known():
    schemas = {about["name"]: Cddl(about["name"]) for about in POSITIONAL}
    frames = list(longer_arrays(2, 1_000))

    results = Codec().decode_all([(about["fport"], data) for about, data, _ in frames])

    for (about, data, expected), js in zip(frames, results, strict=True):
        assert CATALOG.decode(about["fport"], data).data() == expected
        assert js == {"data": expected, "warnings": expected["warnings"]}
        assert schemas[about["name"]].accepts(data)


@pytest.mark.parametrize("about", POSITIONAL, ids=lambda about: about["name"])
def test_fewer_items_than_version_1_has_are_refused_by_all(about):
    items = cbor2.loads(next(data for other, data, _ in longer_arrays(3, 500) if other is about))

    for count in range(about["base"]):
        data = cbor2.dumps(items[:count], canonical=True)
        with pytest.raises(PayloadError):
            CATALOG.decode(about["fport"], data)
        assert Codec().decode(about["fport"], data)["errors"]
        assert not Cddl(about["name"]).accepts(data)


def hostile_frames(seed, count):
    """Valid frames cut, bent and spliced, malformed items where values belong, and noise."""
    rng = random.Random(seed)
    fports = [about["fport"] for about in CATALOG.profiles]
    bad = [bytes.fromhex(text) for _, text in MALFORMED if text]
    good = []
    buf = bytearray(LIMIT)
    for about, values, flags in random_reports(seed, 300):
        good.append((about["fport"], bytes(buf[: encode_into(Table(about), values, flags, buf, LIMIT)])))
    good += [(31, bytes.fromhex(text)) for text in ("821100", "821281820203", "831100449f3c12a7")]
    for _ in range(count):
        fport, frame = rng.choice(good)
        data = bytearray(frame)
        way = rng.randrange(7)
        if way == 0:
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        elif way == 1:
            del data[rng.randrange(len(data)) :]
        elif way == 2:
            data.insert(rng.randrange(len(data) + 1), rng.randrange(256))
        elif way == 3:
            at = rng.randrange(1, len(data) + 1)
            data[at : at + rng.randrange(4)] = rng.choice(bad)
        elif way == 4:
            data = bytearray(rng.randbytes(rng.randrange(24)))
        elif way == 5:
            del data[rng.randrange(len(data))]
        else:
            fport = rng.choice([*fports, 0, 1, 40, 99, 224])
        yield fport, bytes(data)


def judge_hostile(frames):
    """Python and JavaScript refuse the same frames and read the rest alike; returns how many were refused."""
    refused = 0
    for (fport, data), js in zip(frames, Codec().decode_all(frames), strict=True):
        data_or_reason = decoded(fport, data)
        told = (fport, data.hex(), js, data_or_reason)
        if isinstance(data_or_reason, str):
            assert list(js) == ["errors"], told
            assert ": " in data_or_reason or "FPort" in data_or_reason, told
            refused += 1
        else:
            assert js.get("data") == data_or_reason, told
    return refused


def decoded(fport, data):
    """What Python reads, or the text of its refusal."""
    try:
        return CATALOG.decode(fport, data).data()
    except PayloadError as error:
        return str(error)


def test_hostile_frames_are_refused_or_read_alike_by_python_and_javascript():
    frames = list(hostile_frames(4, FUZZED))

    refused = judge_hostile(frames)

    assert FUZZED // 2 < refused < FUZZED


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_a_million_hostile_frames_are_refused_or_read_alike():
    for seed in range(100):
        judge_hostile(list(hostile_frames(1000 + seed, 10_000)))


def test_json_keys_come_in_the_same_order_from_python_and_javascript():
    codec = Codec()

    for about, values, flags in random_reports(5, 200):
        buf = bytearray(LIMIT)
        data = bytes(buf[: encode_into(Table(about), values, flags, buf, LIMIT)])
        told = json.dumps(CATALOG.decode(about["fport"], data).data())
        assert json.dumps(codec.decode(about["fport"], data)["data"]) == told


def test_an_array_as_long_as_a_frame_can_carry_is_still_read():
    data = bytes([0x98, 230]) + bytes(230)

    assert Codec().decode(20, data)["data"] == CATALOG.decode(20, data).data()
