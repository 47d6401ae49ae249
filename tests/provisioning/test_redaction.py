"""Nothing that is secret, or looks like a key, gets through."""

import base64
import io
import json
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.redaction import HIDDEN, RedactingFormatter, Redactor

KEY = bytes.fromhex("5a17c93e00ff8842b6d1a07fe3951c6b")


def forms(key):
    pairs = [f"{byte:02x}" for byte in key]
    return [
        key.hex(),
        key.hex().upper(),
        ":".join(pairs),
        "-".join(pairs).upper(),
        " ".join(pairs),
        ", ".join(f"0x{pair}" for pair in pairs),
        ",".join(f"0x{pair.upper()}" for pair in pairs),
        str(list(key)),
        repr(key),
        repr(bytearray(key)),
        base64.b64encode(key).decode(),
        base64.urlsafe_b64encode(key).decode(),
        "".join(f"\\x{pair}" for pair in pairs),
    ]


@pytest.mark.parametrize("form", forms(KEY))
def test_a_known_secret_is_hidden_in_every_spelling(form):
    redactor = Redactor()
    redactor.hide(KEY)

    cleaned = redactor.clean(f"the key is {form}, remember it")

    assert HIDDEN in cleaned
    assert form.lower() not in cleaned.lower()


@pytest.mark.parametrize("form", forms(KEY)[:8])  # the later ones look like any word
def test_an_unknown_key_in_foreign_text_is_hidden_by_its_looks(form):
    assert form.lower() not in Redactor().clean_foreign(f"key={form} end").lower()


@pytest.mark.parametrize("text", ["authorization: Bearer abc.def-123", "eyJhbGciOiJIUzI1NiJ9.eyJhIjoxfQ.sig-nature"])
def test_bearer_tokens_are_hidden_everywhere(text):
    assert HIDDEN in Redactor().clean(text)
    assert "eyJhIjoxfQ" not in Redactor().clean(text)


@pytest.mark.parametrize(
    "text",
    [
        "240ac4fffe123456",
        "a" * 64,
        "24:0a:c4:12:34:56",
        "841904d2182f18d718b5",
        "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
        "1, 2, 3",
    ],
)
def test_euis_hashes_macs_and_payloads_stay(text):
    assert Redactor().clean_foreign(text) == text


def test_own_text_with_sixteen_innocent_bytes_stays():
    assert Redactor().clean(KEY.hex()) == KEY.hex()


@given(st.text(max_size=300))
def test_any_text_can_be_cleaned_and_cleaning_twice_changes_nothing(text):
    redactor = Redactor()
    redactor.hide(KEY)

    once = redactor.clean_foreign(text)

    assert redactor.clean_foreign(once) == once


def test_a_log_line_is_one_object_without_the_secret_even_in_a_traceback():
    redactor = Redactor()
    redactor.hide(KEY)
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter(redactor))
    logger = logging.Logger("test")
    logger.addHandler(handler)

    try:
        raise ValueError(f"bad key {KEY.hex()}")
    except ValueError:
        logger.exception("failed with %r", KEY)

    (line,) = stream.getvalue().splitlines()
    message = json.loads(line)["message"]
    assert "Traceback" in message
    assert KEY.hex() not in message
    assert repr(KEY)[2:-1] not in message


def test_a_short_secret_does_not_tear_up_the_output():
    redactor = Redactor()
    redactor.hide('"')
    redactor.hide("key")

    assert redactor.clean('{"a": "key"}') == '{"a": "key"}'
