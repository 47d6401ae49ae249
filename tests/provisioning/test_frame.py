"""`spatz frame decode` over the published vectors, by its command line."""

import json
from pathlib import Path

import pytest

from provisioning.cli.main import run
from provisioning.network.channel import Channel
from provisioning.network.chirpstack import ChirpStack, Wanted

DATA = Path(__file__).parents[1] / "data" / "lorawan-vectors.json"
VECTORS = json.loads(DATA.read_text())
KINDS = ("data", "join-request", "join-accept")
ONE_0 = [vector for vector in VECTORS if vector["kind"] in KINDS and vector["spec"].startswith("1.0")]
MAC_COMMANDS = [vector for vector in VECTORS if vector["kind"] == "mac-command"]
OPTIONS = {"AppKey": "--app-key", "NwkSKey": "--nwk-skey", "AppSKey": "--app-skey"}


def decode(capsys, frame, *arguments):
    status = run(["frame", "decode", frame, "--json", *arguments])
    written = capsys.readouterr()
    return status, [json.loads(line) for line in written.out.splitlines()], written


def test_there_are_vectors_of_every_kind():
    assert {vector["kind"] for vector in ONE_0} == set(KINDS)
    assert len(ONE_0) > 15


@pytest.mark.parametrize("vector", ONE_0, ids=lambda vector: vector["name"])
def test_a_vector_is_taken_apart_as_published(capsys, vector):
    arguments = []
    for name, key in vector["keys"].items():
        arguments += [OPTIONS[name], key] if name in OPTIONS else []
    if "fcnt32" in vector["fields"]:
        arguments += ["--fcnt", str(vector["fields"]["fcnt32"])]
    if vector["kind"] == "join-accept" and "dev_nonce" in vector["fields"]:
        arguments += ["--dev-nonce", str(vector["fields"]["dev_nonce"])]

    status, (found,), _ = decode(capsys, vector["frame"], *arguments)

    assert status == 0
    published = {**vector["fields"], **vector["expected"]}
    for remark in ("note", "keys_note", *(["dev_nonce"] if vector["kind"] == "join-accept" else [])):
        published.pop(remark, None)  # said about the vector, not found in the frame
    assert {name: found.get(name) for name in published} == published


@pytest.mark.parametrize("vector", ONE_0[:4], ids=lambda vector: vector["name"])
def test_without_keys_only_the_clear_fields_are_told(capsys, vector):
    _, (found,), _ = decode(capsys, vector["frame"])

    assert "plaintext" not in found
    assert "mic_valid" not in found


def test_people_get_lines_instead_of_an_object(capsys):
    vector = next(vector for vector in ONE_0 if vector["kind"] == "data")

    assert run(["frame", "decode", vector["frame"], "--plain"]) == 0
    assert f"devaddr      {vector['fields']['devaddr']}" in capsys.readouterr().out


@pytest.mark.parametrize("frame", ["", "zz", "40", "40f17dbe", "43" + "00" * 20, "4" * 33])
def test_what_is_no_frame_is_refused_with_status_2(capsys, frame):
    status, lines, _ = decode(capsys, frame)

    assert status == 2
    assert lines[-1]["code"] == "frame-malformed"


@pytest.mark.parametrize("key", ["12", "x" * 32, "00" * 15, "00" * 17])
def test_a_malformed_key_is_refused_without_repeating_it(capsys, key):
    status, lines, written = decode(capsys, ONE_0[0]["frame"], "--app-key", key)

    assert (status, lines[-1]["code"]) == (2, "key-malformed")
    assert len(key) < 8 or key not in written.out + written.err


def test_a_key_may_come_from_a_file_and_its_session_keys_are_then_not_shown(capsys, tmp_path):
    vector = next(vector for vector in ONE_0 if vector["name"] == "joinacc-ttn-capture")
    file = tmp_path / "key"
    file.write_text(vector["keys"]["AppKey"] + "\n")
    nonce = str(vector["fields"]["dev_nonce"])

    _, (shown,), _ = decode(capsys, vector["frame"], "--app-key", vector["keys"]["AppKey"], "--dev-nonce", nonce)
    _, (hidden,), written = decode(capsys, vector["frame"], "--app-key", f"@{file}", "--dev-nonce", nonce)

    assert shown["NwkSKey"] == vector["expected"]["NwkSKey"]
    assert hidden["mic_valid"] is True
    assert vector["expected"]["NwkSKey"] not in written.out


def test_keys_of_two_sources_are_refused(capsys):
    status, lines, _ = decode(capsys, ONE_0[0]["frame"], "--device", "24" * 8, "--app-key", "00" * 16)

    assert (status, lines[-1]["code"]) == (2, "frame-keys")


@pytest.fixture
def session(tmp_path):
    """A device in the vault, and the frames of its join and first uplink, made with `cryptography` only."""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    from cryptography.hazmat.primitives.cmac import CMAC

    from provisioning.vault import Cost, open_vault

    def aes(key, block, *, decrypt=False):
        cipher = Cipher(algorithms.AES(key), modes.ECB())
        worker = cipher.decryptor() if decrypt else cipher.encryptor()
        return worker.update(block) + worker.finalize()

    def mic(key, message):
        cmac = CMAC(algorithms.AES(key))
        cmac.update(message)
        return cmac.finalize()[:4]

    app_key, dev_eui, join_eui = (
        bytes(range(7, 23)),
        bytes.fromhex("240ac4fffe123456"),
        bytes.fromhex("70b3d57ed0000001"),
    )
    request = b"\x00" + join_eui[::-1] + dev_eui[::-1] + b"\x34\x12"
    request += mic(app_key, request)
    clear = b"\x01\x00\x00" + b"\x13\x00\x00" + bytes.fromhex("26011bda")[::-1] + b"\x00\x01"
    accept = b"\x20" + aes(app_key, clear + mic(app_key, b"\x20" + clear), decrypt=True)
    nwk, app = (aes(app_key, bytes((number,)) + clear[:6] + b"\x34\x12" + bytes(7)) for number in (1, 2))
    address = bytes.fromhex("26011bda")[::-1]
    stream = aes(app, b"\x01" + bytes(5) + address + bytes(4) + b"\x00\x01")
    uplink = b"\x40" + address + b"\x00\x00\x00\x14" + bytes(a ^ b for a, b in zip(b"hallo", stream, strict=False))
    uplink += mic(nwk, b"\x49" + bytes(5) + address + bytes(4) + b"\x00" + bytes((len(uplink),)) + uplink)

    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    cheap = Cost(argon2_memory_kib=64, argon2_passes=1, argon2_lanes=1, scrypt_n=16)
    with open_vault(tmp_path / "state" / "vault.spatz", bytearray(b"correct horse"), create=True, cost=cheap) as vault:
        vault.put(dev_eui.hex(), "app_key", app_key)
    options = ["--state", str(tmp_path / "state"), "--passphrase-file", str(passphrase), "--device", dev_eui.hex()]
    return {
        "request": request.hex(),
        "accept": accept.hex(),
        "uplink": uplink.hex(),
        "options": options,
        "secrets": [app_key.hex(), nwk.hex(), app.hex()],
    }


def test_the_vault_opens_the_join_frames_of_its_device(capsys, session):
    _, (request,), _ = decode(capsys, session["request"], *session["options"])
    _, (accept,), written = decode(capsys, session["accept"], *session["options"], "--dev-nonce", "4660")

    assert (request["mic_valid"], accept["mic_valid"], accept["devaddr"]) == (True, True, "26011bda")
    assert not [secret for secret in session["secrets"] if secret in written.out + written.err]


def test_a_data_frame_of_a_device_opens_with_the_join_that_began_its_session(capsys, session):
    joined = ["--join-request", session["request"], "--join-accept", session["accept"]]

    _, (found,), written = decode(capsys, session["uplink"], *session["options"], *joined)

    assert (found["mic_valid"], bytes.fromhex(found["plaintext"])) == (True, b"hallo")
    assert not [secret for secret in session["secrets"] if secret in written.out + written.err]


def test_a_data_frame_of_a_device_opens_with_the_session_of_the_server_when_it_is_named(
    capsys, session, chirpstack, tmp_path
):
    _, nwk, app = session["secrets"]
    server = ChirpStack(Channel(chirpstack.url, chirpstack.service.admin_token))
    eui = session["options"][-1]
    wanted = Wanted(eui, "70b3d57ed0000001", "n", "Bins", "", "EU868", {})
    server.register(wanted, bytearray(range(7, 23)), "", forget_nonces=False)
    chirpstack.activate(eui, nwk_skey=nwk, app_skey=app)
    token = tmp_path / "token"
    token.write_text(chirpstack.service.admin_token)
    there = ["--server", chirpstack.url, "--token-file", str(token)]

    _, (found,), written = decode(capsys, session["uplink"], *session["options"], *there)

    assert (found["mic_valid"], bytes.fromhex(found["plaintext"])) == (True, b"hallo")
    assert not [secret for secret in session["secrets"] if secret in written.out + written.err]


def test_join_frames_of_another_key_are_refused(capsys, session):
    joined = ["--join-request", session["request"], "--join-accept", session["accept"]]

    status, lines, _ = decode(capsys, session["uplink"], "--app-key", "0f" * 16, *joined)

    assert (status, lines[-1]["code"]) == (2, "frame-keys")


def test_a_device_the_vault_does_not_know_is_named(capsys, session):
    options = [*session["options"][:-1], "240ac4fffe999999"]

    status, lines, _ = decode(capsys, session["request"], *options)

    assert (status, lines[-1]["code"]) == (3, "vault-no-key")
