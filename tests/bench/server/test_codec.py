"""The payload codec as ChirpStack v4 runs it."""

from pathlib import Path

import pytest
from server_node import DEV_EUI, joined

from bench.server.codec import Codec
from bench.server.errors import CodecError, Invalid
from bench.server.events import to_dict
from firmware import payload

ROOT = Path(__file__).parents[3]
UPLINK_CODEC = 2
ECHO = """
function decodeUplink(input) {
    return {data: {bytes: input.bytes, port: input.fPort, time: input.recvTime.toISOString(), v: input.variables}};
}
"""


def decode(body, data=b"\x01"):
    return Codec("function decodeUplink(input) {" + body + "}").decode(data, f_port=10, recv_time_us=0)


def test_the_codec_gets_bytes_port_time_and_variables():
    decoded = Codec(ECHO).decode(b"\x01\xff", f_port=10, recv_time_us=1_795_312_800_500_000, variables={"offset": "5"})

    assert decoded == {"bytes": [1, 255], "port": 10, "time": "2026-11-22T02:00:00.500Z", "v": {"offset": "5"}}


def test_an_endless_codec_is_stopped():
    with pytest.raises(CodecError, match="interrupted"):
        decode("while (true) {}")


def test_a_script_that_never_ends_parsing_is_stopped_too():
    with pytest.raises(CodecError, match="interrupted"):
        Codec("while (true) {}").decode(b"", f_port=1, recv_time_us=0)


def test_an_exception_becomes_an_error_with_its_text():
    with pytest.raises(CodecError, match="JS error: ReferenceError: 'foo' is not defined"):
        decode("return foo;")


def test_a_variable_that_was_not_declared_fails_since_the_script_is_a_module():
    with pytest.raises(CodecError, match="ReferenceError"):
        decode("for (i = 0; i < 1; i++) {} return {data: {}};")


def test_reported_errors_fail_the_call():
    with pytest.raises(CodecError, match="decodeUplink returned errors: too short, no map"):
        decode("return {errors: ['too short', 'no map'], data: {a: 1}};")


def test_warnings_are_dropped():
    assert decode("return {data: {a: 1}, warnings: ['old']};") == {"a": 1}


@pytest.mark.parametrize("body", ["return {};", "return {data: 5};", "return {data: [1]};", "return 5;", "return;"])
def test_a_result_without_data_fails(body):
    with pytest.raises(CodecError):
        decode(body)


def test_values_arrive_as_in_chirpstack():
    decoded = decode(
        "return {data: {nan: NaN, date: new Date(0), nothing: null, missing: undefined, f: function () {}, n: 2.5}};"
    )

    assert decoded == {"nan": None, "date": {}, "nothing": None, "missing": None, "f": None, "n": 2.5}


def test_each_call_has_a_runtime_of_its_own():
    codec = Codec("var calls = 0; function decodeUplink() { calls += 1; return {data: {calls: calls}}; }")

    assert [codec.decode(b"", f_port=1, recv_time_us=0)["calls"] for _ in range(2)] == [1, 1]


def test_encoded_bytes_are_cut_and_held_within_a_byte():
    codec = Codec("function encodeDownlink(input) { return {bytes: [256, -1, 1.9, input.data.x, 'a']}; }")

    assert codec.encode({"x": 7}, f_port=9) == (9, bytes((255, 0, 1, 7, 0)))


def test_the_encoder_may_name_the_port():
    codec = Codec("function encodeDownlink() { return {bytes: [], fPort: 31}; }")

    assert codec.encode({}, f_port=9) == (31, b"")


# ------------------------------------------------------------------------------------------ inside the server


def event(codec, data=b"\x01\x02"):
    air, node = joined(codec=codec)
    air.hear(node.send(data, port=10))
    air.wait(1)
    (up,) = air.take("up")
    return up, air.take("log")


def test_the_event_carries_the_decoded_object():
    up, logs = event("function decodeUplink(i) { return {data: {level_mm: i.bytes[0] * 256 + i.bytes[1], on: true}}; }")

    assert to_dict(up)["object"] == {"level_mm": 258.0, "on": True}
    assert logs == []


@pytest.mark.parametrize(
    ("profile", "report"),
    [
        ("fill", {"distance": 1234, "fill": 47, "temperature": -12.5}),
        ("fill", {"distance": None, "fill": None, "temperature": None}),
        ("air", {"no2": -12, "o3": 63, "temperature": 21.5, "humidity": 55.5}),
        ("light", {"illuminance": 11, "motion": 3, "dim": 60}),
    ],
)
def test_the_generated_codec_says_in_the_server_what_the_host_decoder_says(profile, report):
    f_port, data = payload.encode(profile, report, 0)
    air, node = joined(codec=(ROOT / "firmware/payload/generated/spatz.js").read_text())
    air.hear(node.send(data, port=f_port))
    air.wait(1)

    (up,) = air.take("up")

    decoded = to_dict(up)["object"]
    expected = payload.decode(f_port, data).data()
    assert {name: decoded.get(name) for name in expected} == expected
    assert {name: decoded[name] for name in report} == report


def test_a_broken_codec_costs_the_object_but_not_the_event():
    up, logs = event("function decodeUplink() { throw new Error('broken'); }")

    assert up.data == b"\x01\x02"
    assert "object" not in to_dict(up)
    (log,) = logs
    assert log.code == UPLINK_CODEC
    assert "broken" in log.description


def test_the_json_of_an_event_shows_defaults_of_its_own_fields_only():
    up, _ = event("")

    fields = to_dict(up)

    assert (fields["fCnt"], fields["confirmed"], fields["data"]) == (0, False, "AQI=")
    assert fields["deviceInfo"]["devEui"] == DEV_EUI
    assert "channel" not in fields["rxInfo"][0]
    assert fields["txInfo"]["modulation"]["lora"] == {
        "bandwidth": 125000,
        "spreadingFactor": 7,
        "codeRate": "CR_4_5",
    }


def test_a_downlink_object_runs_through_the_encoder():
    air, _ = joined(codec="function encodeDownlink(i) { return {bytes: [i.data.interval], fPort: 31}; }")

    item = air.server.enqueue(DEV_EUI, 1, decoded={"interval": 60})

    assert (item.f_port, item.data) == (31, b"\x3c")


def test_a_failing_encoder_refuses_the_downlink():
    air, _ = joined(codec="function encodeDownlink() { return {errors: ['unknown command']}; }")

    with pytest.raises(Invalid, match="unknown command"):
        air.server.enqueue(DEV_EUI, 1, decoded={})
