"""The node's encoder: sizes, rounding, what is never sent, what is left out first, and no heap at all."""

import json
import random
from itertools import pairwise
from pathlib import Path

import pytest

import firmware.payload
from firmware.payload.encoder import ABSENT, encode_into, size_of
from firmware.payload.errors import PayloadTooLong
from firmware.payload.tables import air, climate_batch, count, fill, lab, light
from provisioning.codec.formats import lpp_tight
from provisioning.codec.loader import load
from provisioning.codec.sizes import REFERENCE
from tests.firmware.payload.runs import encode_on_node
from tests.on_micropython import ROOT, run_on_micropython

# payload.md section 1.1 and 1.2: bytes of the eight reference uplinks, typical values.
MOST_BYTES = (10, 11, 7, 16, 13, 6, 20, 14)
SCHEMA = load()
VECTORS = json.loads((ROOT / "tests" / "data" / "cbor-vectors.json").read_text("utf-8"))
STUDY = {v["hex"] for v in VECTORS if "typical" in v["source"] or "largest waste" in v["source"]}


def encoded(table, values, flags=0, limit=51):
    buf = bytearray(limit)
    return bytes(buf[: encode_into(table, values, flags, buf, limit)])


def fill_values(distance=1234, percent=47, temperature=2150, battery=3620, extension=(ABSENT,) * 3):
    return [distance, percent, temperature, battery, *extension]


@pytest.mark.parametrize(("name", "most"), zip(REFERENCE, MOST_BYTES, strict=True))
def test_a_reference_uplink_has_the_bytes_of_the_study(name, most):
    example = SCHEMA.profile(name).examples[0]

    fport, data = firmware.payload.encode(name, dict(example.report))

    assert len(data) <= most
    assert data.hex() in STUDY
    assert fport == SCHEMA.profile(name).fport


@pytest.mark.parametrize("profile", SCHEMA.profiles, ids=lambda profile: profile.name)
def test_every_example_of_a_profile_is_encoded_and_decoded_as_it_stands_there(profile):
    for example in profile.examples:
        assert firmware.payload.encode(profile.name, dict(example.report))[1].hex() == example.hex
        report = firmware.payload.decode(profile.fport, bytes.fromhex(example.hex))
        assert report.items() >= {k: v for k, v in example.report.items() if k != "flags"}.items()


def test_encoding_takes_no_heap_on_micropython():
    lines = run_on_micropython(Path(__file__).with_name("heap_here.py")).splitlines()

    assert [line.split()[2] for line in lines] == ["0"] * 15
    assert lines[0] == "fill 10 0"
    assert lines[10] == "climate-batch 20 0"


def test_the_node_says_the_same_as_the_host_about_what_does_not_fit(tmp_path):
    reports = [("fill", fill_values(extension=(5, 1, 90)), 3, limit) for limit in range(9, 20)]

    frames = encode_on_node(reports, tmp_path)

    for (_, values, flags, limit), frame in zip(reports, frames, strict=True):
        try:
            assert encoded(fill, values, flags, limit) == frame
        except PayloadTooLong:
            assert frame is None


@pytest.mark.parametrize(
    ("celsius_x100", "tenths"), [(2150, 215), (2154, 215), (2155, 216), (2145, 215), (-5, 0), (-6, -1), (-15, -1)]
)
def test_a_reading_between_two_steps_goes_to_the_nearer_and_a_half_goes_up(celsius_x100, tenths):
    report = firmware.payload.decode(20, encoded(fill, fill_values(temperature=celsius_x100)))

    assert report["temperature"] == tenths / 10


@pytest.mark.parametrize("reading", [None, "no-echo", -1, 10001, 2**29])
def test_what_is_no_valid_reading_is_sent_as_null_and_never_as_a_number(reading):
    assert encoded(fill, fill_values(distance=reading)).hex() == "84f6182f18d718b5"


def test_four_failed_sensors_make_the_report_smaller():
    assert encoded(fill, fill_values(None, None, None, None)).hex() == "84f6f6f6f6"


def test_a_clipped_field_sends_its_limit():
    assert encoded(light, [90000, 70000, 60] + [ABSENT] * 4).hex() == "8319ffff19ffff183c"


def test_flags_cost_nothing_until_there_are_some():
    assert encoded(fill, fill_values(), 0).hex() == "841904d2182f18d718b5"
    assert encoded(fill, fill_values(), 4).hex() == "851904d2182f18d718b504"


def test_an_extension_brings_the_flags_even_if_they_are_0():
    assert encoded(fill, fill_values(extension=(20, ABSENT, ABSENT))).hex() == "861904d2182f18d718b50014"


def test_an_extension_that_is_not_sent_before_one_that_is_becomes_null():
    assert encoded(fill, fill_values(extension=(ABSENT, 3, ABSENT))).hex() == "871904d2182f18d718b500f603"


def test_extensions_are_left_out_from_the_last_when_room_is_short_but_never_the_age():
    values = [21, None, 1240, 640, 3700, 47, [2321, 2304], 17, 20, 125, 250]
    full = encoded(air, values, 16)

    found = [firmware.payload.decode(21, encoded(air, values, 16, limit)) for limit in range(len(full), 13, -1)]

    assert all(report["age"] == 20 and report.flags == 16 and report["battery"] == 3.7 for report in found)
    sent = [[name for name in ("o3", "raw", "calibration", "pm25", "pm10") if report.get(name)] for report in found]
    assert sent[0] == ["o3", "raw", "calibration", "pm25", "pm10"]
    assert sent[-1] == []
    assert all(set(after) <= set(before) for before, after in pairwise(sent))
    assert ["o3"] in sent


def test_a_report_that_cannot_fit_is_refused_before_a_byte_is_written():
    buf = bytearray(b"\xaa" * 9)

    with pytest.raises(PayloadTooLong) as refused:
        encode_into(fill, fill_values(), 0, buf, 9)

    assert (refused.value.size, refused.value.limit) == (10, 9)
    assert buf == b"\xaa" * 9


def test_counts_travel_as_bytes_where_that_is_shorter():
    assert encoded(count, [[3, 0, 7, 24], 3620, ABSENT, ABSENT]).hex() == "82440300071818b5"
    assert encoded(count, [[3, 0, 7, 23], 3620, ABSENT, ABSENT]).hex() == "82840300071718b5"
    assert encoded(count, [[3, 256], 3620, ABSENT, ABSENT]).hex() == "8282031901 0018b5".replace(" ", "")
    assert encoded(count, [[None, 200], 3620, ABSENT, ABSENT]).hex() == "8282f618c818b5"


def test_steps_of_a_series_go_from_the_last_valid_reading():
    values = [10, [None, 2150, None, 2120], [560, None, None, 550], 3620, ABSENT]

    data = encoded(climate_batch, values)

    assert data.hex() == "840a84f618d7f622841870f6f62118b5"
    assert firmware.payload.decode(26, data)["temperature"] == [None, 21.5, None, 21.2]


def test_the_makers_map_sends_only_what_there_is():
    assert encoded(lab, [ABSENT, 2153, None] + [ABSENT] * 21, 2).hex() == "a30002011908690 2f6".replace(" ", "")


def test_the_size_is_known_without_writing():
    assert size_of(fill, fill_values(extension=(20, 1, 90)), 3) == len(
        encoded(fill, fill_values(extension=(20, 1, 90)), 3)
    )


def random_reference_report(rng, profile):
    """Uniform over the sensor ranges of payload.md section 1, version 1 fields only."""
    report = {}
    for field in profile.fields[: profile.base]:
        about = {"low": field.low, "high": field.high}
        if field.kind.name == "BOOL":
            report[field.name] = rng.random() < 0.5
        elif field.kind.name == "BYTES":
            report[field.name] = rng.randbytes(field.items).hex()
        elif field.kind.is_column:
            largest = min(about["high"], 255) if field.kind.name == "COUNTS" else about["high"]
            size = 12 if field.kind.name == "COUNTS" else 6
            report[field.name] = [in_units(field, rng.randint(about["low"], largest)) for _ in range(size)]
        else:
            report[field.name] = in_units(field, rng.randint(about["low"], about["high"]))
    return report


def in_units(field, wire):
    if field.kind.name == "CHOICE":
        return field.words[wire] if wire < len(field.words) else f"code {wire}"
    if field.kind.name == "VERSION":
        return f"{wire // 10000}.{wire // 100 % 100}.{wire % 100}"
    times, plus, per = field.scale
    return (wire * times + plus) / per


def beats_lpp(seed, count_):
    """Count random frames that are smaller than tight Cayenne LPP."""
    rng = random.Random(seed)
    smaller = 0
    for i in range(count_):
        profile = SCHEMA.profile(REFERENCE[i % len(REFERENCE)])
        report = random_reference_report(rng, profile)
        values = [(field, report[field.name]) for field in profile.fields[: profile.base]]
        smaller += len(firmware.payload.encode(profile.name, report)[1]) < lpp_tight(values)
    return smaller


def test_random_reports_are_smaller_than_tight_cayenne_lpp():
    assert beats_lpp(6, 4_000) == 4_000


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_two_hundred_thousand_random_reports_are_smaller_than_tight_cayenne_lpp():
    assert beats_lpp(7, 200_000) == 200_000
