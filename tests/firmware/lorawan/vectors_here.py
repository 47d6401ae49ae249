"""Run the known answers of LoRaWAN on this interpreter. CPython and genuine MicroPython run this same file.

    vectors_here.py FILE [aes]      "aes": with the interpreted AES in place of cryptolib

Prints "kind passed" lines; the first wrong answer raises AssertionError with the vector's name.
"""

import json
import sys
from binascii import hexlify, unhexlify

from firmware.lorawan import activation, aes, crypto, explain, frames


def hexed(data):
    return hexlify(bytes(data)).decode()


def key_of(vector, name):
    text = vector["keys"].get(name)
    return None if text is None else unhexlify(text)


def assert_fields(vector, found):
    for source in ("fields", "expected"):
        for name, value in vector[source].items():
            if name in ("note", "keys_note"):
                continue
            assert found.get(name) == value, (vector["name"], name, found.get(name), value)


def aes_cmac(vector):
    data = unhexlify(vector["frame"])
    mac = crypto.Key(key_of(vector, "key")).mic(data, len(data))
    assert hexed(mac) == vector["expected"]["mac"], vector["name"]


def aes_cmac_subkeys(vector):
    key = crypto.Key(key_of(vector, "key"))
    zero = bytearray(16)
    key.encrypt(zero)
    k1, k2 = key.subkeys()
    assert {"L": hexed(zero), "K1": hexed(k1), "K2": hexed(k2)} == vector["expected"], vector["name"]


def join_request(vector):
    frame = unhexlify(vector["frame"])
    app_key = key_of(vector, "AppKey")
    found = explain.explain(frame, app_key=app_key)
    assert_fields(vector, found)
    if found["mic_valid"]:
        built = bytearray(23)
        activation.build_join_request(built, crypto.Key(app_key), frame[1:9], frame[9:17], found["dev_nonce"])
        assert bytes(built) == frame, vector["name"]


def join_accept(vector):
    nonce = vector["fields"].get("dev_nonce")
    frame = unhexlify(vector["frame"])
    found = explain.explain(frame, app_key=key_of(vector, "AppKey"), dev_nonce=nonce)
    if nonce is not None:
        found["dev_nonce"] = nonce
    assert_fields(vector, found)


def session_keys(vector):
    fields = vector["fields"]
    nwk_skey, app_skey = activation.session_keys(
        crypto.Key(key_of(vector, "AppKey")),
        fields["join_nonce"].to_bytes(3, "little"),
        bytes(reversed(unhexlify(fields["net_id"]))),
        fields["dev_nonce"].to_bytes(2, "little"),
    )
    assert {"NwkSKey": hexed(nwk_skey), "AppSKey": hexed(app_skey)} == vector["expected"], vector["name"]


def data(vector):
    frame = unhexlify(vector["frame"])
    fields = vector["fields"]
    nwk_skey, app_skey = key_of(vector, "NwkSKey"), key_of(vector, "AppSKey")
    found = explain.explain(frame, nwk_skey=nwk_skey, app_skey=app_skey, fcnt32=fields["fcnt32"])
    assert_fields(vector, found)
    if found["mic_valid"]:
        parts = frames.DataFrame(frame)
        built = bytearray(256)
        length = frames.build_data(
            built,
            parts.ftype,
            parts.dev_addr,
            parts.fctrl & 0xF0,
            fields["fcnt32"],
            parts.fopts,
            len(parts.fopts),
            parts.port,
            unhexlify(found.get("plaintext", "")),
            crypto.Key(nwk_skey),
            crypto.Key(app_skey or nwk_skey),
        )
        assert bytes(built[:length]) == frame, vector["name"]


def mac_command(vector):
    wanted = dict(vector["fields"])
    found = explain.explain_commands(unhexlify(vector["frame"]), wanted.pop("direction"))
    assert found == [wanted], (vector["name"], found)


def downlink_sequence(vector):
    nwk, app = crypto.Key(key_of(vector, "NwkSKey")), crypto.Key(key_of(vector, "AppSKey"))
    dev_addr = bytes(reversed(unhexlify(vector["fields"]["devaddr"])))
    last = vector["fields"]["last_fcnt_down"]
    for step in vector["expected"]["steps"]:
        parts = frames.DataFrame(unhexlify(step["frame"]))
        fcnt = frames.full_fcnt(parts.fcnt16, last)
        taken = (
            not parts.uplink and parts.dev_addr == dev_addr and fcnt is not None and bool(parts.mic_valid(nwk, fcnt))
        )
        assert taken == step["accept"], step
        if taken:
            last = fcnt
            clear = parts.decrypted(nwk if parts.port == 0 else app, fcnt)
            assert hexed(clear) == step.get("plaintext", ""), step


RUNNERS = {
    "aes-cmac": aes_cmac,
    "aes-cmac-subkeys": aes_cmac_subkeys,
    "join-request": join_request,
    "join-accept": join_accept,
    "session-keys": session_keys,
    "data": data,
    "mac-command": mac_command,
    "downlink-sequence": downlink_sequence,
}


def run(file):
    with open(file) as text:  # noqa: PTH123 (no pathlib on MicroPython)
        vectors = json.load(text)
    passed = {}
    for vector in vectors:
        if vector["kind"] in RUNNERS and vector["spec"] != "1.1":
            RUNNERS[vector["kind"]](vector)
            passed[vector["kind"]] = passed.get(vector["kind"], 0) + 1
    for kind in sorted(passed):
        print(kind, passed[kind])


if __name__ == "__main__":
    if sys.argv[2:] == ["aes"]:
        crypto.block_cipher = aes.Aes
    run(sys.argv[1])
