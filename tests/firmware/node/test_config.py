"""The configuration file: what is taken, what is refused, and its hash."""

from __future__ import annotations

import hashlib
import json

import pytest

from firmware.node import config
from firmware.node.errors import ConfigError

GOOD = {"version": 1, "name": "bin-7", "board": "virtual", "profile": "fill", "report_interval_s": 900}


def parsed(**changes):
    settings = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    return config.parse(json.dumps(settings).encode())


def test_defaults_are_those_of_the_street():
    found = parsed()

    assert (found.region, found.confirmed, found.spread_percent, found.watchdog) == ("EU868", False, 10, True)
    assert found.start_delay_s is None
    assert found.sample_interval_s is None
    assert found.calibration == {}


def test_hash_is_the_first_four_bytes_of_sha256_over_the_file():
    data = json.dumps(GOOD).encode()

    assert config.parse(data).hash == hashlib.sha256(data).digest()[:4]


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"name": None},
        {"board": 3},
        {"profile": ""},
        {"report_interval_s": None},
        {"report_interval_s": 9},
        {"report_interval_s": 86_401},
        {"report_interval_s": 900.5},
        {"report_interval_s": True},
        {"spread_percent": 51},
        {"start_delay_s": -1},
    ],
)
def test_unusable_value_is_refused_by_its_key(changes):
    with pytest.raises(ConfigError, match=next(iter(changes))):
        parsed(**changes)


@pytest.mark.parametrize("data", [b"", b"{", b"[1]", b"\xff\xfe"])
def test_what_is_no_json_object_is_refused(data):
    with pytest.raises(ConfigError):
        config.parse(data)


def test_missing_file_is_told_with_its_name(tmp_path):
    with pytest.raises(ConfigError, match="absent"):
        config.load(str(tmp_path / "absent"))
