"""Hostile input to the parsers: they know one way to say no, and nothing else comes out of them.

A few thousand inputs here, a million in `make soak`; SPATZ_FUZZ_SEED repeats a run.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway import header
from gateway.errors import BadFrame, SettingsError
from gateway.forwarders import chirpstack_messages
from gateway.frames import Uplink
from gateway.gwmp.server import PacketForwarders, Pushed
from gateway.settings import parse
from gateway.station import messages
from gateway.station.regions import REGIONS
from tests.gateway import fuzzing
from tests.gateway.fuzzing import Damage
from tests.gateway.kit import EUI

SHARES = {"datagrams": 0.5, "station": 0.3, "downlinks": 0.1, "settings": 0.1}
QUICK, LONG = 6_000, 1_000_000
# A kind goes into logs and metrics, so there must be few, whatever comes in.
MOST_KINDS = 60
LONGEST_COMPLAINT = 600
PEER = ("127.0.0.1", 1234)

Read = Callable[[bytes], str]
"""Reads one input; the kind it was refused as, "" if it was taken."""


def read_datagram() -> Read:
    forwarders = PacketForwarders(EUI)

    def read(data: bytes) -> str:
        try:
            heard = forwarders.receive(data, PEER, 0)
        except BadFrame as error:
            return error.kind
        if isinstance(heard, Pushed):
            for uplink in heard.push.uplinks:
                _survives(uplink)
        return ""

    return read


def read_station(data: bytes) -> str:
    try:
        message = messages.read(data)
        if message["msgtype"] in messages.UPLINKS:
            _survives(messages.uplink(EUI, REGIONS["EU868"], message))
        elif message["msgtype"] == "dntxed":
            messages.transmitted(message)
        elif message["msgtype"] == "timesync":
            messages.timesync(message, 1_400_000_000_000_000)
    except BadFrame as error:
        return error.kind
    finally:
        _router(data)
    return ""


def _router(data: bytes) -> None:
    try:
        assert 0 <= messages.read_router(data) < 1 << 64
    except BadFrame:
        return


def read_downlink(data: bytes) -> str:
    try:
        chirpstack_messages.downlink(data)
    except BadFrame as error:
        return error.kind
    return ""


def read_settings(data: bytes) -> str:
    try:
        parse(data.decode("utf-8", "replace"), Path("/nonexistent/gateway.toml"))
    except SettingsError as error:
        complaints = [str(problem) for problem in error.problems]
    else:
        return ""
    assert complaints
    assert all(len(text) < LONGEST_COMPLAINT for text in complaints), "a complaint nobody can read"
    return "settings"


def _survives(uplink: Uplink) -> None:
    """What was taken can be stored, read back, judged, and written for a server."""
    assert Uplink.from_bytes(uplink.to_bytes()) == uplink
    header.read(uplink.phy_payload)
    chirpstack_messages.uplink_frame(uplink, b"", fuzz_dated(uplink), True, {}).SerializeToString()


def fuzz_dated(uplink: Uplink) -> chirpstack_messages.Dated:
    return chirpstack_messages.Dated(uplink.utc_us, uplink.gps_us, "gps" if uplink.gps_us is not None else "none", 0)


TARGETS: dict[str, tuple[Callable[[], list[bytes]], Callable[[], Read]]] = {
    "datagrams": (fuzzing.datagrams, read_datagram),
    "station": (fuzzing.station_messages, lambda: read_station),
    "downlinks": (fuzzing.downlinks, lambda: read_downlink),
    "settings": (fuzzing.settings_files, lambda: read_settings),
}


def attack(target: str, number: int, seed: int) -> Counter[str]:
    """How often which answer was given. An exception tells the input."""
    corpus, reader = TARGETS[target]
    read, answers = reader(), Counter[str]()
    for count, data in enumerate(Damage(corpus(), seed).take(number)):
        try:
            answers[read(data)] += 1
        except Exception as error:
            raise AssertionError(f"{target}, seed {seed}, input {count}: {data[:400]!r}") from error
    return answers


@pytest.mark.parametrize("target", list(TARGETS))
def test_whatever_is_undamaged_is_taken(target: str) -> None:
    corpus, reader = TARGETS[target]
    refused = {"direction", "station-msgtype"}  # an order to a gateway; router-info's question, which has no type
    read = reader()
    for data in corpus():
        assert read(data) in {"", *refused}, data


@pytest.mark.parametrize("target", list(TARGETS))
def test_no_parser_fails_on_thousands_of_damaged_inputs(target: str) -> None:
    answers = attack(target, int(QUICK * SHARES[target]), _seed(5))
    assert len(answers) <= MOST_KINDS
    assert answers.total() > answers[""], "nothing was refused: the damage does nothing"


@pytest.mark.soak
@pytest.mark.parametrize("target", list(TARGETS))
def test_no_parser_fails_on_a_million_damaged_inputs(target: str) -> None:
    seed = _seed(random.SystemRandom().randrange(1 << 32))
    answers = attack(target, int(LONG * SHARES[target]), seed)
    assert len(answers) <= MOST_KINDS


@given(st.binary(max_size=600))
def test_no_parser_fails_on_any_bytes(data: bytes) -> None:
    read_datagram()(data)
    read_datagram()(b"\x02\x12\x34\0" + bytes.fromhex(EUI) + data)
    read_station(data)
    read_downlink(data)
    read_settings(data)
    header.read(data)


def _seed(default: int) -> int:
    return int(os.environ.get("SPATZ_FUZZ_SEED", default))
