"""People's side: values with units and names, strict refusals that name the place, and time."""

import random
from datetime import UTC, datetime, timedelta, timezone

import pytest

import firmware.payload
from firmware.payload.encoder import encode_into
from firmware.payload.errors import CborError, DecodeError, ReportError
from firmware.payload.fields import Table
from firmware.payload.report import as_decoded
from tests.firmware.payload.reports import WITH_VALUES, random_report
from tests.firmware.payload.runs import Codec

RECEIVED = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


def decode(fport, text, received=None):
    return firmware.payload.decode(fport, bytes.fromhex(text), received)


def test_a_report_is_a_dictionary_of_values_with_units():
    report = decode(20, "841904d2182f18d718b5")

    assert report == {"distance": 1234, "fill": 47, "temperature": 21.5, "battery": 3.62}
    assert report.units() == {"distance": "mm", "fill": "%", "temperature": "°C", "battery": "V"}
    assert (report.profile, report.flags, report.flag_words, report.warnings) == ("fill", 0, [], [])


def test_flags_have_words_and_unknown_ones_a_number():
    report = decode(20, "85f6f6f6f619 0103".replace(" ", ""))

    assert (report.flags, report.flag_words) == (259, ["low_battery", "sensor_fault", "bit 8"])


@pytest.mark.parametrize(
    ("fport", "text", "reason"),
    [
        (99, "80", "FPort 99 is no profile"),
        (40, "8211a101190384", "FPort 40 is no profile"),
        (20, "831904d2182f18d7", "fill: not an array of at least 4"),
        (20, "a0", "fill: not an array of at least 4"),
        (20, "84f5182f18d718b5", "distance: True is no whole number from 0 to 10000"),
        (20, "8420182f18d718b5", "distance: -1 is no whole number from 0 to 10000"),
        (20, "841904d2186518d718b5", "fill: 101 is no whole number from 0 to 100"),
        (20, "844100182f18d718b5", "distance: b'\\x00' is no whole number from 0 to 10000"),
        (20, "851904d2182f18d718b5f6", "flags: None is no whole number from 0 to 65535"),
        (25, "83011889 18b5", "occupied: not true or false"),
        (30, "861928a202034 39f3c121118b5", "config: not 4 bytes"),
        (23, "828018b5", "counts: not 1 to 12 readings"),
        (23, "828d0000000000000000000000000018b5", "counts: not 1 to 12 readings"),
        (26, "840a8218d7208118 7018b5", "humidity: columns differ in length"),
        (26, "840a8219035219ffff 82187001 18b5", "temperature: 66385 is no whole number from -400 to 850"),
        (31, "8111", "answer: not an array of at least 2"),
        (31, "821180", "result: not 0 or refusals"),
        (31, "8211818102", "result: not [key, code]"),
        (31, "8211f4", "result: not 0 or refusals"),
        (39, "80", "lab: not a map"),
    ],
)
def test_a_refusal_names_what_is_wrong(fport, text, reason):
    with pytest.raises(DecodeError) as refused:
        decode(fport, text.replace(" ", ""))

    assert str(refused.value) == reason


@pytest.mark.parametrize("text", ["841904d2182f18d7", "841904d2182f18d718b500", "9f1904d2182f18d718b5ff"])
def test_what_is_no_cbor_of_ours_is_refused_with_the_byte(text):
    with pytest.raises(CborError, match=r"^byte \d+: "):
        decode(20, text)


@pytest.mark.parametrize(
    ("profile", "report", "reason"),
    [
        ("fil", {}, "no profile 'fil'; there are air, answer, climate-batch"),
        ("fill", {"distanz": 1}, "distanz: no field of profile fill"),
        ("fill", {"distance": 12000}, "distance: 12000 is outside 0 to 10000 mm"),
        ("fill", {"distance": "far"}, "distance: 'far' is no number"),
        ("fill", {"distance": True}, "distance: True is no number"),
        ("fill", {"distance": float("nan")}, "distance: nan is no number"),
        ("fill", {"flags": ["tired"]}, "flags: 'tired' is none of low_battery"),
        ("parking", {"occupied": 1}, "occupied: 1 is not true or false"),
        ("status", {"config": "9f3c"}, "config: '9f3c' is not 4 bytes"),
        ("status", {"firmware": "1.4"}, "firmware: '1.4' is not three numbers below 100"),
        ("status", {"reset": "boredom"}, "reset: 'boredom' is none of unknown"),
        ("count", {"counts": []}, "counts: needs a list of 1 to 12 readings"),
        ("climate-batch", {"step": 10, "temperature": [1, 2], "humidity": [50]}, "humidity: columns differ in length"),
    ],
)
def test_a_report_that_cannot_be_sent_is_refused_before_it_is(profile, report, reason):
    with pytest.raises(ReportError) as refused:
        firmware.payload.encode(profile, report)

    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("about", WITH_VALUES, ids=lambda about: about["name"])
def test_what_is_decoded_can_be_encoded_again(about):
    rng = random.Random(about["fport"])
    buf = bytearray(242)
    for _ in range(50):
        values, flags = random_report(rng, about)
        data = bytes(buf[: encode_into(Table(about), values, flags, buf, len(buf))])
        report = firmware.payload.decode(about["fport"], data)
        assert firmware.payload.encode(about["name"], report.data()) == (about["fport"], data)


def test_the_observation_was_as_long_before_the_reception_as_the_age_says():
    report = decode(20, "861904d2182f18d718b51014", RECEIVED)

    assert report.time == RECEIVED - timedelta(minutes=20)
    assert report.data()["time"] == "2026-11-22T02:40:00.000Z"


def test_reading_i_of_n_was_taken_at_reception_minus_age_minus_the_steps_after_it():
    report = decode(26, "860a8218d7208218700118b51014", RECEIVED)

    assert report.time == [RECEIVED - timedelta(minutes=30), RECEIVED - timedelta(minutes=20)]


def test_times_are_told_in_utc():
    report = decode(20, "841904d2182f18d718b5", datetime(2026, 11, 22, 4, 0, tzinfo=timezone(timedelta(hours=1))))

    assert report.data()["time"] == "2026-11-22T03:00:00.000Z"


def test_smart_data_models_have_their_own_names_and_fractions():
    model = decode(20, "841904d2182f18d718b5").model()

    assert model == {"type": "WasteContainer", "fillingLevel": {"value": 0.47}, "temperature": {"value": 21.5}}


def test_smart_data_models_have_gas_in_micrograms():
    model = decode(21, "8518261870382918a318b5").model()

    assert model["no2"] == {"value": 72.7, "unitCode": "GQ"}
    assert model["relativeHumidity"] == {"value": 0.815}


def test_a_parking_space_has_a_status_and_an_unknown_one_none():
    assert decode(25, "83f5188918b5").model()["status"] == {"value": "occupied"}
    assert "status" not in decode(25, "83f60018b5").model()


def test_counts_of_events_do_not_become_people_without_a_site_factor():
    assert "peopleCount" not in decode(23, "824c0300070c192926130802000118b5").model()


@pytest.mark.parametrize(
    ("profile", "field", "reading", "value"),
    [
        ("fill", "distance", 1234, 1234),
        ("fill", "temperature", 2154, 21.5),
        ("fill", "battery", 3612, 3.62),
        ("fill", "distance", "no-echo", None),
        ("air", "humidity", 814, 81.5),
        ("light", "illuminance", 90000, 65535),
        ("parking", "occupied", True, True),
        ("status", "reset", 3, "watchdog"),
    ],
)
def test_what_a_reading_becomes_on_its_way_can_be_told_in_advance(profile, field, reading, value):
    assert as_decoded(profile, field, reading) == value


def test_a_refused_command_is_told_in_words():
    assert decode(31, "821281820203") == {
        "seq": 18,
        "ok": False,
        "refused": [{"key": "thresholds", "reason": "out_of_range"}],
    }


def test_a_refused_sequence_number_is_told_alike_by_python_and_javascript():
    report = decode(31, "821281820007")

    assert report["refused"] == [{"key": "seq", "reason": "seq_reused"}]
    assert Codec().decode(31, bytes.fromhex("821281820007"))["data"] == report.data()
    assert firmware.payload.encode("answer", report) == (31, bytes.fromhex("821281820007"))
