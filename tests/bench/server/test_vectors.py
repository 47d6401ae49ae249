"""Known answers: the server's cryptography and frames against public captures, never against the node's stack."""

import json
from pathlib import Path

import pytest

from bench.server import crypto
from bench.server.errors import FrameError
from bench.server.frames import DataFrame, JoinAccept, JoinRequest

VECTORS = json.loads((Path(__file__).parents[2] / "data" / "lorawan-vectors.json").read_text())


def of(kind, spec="1.0.x"):
    chosen = [v for v in VECTORS if v["kind"] == kind and v["spec"] == spec]
    assert chosen
    return pytest.mark.parametrize("vector", chosen, ids=lambda v: v["name"])


def key(vector, name):
    return bytes.fromhex(vector["keys"].get(name, "00" * 16))


@of("aes-cmac", "RFC 4493")
def test_cmac_is_that_of_the_rfc(vector):
    assert crypto.cmac(key(vector, "key"), bytes.fromhex(vector["frame"])).hex() == vector["expected"]["mac"]


@of("join-request")
def test_a_join_request_is_parsed_and_its_mic_judged(vector):
    request = JoinRequest.parse(bytes.fromhex(vector["frame"]))

    fields = vector["fields"]
    assert (request.join_eui, request.dev_eui, request.dev_nonce) == (
        fields["join_eui"],
        fields["dev_eui"],
        fields["dev_nonce"],
    )
    assert request.mic.hex() == fields["mic"]
    assert request.mic_valid(key(vector, "AppKey")) is vector["expected"]["mic_valid"]


@of("join-accept")
def test_a_join_accept_is_opened_and_built_again_to_the_same_bytes(vector):
    phy, app_key, fields = bytes.fromhex(vector["frame"]), key(vector, "AppKey"), vector["fields"]

    if not vector["expected"]["mic_valid"]:
        with pytest.raises(FrameError):
            JoinAccept.open(phy, app_key)
        return
    accept = JoinAccept.open(phy, app_key)

    assert (accept.join_nonce, accept.net_id, accept.dev_addr) == (
        fields["join_nonce"],
        fields["net_id"],
        fields["devaddr"],
    )
    assert accept.rx1_dr_offset << 4 | accept.rx2_dr == fields["dl_settings"]
    assert accept.rx_delay_s == fields["rx_delay"]
    assert accept.cf_list.hex() == fields["cflist"]
    assert accept.build(app_key) == phy
    if "NwkSKey" in vector["expected"]:
        assert_session_keys(vector, accept.join_nonce)


@of("session-keys")
def test_session_keys_are_derived(vector):
    assert_session_keys(vector, vector["fields"]["join_nonce"])


def assert_session_keys(vector, join_nonce):
    keys = crypto.session_keys(
        key(vector, "AppKey"),
        join_nonce=join_nonce,
        net_id=vector["fields"]["net_id"],
        dev_nonce=vector["fields"]["dev_nonce"],
    )
    assert keys.nwk_s_key.hex() == vector["expected"]["NwkSKey"]
    assert keys.app_s_key.hex() == vector["expected"]["AppSKey"]


@of("data")
def test_a_data_frame_is_parsed_checked_decrypted_and_built_again(vector):
    phy, fields = bytes.fromhex(vector["frame"]), vector["fields"]
    keys = crypto.SessionKeys(key(vector, "NwkSKey"), key(vector, "AppSKey"))

    frame = DataFrame.parse(phy)

    assert frame.dev_addr == fields["devaddr"]
    assert frame.f_cnt16 == fields["fcnt16"]
    assert frame.adr is fields["adr"]
    assert frame.ack is fields["ack"]
    assert frame.adr_ack_req is fields.get("adr_ack_req", False)
    assert frame.f_pending is fields.get("fpending", fields.get("class_b"))
    assert frame.f_opts.hex() == fields["fopts"]
    assert frame.f_port == fields["fport"]
    assert frame.payload.hex() == fields["frmpayload"]
    assert frame.downlink is (fields["direction"] == "down")
    assert frame.mic_valid(keys.nwk_s_key, fields["fcnt32"]) is vector["expected"]["mic_valid"]
    if fields["fport"] == 226:
        return  # TS011 encrypts its port with the NwkSKey; the server does not speak it
    plain = frame.plaintext(keys, fields["fcnt32"])
    assert plain.hex() == vector["expected"].get("plaintext", "")
    if vector["expected"]["mic_valid"]:
        again = DataFrame(**{**{f: getattr(frame, f) for f in frame.__slots__}, "payload": plain})
        assert again.build(keys, fields["fcnt32"]) == phy


@pytest.mark.parametrize(
    "phy",
    ["", "41" + "00" * 15, "40" + "00" * 10, "40f17dbe490f020001954378762b11"],
    ids=["empty", "major 1", "11 bytes", "FOpts past the MIC"],
)
def test_bytes_that_are_no_frame_are_refused(phy):
    with pytest.raises(FrameError):
        DataFrame.parse(bytes.fromhex(phy))


def test_keys_do_not_show_in_a_representation():
    keys = crypto.SessionKeys(b"canary-canary-00", b"canary-canary-01")

    assert "canary" not in repr(keys)
