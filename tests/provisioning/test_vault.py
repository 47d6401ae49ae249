"""The vault keeps secrets, and notices whatever is done to it."""

import json
import multiprocessing
import os
import stat

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from provisioning import vault as vault_module
from provisioning.errors import KeyRefused, VaultDamaged, VaultError, VaultExposed, WrongPassphrase
from provisioning.vault import Cost, open_vault

CHEAP = Cost(argon2_memory_kib=64, argon2_passes=1, argon2_lanes=1, scrypt_n=2**4)
EUI_A, EUI_B = "240ac4fffe000001", "240ac4fffe000002"
KEY_A, KEY_B = bytes(range(16)), bytes(range(100, 116))


def opened(path, passphrase=b"correct horse"):
    return open_vault(path, bytearray(passphrase), create=True, cost=CHEAP)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "state" / "vault.spatz"


def test_what_is_put_in_comes_out_after_reopening(path):
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)

    with opened(path) as vault, vault.secret(EUI_A, "app_key") as secret:
        assert secret == KEY_A


def test_a_secret_is_wiped_when_its_block_ends(path):
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)
        with vault.secret(EUI_A, "app_key") as secret:
            pass

    assert secret == bytes(16)


def test_closing_wipes_the_data_key(path):
    vault = opened(path)
    vault.close()

    assert vault._data_key == bytes(32)


def test_the_file_holds_no_secret_in_any_usual_spelling(path):
    from provisioning.redaction import spellings

    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)
    content = path.read_bytes()

    assert KEY_A not in content
    assert not [spelling for spelling in spellings(KEY_A) if spelling.lower().encode() in content.lower()]


def test_a_wrong_passphrase_opens_nothing(path):
    opened(path).close()

    with pytest.raises(WrongPassphrase):
        opened(path, b"wrong")


def test_file_and_directory_belong_to_one_user(path):
    opened(path).close()

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize("exposed", ["file", "directory"])
def test_a_vault_others_can_read_is_refused_with_the_command_that_repairs_it(path, exposed):
    opened(path).close()
    (path if exposed == "file" else path.parent).chmod(0o755)

    with pytest.raises(VaultExposed) as caught:
        opened(path)

    assert caught.value.fields["mode"] in ("600", "700")


def test_the_same_key_for_a_second_device_is_refused(path):
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)

        with pytest.raises(KeyRefused):
            vault.put(EUI_B, "app_key", KEY_A)

        assert not vault.has(EUI_B, "app_key")


def test_the_newest_value_counts(path):
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)
        vault.put(EUI_A, "app_key", KEY_B)

    with opened(path) as vault, vault.secret(EUI_A, "app_key") as secret:
        assert secret == KEY_B


def test_a_vault_that_is_not_there_is_not_made_by_looking(path):
    with pytest.raises(VaultError):
        open_vault(path, bytearray(b"x"))

    assert not path.exists()


def test_a_record_moved_to_another_device_is_noticed(path):
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)
        vault.put(EUI_B, "app_key", KEY_B)
    lines = path.read_text().splitlines()
    record = json.loads(lines[1])
    record["device"] = EUI_B
    path.write_text("\n".join([lines[0], lines[2], json.dumps(record)]) + "\n")

    with opened(path) as vault, pytest.raises(VaultDamaged), vault.secret(EUI_B, "app_key"):
        pass


@pytest.mark.parametrize("part", ["header", "record"])
def test_every_changed_character_is_noticed(path, part):
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)
    whole = path.read_bytes()
    first_line = whole.index(b"\n") + 1
    places = range(first_line) if part == "header" else range(first_line, len(whole))

    for place in places[::3]:
        changed = bytearray(whole)
        changed[place] ^= 0x01
        path.write_bytes(changed)
        try:
            with opened(path) as vault, vault.secret(EUI_A, "app_key") as secret:
                survived = bytes(secret)
        except (VaultError, KeyError):
            continue
        # Base64 has unused bits at its end, and JSON its blanks: such a change alters nothing.
        assert survived == KEY_A


def test_a_line_cut_by_a_power_loss_is_dropped_and_the_next_one_is_whole(path):
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)
    whole = path.read_bytes()
    with opened(path) as vault:
        vault.put(EUI_B, "app_key", KEY_B)
    longer = path.read_bytes()

    for cut in range(len(whole), len(longer), 17):
        path.write_bytes(longer[:cut])
        with opened(path) as vault:
            assert not vault.has(EUI_B, "app_key")
            vault.put(EUI_B, "app_key", KEY_B)
        with opened(path) as vault:
            assert vault.verify() == 2


def test_two_open_vaults_see_each_others_keys(path):
    with opened(path) as one, opened(path) as other:
        one.put(EUI_A, "app_key", KEY_A)

        with pytest.raises(KeyRefused):
            other.put(EUI_B, "app_key", KEY_A)
        other.put(EUI_B, "app_key", KEY_B)

        assert other.has(EUI_A, "app_key")
    with opened(path) as vault:
        assert vault.verify() == 2


def _put_many(path, first):
    with opened(path) as vault:
        for number in range(first, first + 20):
            vault.put(f"{number:016x}", "app_key", os.urandom(16))


def test_processes_that_write_at_once_lose_nothing(path):
    context = multiprocessing.get_context("fork")
    writers = [context.Process(target=_put_many, args=(path, first)) for first in (0, 100, 200)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    with opened(path) as vault:
        assert vault.verify() == 60


def test_scrypt_serves_where_argon2id_is_missing(path, monkeypatch):
    monkeypatch.setattr(vault_module, "_best_kdf", lambda cost: {"name": "scrypt", "n": cost.scrypt_n, "r": 8, "p": 1})
    with opened(path) as vault:
        vault.put(EUI_A, "app_key", KEY_A)
    monkeypatch.undo()

    with opened(path) as vault, vault.secret(EUI_A, "app_key") as secret:
        assert secret == KEY_A
    with pytest.raises(WrongPassphrase):
        opened(path, b"other")


def test_a_header_that_asks_for_all_memory_is_refused(path):
    opened(path).close()
    header = json.loads(path.read_text())
    header["kdf"]["memory_kib"] = 1 << 30
    path.write_text(json.dumps(header) + "\n")

    with pytest.raises(VaultDamaged):
        opened(path)


@settings(deadline=None, max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.dictionaries(st.tuples(st.sampled_from([EUI_A, EUI_B]), st.text(max_size=8)), st.binary(max_size=40)))
def test_any_values_under_any_names_come_back(tmp_path_factory, entries):
    path = tmp_path_factory.mktemp("vault") / "v" / "vault.spatz"
    kept = {}
    with opened(path) as vault:
        for (device, field), value in entries.items():
            try:
                vault.put(device, field, value)
            except KeyRefused:
                continue
            kept[device, field] = value
    with opened(path) as vault:
        for (device, field), value in kept.items():
            with vault.secret(device, field) as secret:
                assert secret == value
