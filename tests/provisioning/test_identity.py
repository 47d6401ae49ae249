"""EUIs and keys: their forms, and which are refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning import identity
from provisioning.errors import KeyRefused, SettingsError


def test_a_mac_becomes_a_dev_eui_with_fffe_in_the_middle_and_the_local_bit_untouched():
    assert identity.dev_eui_from_mac(bytes.fromhex("240ac4123456")) == "240ac4fffe123456"


@pytest.mark.parametrize("mac", ["000000000000", "ffffffffffff", "240ac41234"])
def test_a_mac_that_is_none_is_refused(mac):
    with pytest.raises(SettingsError):
        identity.dev_eui_from_mac(bytes.fromhex(mac))


def test_a_random_dev_eui_is_local_and_no_group():
    for _ in range(200):
        eui = identity.random_dev_eui()

        assert identity.is_local(eui)
        assert not int(eui[:2], 16) & 0x01


@pytest.mark.parametrize("text", ["240AC4FFFE123456", "24:0a:c4:ff:fe:12:34:56", "24-0A-C4-FF-FE-12-34-56"])
def test_an_eui_may_be_written_as_people_do(text):
    assert identity.parse_eui(text, where="x") == "240ac4fffe123456"


@pytest.mark.parametrize(
    "key", [bytes(16), b"\xff" * 16, b"\x11" * 16, *sorted(identity.KNOWN_KEYS)], ids=lambda key: key.hex()[:8]
)
def test_a_key_everybody_can_know_is_refused(key):
    with pytest.raises(KeyRefused):
        identity.check_app_key(key)


@given(st.binary(max_size=40).filter(lambda key: len(key) != 16))
def test_a_key_of_another_length_is_refused(key):
    with pytest.raises(KeyRefused):
        identity.check_app_key(key)


def test_new_keys_pass_the_check_and_are_all_different():
    keys = {bytes(identity.new_app_key()) for _ in range(1000)}

    assert len(keys) == 1000
